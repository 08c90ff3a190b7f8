//! HTTP/2 by hand, frame by frame (RFC 9113).

/// The beginning of an HTTP/2 connection (RFC 9113 section 3.4).
pub(crate) fn http2(settings: &[u8]) -> Vec<u8> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    [preface, frame(4, 0, 0, settings)].concat()
}

/// A frame (RFC 9113 section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(crate) fn ping() -> Vec<u8> {
    frame(6, 0, 0, &[0; 8])
}

/// `GET`: HEADERS with END_STREAM and END_HEADERS.
pub(crate) fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(1, 0x5, stream, &head(0x82, path))
}

/// `POST`: HEADERS with END_HEADERS, before a body.
pub(crate) fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(1, 0x4, stream, &head(0x83, path))
}

/// A header section (RFC 7541): the method and the scheme are indexed, authority and
/// path literal.
pub(crate) fn head(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![method, 0x86, 0x01, 3];
    block.extend(b"cps");
    block.extend([0x04, u8::try_from(path.len()).unwrap()]);
    block.extend(path.bytes());
    block
}
