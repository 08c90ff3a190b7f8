#![no_main]
//! A SIP message, as a datagram and as a text: what is in it, and whether it is read the
//! same after it was written.

use pennyblack_sip::message::{LineEnds, RawMessage};
use pennyblack_sip::name_addr::NameAddr;
use pennyblack_sip::number::NumberCandidate;
use pennyblack_sip::request::Request;
use pennyblack_sip::response::Response;
use pennyblack_sip::uri::Uri;
use pennyblack_sip::via::Via;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(request) = Request::from_text(bytes) {
        check_request(&request);
    }
    let Ok(raw) = RawMessage::parse(bytes, LineEnds::CrLf) else {
        return;
    };
    for field in raw.headers.iter() {
        let forbidden = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        assert!(!field.value().as_bytes().iter().any(forbidden));
    }
    for via in raw.headers.list("Via").unwrap_or_default() {
        if let Ok(via) = via.parse::<Via>() {
            let source = "192.0.2.1:5060".parse().expect("an address");
            let written = via.with_source(source);
            let again: Via = written.parse().expect("it was read before");
            assert_eq!(again.reply_address(source).ip(), source.ip());
        }
    }
    if let Ok(response) = Response::from_raw(raw.clone()) {
        let _ = response.embedded_headers();
    }
    if let Ok(request) = Request::from_raw(raw) {
        check_request(&request);
    }
}

fn check_request(request: &Request) {
    check_uri(request.uri());
    let one = [request.from(), request.to()].into_iter().flatten();
    let many = [request.asserted_identities(), request.diversions(), request.history()];
    for address in one.chain(many.into_iter().flatten().flatten()) {
        check_address(&address);
    }
    let _ = (request.identities().count(), request.asks_privacy());
}

fn check_address(address: &NameAddr) {
    check_uri(address.uri());
    let again: NameAddr = format!("<{}>", address.uri()).parse().expect("it was read before");
    assert_eq!(again.uri().to_string(), address.uri().to_string());
}

fn check_uri(uri: &Uri) {
    let written = uri.to_string();
    let again: Uri = written.parse().expect("it was read before");
    assert_eq!(again.to_string(), written);
    if let Some(candidate) = NumberCandidate::of(uri) {
        let digits = candidate.digits().unwrap_or_default();
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
        let of_written = NumberCandidate::of(&again);
        assert_eq!(of_written, Some(candidate));
    }
}
