//! How long an HTTP/2 connection over TLS lasts: as long as its client has the service keep none
//! of its header fields.

use super::known_clients::{Service, answers, frame, nothing};
use super::*;
use crate::http2_frames::MOST_BYTES;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How a header section begins whose client has no table.
const NO_TABLE: &[u8] = &[0x20];
/// The pseudo-fields of a GET.
const GET: &[u8] = b"\x82\x87\x84\x01\x09localhost";
/// A field that comes into the table.
const KEPT: &[u8] = b"\x40\x01x\x01y";
/// The newest field of the table.
const NEWEST: &[u8] = &[0xbe];

/// A request without a body, whose fields are these.
fn asks(stream: u32, fields: &[&[u8]]) -> Vec<u8> {
    let flags = END_STREAM | END_HEADERS;
    frame(HEADERS, flags, stream, &fields.concat())
}

/// More than [`MOST_BYTES`] of requests, each with a field that fills the table.
fn fill_the_table() -> Vec<u8> {
    // The value has 127 + 0 + 30 * 128 bytes (RFC 7541 section 5.1).
    let field = [&b"\x40\x01x\x7f\x80\x1e"[..], &[b'y'; 3_967]].concat();
    let requests = (0..40).map(|nth| asks(101 + 2 * nth, &[GET, &field]));
    let requests: Vec<_> = requests.collect();
    let requests = requests.concat();
    assert!(requests.len() > MOST_BYTES);
    requests
}

/// A client has read the service's settings.
fn acknowledges() -> Vec<u8> {
    frame(SETTINGS, ACK, 0, b"")
}

/// Whether the connection of a client that nobody knows goes on after it has sent these, one after
/// the other as soon as the service has read the last.
async fn goes_on(parts: &[&[u8]]) -> bool {
    let service = Service::knowing(&[]).await;
    let mut stream = service.connect(&nothing()).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let greeting = [&preface[..], &frame(SETTINGS, 0, 0, b"")].concat();
    // The service may answer a PING before it says that it goes, and not two.
    for part in [&[&greeting[..]][..], parts, &[&b""[..]][..]].concat() {
        let ping = frame(PING, 0, 0, b"are you?");
        // A service that has had enough may end the connection before the last of this is sent.
        let _ = stream.write_all(&[part, &ping[..]].concat()).await;
        if answers(&mut stream, b"are you?").await != Some(true) {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn a_client_that_keeps_no_fields_may_send_more_than_others() {
    let (ack, much) = (acknowledges(), fill_the_table());
    let [without, with] = [&[NO_TABLE, GET, KEPT][..], &[GET, KEPT]].map(|fields| asks(1, fields));
    assert!(goes_on(&[&ack, &without, &much]).await);
    assert!(!goes_on(&[&ack, &with, &much]).await);
    assert!(!goes_on(&[&without, &much]).await, "it may take that back");
}

#[tokio::test]
async fn nothing_is_kept_of_a_client_that_has_said_so() {
    let ack = acknowledges();
    let [without, with] = [&[NO_TABLE, GET, KEPT][..], &[GET, KEPT]].map(|fields| asks(1, fields));
    let newest = asks(3, &[NEWEST]);
    assert!(goes_on(&[&ack, &with, &newest]).await, "it is there");
    assert!(!goes_on(&[&ack, &without, &newest]).await);
    let table_of_4096 = asks(3, &[b"\x3f\xe1\x1f", GET]);
    assert!(!goes_on(&[&ack, &without, &table_of_4096]).await);
}

/// Requests that a client has when it connects are begun before it has the service's settings. Their
/// bodies are more than a connection takes whose table is in use.
#[tokio::test]
async fn a_burst_at_the_beginning_does_not_end_a_connection() {
    let begun = (1..=20).map(|nth| frame(HEADERS, END_HEADERS, 2 * nth - 1, &[GET, KEPT].concat()));
    let body = |nth: u32| frame(DATA, 0, 2 * nth - 1, &[0; 16_000]);
    // As much as it may send then: 65,535 bytes of bodies (RFC 9113 section 6.9.2).
    let before: Vec<_> = begun.chain((1..=4).map(body)).collect();
    let after: Vec<_> = std::iter::once(acknowledges())
        .chain((5..=16).map(body))
        .collect();
    let (before, after) = (before.concat(), after.concat());
    assert!(before.len() < MOST_BYTES && after.len() > MOST_BYTES);
    let [without, with] = [&[NO_TABLE, GET][..], &[GET]].map(|fields| asks(41, fields));
    assert!(goes_on(&[&before, &after, &without, &fill_the_table()]).await);
    assert!(!goes_on(&[&before, &after, &with, &fill_the_table()]).await);
}
