//! The crates `ohttp` and `bhttp`, an implementation by the author of both RFCs, against
//! ours in both directions; and what they let pass and we do not.

#![allow(
    clippy::unwrap_used,
    reason = "a test has no better answer to a failure than to end"
)]

use std::io::Cursor;

use bhttp::Message;
use http::{HeaderValue, Method, StatusCode};
use ohttp::hpke::{Aead, Kdf, Kem as TheirKem};
use ohttp::{ClientRequest, KeyConfig as TheirConfig, Server, SymmetricSuite};
use pennyblack_hpke::{Kem, PrivateKey};
use pennyblack_ohttp::binary_http::{BinaryHttpError, Framing, Request, Response, Rules};
use pennyblack_ohttp::encapsulation::encapsulated_request_size;
use pennyblack_ohttp::exchange::{open_request, open_response, seal_request, seal_response};
use pennyblack_ohttp::key_config::{GatewayKey, KeyConfig};
use pennyblack_ohttp::size_class::ResponseClass;

const FRAMINGS: [(Framing, bhttp::Mode); 2] = [
    (Framing::KnownLength, bhttp::Mode::KnownLength),
    (
        Framing::IndeterminateLength,
        bhttp::Mode::IndeterminateLength,
    ),
];

fn our_request() -> Request {
    let authority = "cps.example.net".parse().unwrap();
    let mut request = Request::new(Method::POST, authority, "/v1/passports".parse().unwrap());
    let value = HeaderValue::from_static("application/octet-stream");
    request.fields.insert("content-type", value);
    request
        .fields
        .append("x-twice", HeaderValue::from_static("a"));
    request
        .fields
        .append("x-twice", HeaderValue::from_static("b"));
    request.content = vec![7; 2_999];
    request
}

fn our_response() -> Response {
    let mut response = Response::new(StatusCode::CREATED);
    let value = HeaderValue::from_static("Mon, 30 Nov 2026 23:00:00 GMT");
    response.fields.insert("date", value);
    response.content = b"stored".to_vec();
    response
}

fn their_request() -> Message {
    let mut message = Message::request(
        b"POST".to_vec(),
        b"https".to_vec(),
        b"cps.example.net".to_vec(),
        b"/v1/passports".to_vec(),
    );
    message.put_header("content-type", "application/octet-stream");
    message.put_header("x-twice", "a");
    message.put_header("x-twice", "b");
    message.write_content([7; 2_999]);
    message
}

fn their_response() -> Message {
    let mut message = Message::response(bhttp::StatusCode::try_from(201u64).unwrap());
    message.put_header("date", "Mon, 30 Nov 2026 23:00:00 GMT");
    message.write_content("stored");
    message
}

fn written(message: &Message, mode: bhttp::Mode) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.write_bhttp(mode, &mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Message {
    Message::read_bhttp(&mut Cursor::new(bytes)).unwrap()
}

#[test]
fn bhttp_reads_what_we_write_and_we_read_what_bhttp_writes() {
    for (framing, mode) in FRAMINGS {
        let request = read(&our_request().encode(framing));
        assert_eq!(request.control().method(), Some(&b"POST"[..]));
        assert_eq!(request.control().authority(), Some(&b"cps.example.net"[..]));
        assert_eq!(request.control().path(), Some(&b"/v1/passports"[..]));
        let twice: Vec<_> = request.header().get_all(b"x-twice").collect();
        assert_eq!(twice, [b"a", b"b"]);
        assert_eq!(request.content(), [7; 2_999]);
        let bytes = written(&their_request(), mode);
        assert_eq!(
            Request::parse(&bytes, Rules::REQUEST).unwrap(),
            our_request()
        );
        assert_eq!(our_request().encode(framing), bytes);

        let response = read(&our_response().encode(framing));
        assert_eq!(response.control().status().unwrap().code(), 201);
        assert_eq!(response.content(), b"stored");
        let bytes = written(&their_response(), mode);
        assert_eq!(
            Response::parse(&bytes, Rules::RESPONSE).unwrap(),
            our_response()
        );
        assert_eq!(our_response().encode(framing), bytes);
    }
}

#[test]
fn what_bhttp_lets_pass_is_refused_here() {
    let refusal = |message: &Message| {
        let bytes = written(message, bhttp::Mode::KnownLength);
        // They read it back themselves.
        read(&bytes);
        Request::parse(&bytes, Rules::REQUEST).unwrap_err()
    };
    let with = |name: &str, value: &str| {
        let mut message = their_request();
        message.put_header(name, value);
        refusal(&message)
    };
    assert_eq!(with("Content-Type", "a/b"), BinaryHttpError::FieldName(4));
    assert_eq!(with(":path", "/other"), BinaryHttpError::FieldName(4));
    assert_eq!(with("a b", "c"), BinaryHttpError::FieldName(4));
    assert_eq!(with("a", "b\nc"), BinaryHttpError::FieldValue(4));
    assert_eq!(with("a", " b"), BinaryHttpError::FieldValue(4));
    assert_eq!(with("content-length", "1"), BinaryHttpError::ContentLength);
    let mut trailed = their_request();
    trailed.put_trailer("a", "b");
    assert_eq!(refusal(&trailed), BinaryHttpError::Trailers);
    // Padding that is not zero; they do not look at it.
    let mut padded = written(&their_request(), bhttp::Mode::KnownLength);
    padded.extend([0, 0, 1]);
    read(&padded);
    assert_eq!(
        Request::parse(&padded, Rules::REQUEST).unwrap_err(),
        BinaryHttpError::Padding
    );
}

/// The suites that both have. They have X-Wing, too, but not with AES-256-GCM.
const KEMS: [(Kem, TheirKem); 2] = [
    (Kem::DhkemX25519, TheirKem::X25519Sha256),
    (Kem::DhkemP256, TheirKem::P256Sha256),
];

fn their_gateway(kem: TheirKem) -> Server {
    let suite = SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm);
    Server::new(TheirConfig::new(7, kem, vec![suite]).unwrap()).unwrap()
}

