use http::HeaderValue;
use http::header::{CONTENT_LENGTH, HOST};
use proptest::prelude::*;

use super::*;

const EXAMPLES: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/vectors/rfc9292/rfc9292-examples.json"
));

/// A message of RFC 9292 section 5.
fn example(name: &str) -> Vec<u8> {
    let all: serde_json::Value = serde_json::from_str(EXAMPLES).unwrap();
    hex::decode(all[name].as_str().unwrap()).unwrap()
}

const WITH_TRAILERS: Rules = Rules {
    trailers: true,
    ..Rules::RESPONSE
};

fn parse_request(bytes: &[u8]) -> Result<Request, BinaryHttpError> {
    Request::parse(bytes, Rules::REQUEST)
}

fn parse_response(bytes: &[u8]) -> Result<Response, BinaryHttpError> {
    Response::parse(bytes, Rules::RESPONSE)
}

#[test]
fn the_requests_of_rfc_9292_are_read_and_written_byte_for_byte() {
    let known = example("request_known_length");
    let indeterminate = example("request_indeterminate_length");
    let request = parse_request(&known).unwrap();
    assert_eq!(request, parse_request(&indeterminate).unwrap());
    assert_eq!(request.method, Method::GET);
    assert_eq!(request.scheme, Scheme::HTTPS);
    assert_eq!(request.authority, None);
    assert_eq!(request.authority(), Some("www.example.com"));
    assert_eq!(request.path, "/hello.txt");
    assert_eq!(request.fields["accept-language"], "en, mi");
    assert_eq!(request.encode(Framing::KnownLength), known);
    let written = request.encode(Framing::IndeterminateLength);
    let (message, padding) = indeterminate.split_at(indeterminate.len() - 10);
    assert_eq!(written, message);
    assert_eq!(padding, [0; 10]);
}

#[test]
fn the_requests_of_rfc_9292_may_be_truncated_as_far_as_it_says() {
    let known = example("request_known_length");
    let request = parse_request(&known).unwrap();
    for cut in 1..=2 {
        assert_eq!(parse_request(&known[..known.len() - cut]).unwrap(), request);
    }
    assert!(parse_request(&known[..known.len() - 3]).is_err());
    let indeterminate = example("request_indeterminate_length");
    for cut in 1..=12 {
        let truncated = &indeterminate[..indeterminate.len() - cut];
        assert_eq!(parse_request(truncated).unwrap(), request);
    }
    assert!(parse_request(&indeterminate[..indeterminate.len() - 13]).is_err());
}

#[test]
fn informational_responses_are_refused_and_what_follows_them_is_read() {
    let whole = example("response_with_informational");
    assert_eq!(
        parse_response(&whole),
        Err(BinaryHttpError::Informational(102))
    );
    let end = whole
        .windows(3)
        .position(|at| at == [0, 0x40, 200])
        .unwrap();
    let final_response = [&[3], &whole[end + 1..]].concat();
    let response = parse_response(&final_response).unwrap();
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.fields["etag"], "\"34aa387-d-1568eb00\"");
    assert_eq!(response.content.len(), 51);
    let written = response.encode(Framing::IndeterminateLength);
    assert_eq!(written, final_response);
}

#[test]
fn trailers_are_read_only_if_asked_for() {
    let bytes = example("response_with_trailer");
    assert_eq!(parse_response(&bytes), Err(BinaryHttpError::Trailers));
    let response = Response::parse(&bytes, WITH_TRAILERS).unwrap();
    assert_eq!(response.content, b"This content contains CRLF.\r\n");
    assert_eq!(response.trailers["trailer"], "text");
    assert_eq!(response.encode(Framing::KnownLength), bytes);
}

/// A request of known length with this header section and this rest.
fn request_with(section: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u8::try_from(section.len()).unwrap();
    let start = b"\x00\x04POST\x05https\x03a.b\x02/p";
    [start, &[length][..], section, rest].concat()
}

