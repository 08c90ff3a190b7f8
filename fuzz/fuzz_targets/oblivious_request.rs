#![no_main]
//! An encapsulated request at the gateway and an encapsulated answer at the client
//! (docs/protocol.md section 8): as they come, and with any bytes inside.

use pennyblack_fuzz::world::world;
use pennyblack_ohttp::binary_http::{Request, Response, Rules};
use pennyblack_ohttp::encapsulation::encapsulate;
use pennyblack_ohttp::exchange::{open_request, open_response};
use pennyblack_ohttp::size_class::ResponseClass;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    let keys = &world().gateway_keys;
    let rng = &mut StdRng::seed_from_u64(3);
    if let Ok(opened) = open_request(keys, bytes)
        && let Ok(request) = opened.request
    {
        let _ = ResponseClass::asked(&request.fields);
    }
    // X25519: the others differ in the KEM alone, and cost more.
    let config = keys[0].config();
    let (sealed, opener) = encapsulate(config, bytes, rng).expect("a sealed request");
    assert!(open_response(opener, bytes).is_err());
    let (_, opener) = encapsulate(config, b"", rng).expect("a sealed request");
    let Ok(opened) = open_request(keys, &sealed) else {
        assert!(bytes.len() > Rules::REQUEST.max_size);
        return;
    };
    assert_eq!(opened.request, Request::parse(bytes, Rules::REQUEST));
    // The answer to another request is not opened; the one to this request is read.
    let answer = opened.sealer.seal(bytes, rng).expect("a sealed answer");
    assert!(open_response(opener, &answer).is_err());
    let (sealed, opener) = encapsulate(config, b"", rng).expect("a sealed request");
    let opened = open_request(keys, &sealed).expect("the request just sealed");
    let answer = opened.sealer.seal(bytes, rng).expect("a sealed answer");
    assert_eq!(
        open_response(opener, &answer).ok(),
        Response::parse(bytes, Rules::RESPONSE).ok()
    );
}
