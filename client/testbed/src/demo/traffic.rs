//! What came through a door, read as HTTP: what was asked, and how long it was. Not here:
//! who may see what (`sight`).

use std::collections::BTreeMap;

use pennyblack_base::service_paths::{OHTTP_GATEWAY_PATH, STORE_PATH};
use pennyblack_protocol::key_record::KEYS_PATH;

use super::report::Asked;

/// How a connection of HTTP/2 begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame before its payload.
const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
/// Most header fields of a message.
const MAX_FIELDS: usize = 64;

/// One request or answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// The first line. HTTP/2 has none, and packs its fields.
    pub(super) start: Option<String>,
    /// Bytes of its content.
    pub(super) content: usize,
}

/// The messages that went one way on a connection, as far as they are whole.
pub(super) fn messages(bytes: &[u8]) -> Vec<Message> {
    match bytes.strip_prefix(PREFACE) {
        Some(frames) => streams(frames),
        None => one_after_the_other(bytes),
    }
}

fn one_after_the_other(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some((message, size)) = first(bytes) {
        messages.push(message);
        bytes = bytes.get(size..).unwrap_or_default();
    }
    messages
}

/// The first message, and how many bytes it has in all.
fn first(bytes: &[u8]) -> Option<(Message, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let (start, rest) = bytes.split_at_checked(end)?;
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let parsed = httparse::parse_headers(rest, &mut fields).ok()?;
    let httparse::Status::Complete((head, fields)) = parsed else {
        return None;
    };
    let length = fields
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|field| str::from_utf8(field.value).ok()?.parse().ok());
    let content = length.unwrap_or(0);
    let message = Message {
        start: Some(String::from_utf8_lossy(start).trim_end().to_owned()),
        content,
    };
    Some((message, end + head + content))
}

/// The messages of HTTP/2: each is one stream, whose content is in its `DATA` frames.
fn streams(mut frames: &[u8]) -> Vec<Message> {
    let mut contents: BTreeMap<[u8; 4], usize> = BTreeMap::new();
    while let Some((head, rest)) = frames.split_first_chunk::<FRAME_HEAD>() {
        let [a, b, c, kind, _, stream @ ..] = *head;
        let size = u32::from_be_bytes([0, a, b, c]) as usize;
        match kind {
            HEADERS => drop(contents.entry(stream).or_default()),
            DATA => *contents.entry(stream).or_default() += size,
            _ => {}
        }
        frames = rest.get(size..).unwrap_or_default();
    }
    let contents = contents.into_values();
    contents
        .map(|content| Message {
            start: None,
            content,
        })
        .collect()
}

/// What a CPS was asked.
pub(super) fn asked(request: &Message) -> Asked {
    let Some(start) = &request.start else {
        return Asked::SealedRequest;
    };
    let mut words = start.split(' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    match (method, path) {
        (Some("POST"), OHTTP_GATEWAY_PATH) => Asked::SealedRequest,
        (Some("GET"), OHTTP_GATEWAY_PATH) => Asked::KeyFetch,
        (Some("POST"), STORE_PATH) => Asked::Store,
        (Some("PUT"), KEYS_PATH) => Asked::KeyRecord,
        (Some("GET"), path) if path.starts_with(KEYS_PATH) => Asked::LookUp,
        (Some("GET"), path) if path.starts_with("/v1/mailboxes/") => Asked::Poll,
        (Some("GET"), path) if path.starts_with("/log/") => Asked::LogReading,
        (Some("GET"), "/v1/double-spends") => Asked::DoubleSpends,
        _ => Asked::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(start: &str, content: usize) -> Message {
        Message {
            start: Some(start.to_owned()),
            content,
        }
    }

    #[test]
    fn messages_of_one_connection_are_told_apart_by_their_lengths() {
        let sent = b"POST /cps HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n\
                     GET /log/checkpoint HTTP/1.1\r\nhost: cps\r\n\r\nGET /never-whole HTT";
        let expected = vec![
            message("POST /cps HTTP/1.1", 4),
            message("GET /log/checkpoint HTTP/1.1", 0),
        ];
        assert_eq!(messages(sent), expected);
        assert_eq!(messages(b""), []);
        assert_eq!(messages(b"\x16\x03\x01"), []);
    }

    #[test]
    fn each_stream_of_http_2_is_a_message_of_all_its_data() {
        let frame = |kind: u8, stream: u8, size: u8| {
            let head = vec![0, 0, size, kind, 0, 0, 0, 0, stream];
            [head, vec![7; usize::from(size)]].concat()
        };
        let settings = 4;
        let sent = [
            PREFACE.to_vec(),
            frame(settings, 0, 6),
            frame(HEADERS, 1, 30),
            frame(DATA, 1, 200),
            frame(HEADERS, 3, 30),
            frame(DATA, 1, 55),
        ];
        let sealed = |content| Message {
            start: None,
            content,
        };
        let read = messages(&sent.concat());
        assert_eq!(read, [sealed(255), sealed(0)]);
        assert_eq!(asked(&sealed(255)), Asked::SealedRequest);
    }

    #[test]
    fn what_a_cps_is_asked_is_told_by_method_and_path() {
        for (start, expected) in [
            ("POST /v1/passports HTTP/1.1", Asked::Store),
            ("GET /v1/keys?prefix=1215555 HTTP/1.1", Asked::LookUp),
            ("GET /v1/keys/12155550100 HTTP/1.1", Asked::LookUp),
            ("PUT /v1/keys HTTP/1.1", Asked::KeyRecord),
            ("GET /v1/mailboxes/abc?slots=16 HTTP/1.1", Asked::Poll),
            ("GET /.well-known/ohttp-gateway HTTP/1.1", Asked::KeyFetch),
            (
                "POST /.well-known/ohttp-gateway HTTP/1.1",
                Asked::SealedRequest,
            ),
            ("GET /log/checkpoint HTTP/1.1", Asked::LogReading),
            ("GET /v1/double-spends HTTP/1.1", Asked::DoubleSpends),
            ("DELETE / HTTP/1.1", Asked::Other),
        ] {
            assert_eq!(asked(&message(start, 0)), expected, "{start}");
        }
    }
}
