#![no_main]
//! A binary HTTP message (docs/protocol.md section 8.2), request and answer: what is read
//! has one form of each framing, and is padded with zeros alone.

use pennyblack_ohttp::binary_http::{Framing, Request, Response, Rules};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(request) = Request::parse(bytes, Rules::REQUEST) {
        assert!(request.trailers.is_empty() && request.fields.len() <= 64);
        for framing in [Framing::KnownLength, Framing::IndeterminateLength] {
            let mut written = request.encode(framing);
            assert_eq!(Request::parse(&written, Rules::REQUEST).as_ref(), Ok(&request));
            written.push(1);
            assert!(Request::parse(&written, Rules::REQUEST).is_err());
        }
    }
    let rules = Rules {
        trailers: true,
        ..Rules::RESPONSE
    };
    if let Ok(response) = Response::parse(bytes, rules) {
        assert!((200..600).contains(&response.status.as_u16()));
        for framing in [Framing::KnownLength, Framing::IndeterminateLength] {
            let written = response.encode(framing);
            assert_eq!(Response::parse(&written, rules).as_ref(), Ok(&response));
        }
    }
}
