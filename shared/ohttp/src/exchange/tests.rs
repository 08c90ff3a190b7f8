use http::{HeaderValue, Method, StatusCode};
use pennyblack_hpke::{Kem, PrivateKey};
use proptest::prelude::*;

use super::*;
use crate::encapsulation::{
    MAX_REQUEST_SIZE, encapsulate, encapsulated_request_size, encapsulated_response_size,
};
use crate::size_class::{PAD_FIELD, PadFieldError};

fn key(kem: Kem) -> GatewayKey {
    GatewayKey::new(3, PrivateKey::derive(kem, &[7; 32])).unwrap()
}

fn request(content: usize) -> Request {
    let authority = "cps.example.net".parse().unwrap();
    let mut request = Request::new(Method::POST, authority, "/v1/passports".parse().unwrap());
    request.content = vec![7; content];
    request
}

#[test]
fn the_length_of_a_request_tells_nothing_of_it() {
    for kem in Kem::ALL {
        for content in [0, 3_000, 4_050, 4_051, 8_146] {
            let (sealed, _) =
                seal_request(key(kem).config(), &request(content), &mut rand::rng()).unwrap();
            let expected = encapsulated_request_size(kem, 8_192);
            assert_eq!(sealed.len(), expected, "{kem} {content}");
        }
    }
    let too_long = seal_request(key(Kem::XWing).config(), &request(8_147), &mut rand::rng());
    let expected = TooLong {
        actual: 8_193,
        max: 8_192,
    };
    assert_eq!(too_long.unwrap_err(), SealRequestError::TooLong(expected));
}

#[test]
fn a_gateway_reads_what_others_pad_less_or_more() {
    let rng = &mut rand::rng();
    for kem in Kem::ALL {
        let keys = [key(kem)];
        let request = request(3_000);
        let unpadded = request.encoded_size();
        let most = MAX_REQUEST_SIZE - encapsulated_request_size(kem, 0);
        for size in [unpadded, 4_096, most] {
            let message = request.encode_padded(size);
            let (sealed, _) = encapsulate(keys[0].config(), &message, rng).unwrap();
            let opened = open_request(&keys, &sealed).unwrap();
            assert_eq!(opened.request.as_ref(), Ok(&request), "{kem} {size}");
        }
    }
}

#[test]
fn an_answer_has_the_class_that_fits_it_and_is_not_below_the_one_asked_for() {
    let keys = [key(Kem::DhkemX25519)];
    let rng = &mut rand::rng();
    // A response without fields takes 3 bytes, the length of its content, and 1.
    for (content, least, class) in [
        (0, None, 2_048),
        (2_041, None, 2_048),
        (2_042, None, 9_216),
        (0, Some(ResponseClass::Kib2), 2_048),
        (0, Some(ResponseClass::Kib9), 9_216),
        (0, Some(ResponseClass::Kib34), 34_816),
        (34_000, Some(ResponseClass::Kib9), 34_816),
        (131_200, None, 135_168),
        (524_400, None, 529_408),
        (1_048_700, None, 1_056_768),
    ] {
        let (sealed, opener) = seal_request(keys[0].config(), &request(0), rng).unwrap();
        let opened = open_request(&keys, &sealed).unwrap();
        let mut response = Response::new(StatusCode::CREATED);
        response.content = vec![9; content];
        let sealed = seal_response(opened.sealer, &response, least, rng).unwrap();
        assert_eq!(
            sealed.len(),
            encapsulated_response_size(Kem::DhkemX25519, class),
            "{content}"
        );
        assert_eq!(open_response(opener, &sealed), Ok(response));
    }
}

#[test]
fn an_answer_longer_than_the_longest_class_is_not_sent() {
    let keys = [key(Kem::DhkemX25519)];
    let rng = &mut rand::rng();
    let (sealed, _) = seal_request(keys[0].config(), &request(0), rng).unwrap();
    let opened = open_request(&keys, &sealed).unwrap();
    let mut response = Response::new(StatusCode::OK);
    response.content = vec![9; 1_056_768];
    assert!(matches!(
        seal_response(opened.sealer, &response, None, rng),
        Err(SealError::TooLong(_))
    ));
}

#[test]
fn what_is_wrong_inside_can_be_answered_inside() {
    let keys = [key(Kem::DhkemX25519)];
    let rng = &mut rand::rng();
    let (sealed, opener) = encapsulate(keys[0].config(), b"\x00\x03GET", rng).unwrap();
    let opened = open_request(&keys, &sealed).unwrap();
    assert!(matches!(opened.request, Err(BinaryHttpError::Wire(_))));
    let response = Response::new(StatusCode::BAD_REQUEST);
    let sealed = seal_response(opened.sealer, &response, None, rng).unwrap();
    assert_eq!(open_response(opener, &sealed), Ok(response));
}

#[test]
fn a_client_asks_for_room_in_one_spelling() {
    let asked = |values: &[&'static str]| {
        let mut request = request(0);
        for value in values {
            request
                .fields
                .append(PAD_FIELD, HeaderValue::from_static(value));
        }
        ResponseClass::asked(&request.fields)
    };
    assert_eq!(asked(&[]), Ok(None));
    assert_eq!(asked(&["2048"]), Ok(Some(ResponseClass::Kib2)));
    assert_eq!(asked(&["9216"]), Ok(Some(ResponseClass::Kib9)));
    assert_eq!(asked(&["34816"]), Ok(Some(ResponseClass::Kib34)));
    for wrong in [
        &["135168"][..],
        &["1056768"],
        &["0"],
        &["09216"],
        &["9217"],
        &[""],
        &["9216", "9216"],
    ] {
        assert_eq!(asked(wrong), Err(PadFieldError), "{wrong:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_request_and_its_answer_arrive_under_every_kem(
        kem in prop::sample::select(&Kem::ALL[..]),
        question in 0usize..8_000, answer in 0usize..100_000,
    ) {
        let keys = [key(kem)];
        let rng = &mut rand::rng();
        let request = request(question);
        let (sealed, opener) = seal_request(keys[0].config(), &request, rng).unwrap();
        let opened = open_request(&keys, &sealed).unwrap();
        prop_assert_eq!(opened.request, Ok(request));
        let mut response = Response::new(StatusCode::OK);
        response.content = vec![1; answer];
        let sealed = seal_response(opened.sealer, &response, None, rng).unwrap();
        prop_assert_eq!(open_response(opener, &sealed), Ok(response));
    }
}