#[test]
fn a_client_on_ohttp_is_answered_by_our_gateway() {
    for (kem, _) in KEMS {
        let key = GatewayKey::new(7, PrivateKey::generate(kem, &mut rand::rng())).unwrap();
        let list = KeyConfig::encode_list([key.config()]);
        for (_, mode) in FRAMINGS {
            let client = ClientRequest::from_encoded_config_list(&list).unwrap();
            let request = written(&their_request(), mode);
            let (sealed, opener) = client.encapsulate(&request).unwrap();
            let opened = open_request(std::slice::from_ref(&key), &sealed).unwrap();
            assert_eq!(opened.request.unwrap(), our_request());
            let least = Some(ResponseClass::Kib9);
            let sealed = seal_response(opened.sealer, &our_response(), least, &mut rand::rng());
            let response = read(&opener.decapsulate(&sealed.unwrap()).unwrap());
            assert_eq!(response.content(), b"stored");
            let date = response.header().get(b"date").unwrap();
            assert_eq!(our_response().fields["date"].as_bytes(), date);
        }
    }
}

#[test]
fn our_client_is_answered_by_a_gateway_on_ohttp() {
    for (kem, their_kem) in KEMS {
        let server = their_gateway(their_kem);
        let list = TheirConfig::encode_list(&[server.config()]).unwrap();
        let config = KeyConfig::parse_list(&list).unwrap().remove(0);
        let (sealed, opener) = seal_request(&config, &our_request(), &mut rand::rng()).unwrap();
        assert_eq!(sealed.len(), encapsulated_request_size(kem, 8_192));
        let (request, sealer) = server.decapsulate(&sealed).unwrap();
        assert_eq!(read(&request).content(), our_request().content);
        let response = written(&their_response(), bhttp::Mode::KnownLength);
        let sealed = sealer.encapsulate(&response).unwrap();
        assert_eq!(open_response(opener, &sealed).unwrap(), our_response());
    }
}

#[test]
fn a_suite_that_only_they_have_is_passed_over() {
    let theirs = their_gateway(TheirKem::XWing);
    let list = TheirConfig::encode_list(&[theirs.config()]).unwrap();
    assert_eq!(KeyConfig::parse_list(&list), Ok(Vec::new()));
}

#[test]
fn a_request_to_another_key_of_the_same_number_is_refused_by_both() {
    let theirs = their_gateway(TheirKem::X25519Sha256);
    let private = PrivateKey::generate(Kem::DhkemX25519, &mut rand::rng());
    let ours = GatewayKey::new(7, private).unwrap();
    let (to_us, _) = seal_request(ours.config(), &our_request(), &mut rand::rng()).unwrap();
    assert!(theirs.decapsulate(&to_us).is_err());
    let client = ClientRequest::from_encoded_config(&theirs.config().encode().unwrap()).unwrap();
    let (to_them, _) = client.encapsulate(b"").unwrap();
    assert!(open_request(&[ours], &to_them).is_err());
}