#[test]
fn what_http_calls_malformed_is_refused() {
    use BinaryHttpError as E;
    let control = |bytes: &[u8], expected: E| assert_eq!(parse_request(bytes), Err(expected));
    let framing = |actual| E::Framing {
        actual,
        expected: "a request has 0 or 2",
    };
    control(b"\x01\x40\xc8", framing(1));
    control(b"\x04", framing(4));
    control(b"\x00\x00\x05https\x03a.b\x02/p", E::Method);
    control(b"\x00\x03G T\x05https\x03a.b\x02/p", E::Method);
    control(b"\x00\x03GET\x00\x03a.b\x02/p", E::Scheme);
    control(b"\x00\x03GET\x05ht tp\x03a.b\x02/p", E::Scheme);
    control(b"\x00\x03GET\x05https\x03a/b\x02/p", E::Authority);
    control(b"\x00\x03GET\x05https\x05u@a.b\x02/p", E::Authority);
    control(b"\x00\x03GET\x05https\x03a.b\x00", E::Path);
    control(b"\x00\x03GET\x05https\x03a.b\x01p", E::Path);
    control(b"\x00\x03GET\x05https\x03a.b\x04/p#f", E::Path);
    control(b"\x00\x03GET\x05https\x03a.b\x03/ p", E::Path);
    let field = |section: &[u8], expected: E| {
        assert_eq!(parse_request(&request_with(section, b"")), Err(expected));
    };
    field(b"\x00\x01v", E::FieldName(1));
    field(b"\x01a\x01v\x01B\x01v", E::FieldName(2));
    field(b"\x0cContent-Type\x01v", E::FieldName(1));
    field(b"\x05:path\x02/q", E::FieldName(1));
    field(b"\x09:protocol\x01p", E::FieldName(1));
    field(b"\x03a b\x01v", E::FieldName(1));
    for value in [
        b"\x02 v", b"\x02v ", b"\x02\tv", b"\x02v\t", b"\x02v\n", b"\x02\rv", b"\x02v\0",
    ] {
        field(&[b"\x01a", &value[..]].concat(), E::FieldValue(1));
    }
    field(b"\x04host\x03c.d", E::Host);
    field(b"\x04host\x03a.b\x04host\x03a.b", E::Host);
    field(b"\x0econtent-length\x011", E::ContentLength);
    field(b"\x0econtent-length\x02+0", E::ContentLength);
    field(
        b"\x0econtent-length\x010\x0econtent-length\x010",
        E::ContentLength,
    );
    let status = |bytes: &[u8], expected: E| assert_eq!(parse_response(bytes), Err(expected));
    status(b"\x01\x40\x66\x00", E::Informational(102));
    status(b"\x01\x40\x63", E::Status(99));
    status(b"\x01\x42\x58", E::Status(600));
    status(b"\x01\xc0\x00\x00\x00\x00\x00\x00\x01", E::Status(1));
}

#[test]
fn lengths_need_not_be_in_their_shortest_form() {
    // RFC 9292 section 3: other writers may choose a longer one.
    let short = request_with(b"\x01a\x01v", b"\x02ok");
    let long = b"\x40\x00\x40\x04POST\x80\x00\x00\x05https\x03a.b\x02/p\x40\x05\x01a\x40\x01v\xc0\x00\x00\x00\x00\x00\x00\x02ok";
    assert_eq!(parse_request(long).unwrap(), parse_request(&short).unwrap());
}

#[test]
fn padding_is_zero() {
    let message = request_with(b"", b"\x02ok\x00");
    let request = parse_request(&message).unwrap();
    for zeros in [1, 2, 3_000] {
        let padded = [&message[..], &vec![0; zeros]].concat();
        assert_eq!(parse_request(&padded).unwrap(), request);
        for place in [0, zeros - 1] {
            let mut other = padded.clone();
            other[message.len() + place] = 1;
            assert_eq!(parse_request(&other), Err(BinaryHttpError::Padding));
        }
    }
    // A message that ends before its trailers is padded with the zero that says so.
    let truncated = &message[..message.len() - 1];
    assert_eq!(parse_request(truncated).unwrap(), request);
}

#[test]
fn limits_hold_before_anything_is_allocated() {
    let long = vec![0; Rules::REQUEST.max_size + 1];
    let expected = BinaryHttpError::TooLong {
        actual: 9_336,
        max: 9_335,
    };
    assert_eq!(parse_request(&long), Err(expected));
    let huge = request_with(b"", b"\xff\xff\xff\xff\xff\xff\xff\xff");
    assert!(matches!(
        parse_request(&huge),
        Err(BinaryHttpError::Wire(_))
    ));
    let mut many = b"\x02\x04POST\x05https\x03a.b\x02/p".to_vec();
    for _ in 0..64 {
        many.extend(b"\x01a\x00");
    }
    assert_eq!(
        parse_request(&[&many[..], &[0]].concat())
            .unwrap()
            .fields
            .len(),
        64
    );
    many.extend(b"\x01a\x00\x00");
    assert_eq!(
        parse_request(&many),
        Err(BinaryHttpError::TooManyFields(64))
    );
}

#[test]
fn debug_output_names_neither_path_nor_fields() {
    let mut request = parse_request(&request_with(b"", b"")).unwrap();
    request.path = PathAndQuery::from_static("/v1/keys/15551234567");
    request.fields.insert(
        "authorization",
        HeaderValue::from_static("PrivateToken token=x"),
    );
    let shown = format!("{request:?}");
    assert_eq!(shown, "Request { method: POST, fields: 1, content: 0, .. }");
}

/// Fields without `host` and `content-length`, which must agree with the rest.
fn fields() -> impl Strategy<Value = HeaderMap> {
    let field = ("[a-z][a-z0-9-]{0,20}", "([!-~]([ -~]{0,30}[!-~])?)?");
    prop::collection::vec(field, 0..8).prop_map(|lines| {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            let name: http::HeaderName = name.parse().unwrap();
            if name != HOST && name != CONTENT_LENGTH {
                fields.append(name, value.parse().unwrap());
            }
        }
        fields
    })
}

fn framing() -> impl Strategy<Value = Framing> {
    prop::sample::select(&[Framing::KnownLength, Framing::IndeterminateLength][..])
}

prop_compose! {
    fn request()(
        method in "[A-Z]{1,8}", host in prop::option::of("[a-z]{1,9}\\.example(:[1-9][0-9]{1,3})?"),
        path in "/[a-z0-9/]{0,30}(\\?[a-z]=[0-9]{0,5})?",
        fields in fields(), content in prop::collection::vec(any::<u8>(), 0..3_000),
    ) -> Request {
        Request {
            method: method.parse().unwrap(),
            scheme: Scheme::HTTPS,
            authority: host.map(|host| host.parse().unwrap()),
            path: path.parse().unwrap(),
            fields,
            content,
            trailers: HeaderMap::new(),
        }
    }
}

prop_compose! {
    fn response()(
        status in 200u16..600, fields in fields(), trailers in fields(),
        content in prop::collection::vec(any::<u8>(), 0..70_000),
    ) -> Response {
        Response { status: StatusCode::from_u16(status).unwrap(), fields, content, trailers }
    }
}

proptest! {
    #[test]
    fn a_request_comes_back_as_it_went(
        request in request(), framing in framing(), zeros in 0usize..2_000,
    ) {
        let known = request.encode(Framing::KnownLength);
        prop_assert_eq!(request.encoded_size(), known.len());
        prop_assert_eq!(known.capacity(), known.len());
        let padded = request.encode_padded(known.len() + zeros);
        prop_assert_eq!((padded.len(), padded.capacity()), (known.len() + zeros, padded.len()));
        prop_assert_eq!(&padded[..known.len()], known);
        let mut bytes = request.encode(framing);
        bytes.resize(bytes.len() + zeros, 0);
        prop_assert_eq!(parse_request(&bytes), Ok(request));
    }

    #[test]
    fn a_response_comes_back_as_it_went(
        response in response(), framing in framing(), zeros in 0usize..2_000,
    ) {
        let known = response.encode(Framing::KnownLength);
        prop_assert_eq!(response.encoded_size(), known.len());
        prop_assert_eq!(known.capacity(), known.len());
        let padded = response.encode_padded(known.len() + zeros);
        prop_assert_eq!((padded.len(), padded.capacity()), (known.len() + zeros, padded.len()));
        prop_assert_eq!(&padded[..known.len()], known);
        let mut bytes = response.encode(framing);
        bytes.resize(bytes.len() + zeros, 0);
        prop_assert_eq!(Response::parse(&bytes, WITH_TRAILERS), Ok(response));
    }

    #[test]
    fn what_is_read_has_one_known_length_form(
        request in request(), framing in framing(), flip in any::<prop::sample::Index>(), bit in 0u32..8,
    ) {
        let mut bytes = request.encode(framing);
        let place = flip.index(bytes.len());
        bytes[place] ^= 1 << bit;
        if let Ok(other) = parse_request(&bytes) {
            let written = other.encode(Framing::KnownLength);
            prop_assert_eq!(parse_request(&written), Ok(other));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_request(&bytes);
        let _ = Response::parse(&bytes, WITH_TRAILERS);
        for start in [&b"\x00\x03GET\x05https\x01a\x01/"[..], b"\x02\x03GET\x05https\x01a\x01/"] {
            let _ = parse_request(&[start, &bytes].concat());
        }
    }
}
