use proptest::prelude::*;

use super::*;

const LIMIT: usize = 16 * 1024;

fn frame(kind: u8, stream: u32, length: usize) -> Vec<u8> {
    let length_bytes = u32::try_from(length).unwrap().to_be_bytes();
    let mut bytes = length_bytes[1..].to_vec();
    bytes.extend([kind, 0x4]);
    bytes.extend(stream.to_be_bytes());
    // Looks like a frame of trailers again and again, to one who has lost the way.
    bytes.extend([0, 0, 0, 1, 4, 0, 0, 0, 0].iter().cycle().take(length));
    bytes
}

fn after_preface(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE.to_vec(), frames.concat()].concat()
}

fn verdict(bytes: &[u8]) -> Result<(), Fault> {
    Frames::new(LIMIT, Lasting::Briefly).pass(bytes)
}

#[test]
fn requests_with_bodies_pass() {
    let frames = [
        frame(4, 0, 6),
        frame(HEADERS, 1, 100),
        frame(DATA, 1, 5_000),
        frame(HEADERS, 3, 0),
        frame(DATA, 1, 0),
        frame(HEADERS, 9, LIMIT),
    ];
    assert_eq!(verdict(&after_preface(&frames)), Ok(()));
}

#[test]
fn a_second_header_section_of_a_stream_is_trailers() {
    for stream in [1, 3, 0] {
        let frames = [
            frame(HEADERS, 1, 10),
            frame(HEADERS, 3, 10),
            frame(DATA, 1, 1),
            frame(HEADERS, stream, 10),
        ];
        assert_eq!(verdict(&after_preface(&frames)), Err(Fault::Trailers));
    }
}

#[test]
fn a_header_section_counts_with_all_its_frames() {
    let with = |last| {
        let first = frame(HEADERS, 1, LIMIT - 10);
        after_preface(&[first, frame(CONTINUATION, 1, last)])
    };
    assert_eq!(verdict(&with(10)), Ok(()));
    let too_large = with(11);
    // Said by the head of the frame, before its payload.
    let head_only = &too_large[..too_large.len() - 11];
    assert_eq!(verdict(head_only), Err(Fault::HeaderSection));
    let of_one_frame = after_preface(&[frame(HEADERS, 1, LIMIT + 1)]);
    assert_eq!(verdict(&of_one_frame), Err(Fault::HeaderSection));
}

#[test]
fn what_is_not_http_2_is_not_looked_at() {
    let mut bytes = after_preface(&[frame(HEADERS, 1, 1), frame(HEADERS, 1, 1)]);
    bytes[20] ^= 1;
    bytes.extend(vec![0; MOST_BYTES]);
    let mut frames = Frames::new(LIMIT, Lasting::Briefly);
    assert_eq!(frames.pass(&bytes), Ok(()));
    assert!(!frames.are_enough());
}

#[test]
fn all_bytes_count() {
    let mut frames = Frames::new(LIMIT, Lasting::Briefly);
    let mut bytes = after_preface(&[]);
    while bytes.len() < MOST_BYTES {
        bytes.extend(frame(DATA, 0, 1_000));
    }
    bytes.truncate(MOST_BYTES);
    let (last, before) = bytes.split_last().unwrap();
    frames.pass(before).unwrap();
    assert!(!frames.are_enough());
    frames.pass(&[*last]).unwrap();
    assert!(frames.are_enough());
}

/// HEADERS of a stream with these flags and this payload, END_HEADERS besides.
fn headers_of(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(HEADERS, stream, payload.len());
    bytes[4] |= flags;
    bytes.truncate(HEAD);
    bytes.extend(payload);
    bytes
}

fn headers(flags: u8, payload: &[u8]) -> Vec<u8> {
    headers_of(1, flags, payload)
}

/// SETTINGS with this flag.
fn settings(flag: u8) -> Vec<u8> {
    let mut bytes = frame(SETTINGS, 0, 0);
    bytes[4] = flag;
    bytes
}

/// Whether a connection that begins so may last, whatever pieces it comes in: whether a further
/// request on it may have many bytes.
fn lasts(lasting: Lasting, frames: &[Vec<u8>]) -> bool {
    let more = [headers_of(99, 0, &[0x82]), frame(DATA, 99, MOST_BYTES)];
    let bytes = [after_preface(frames), more.concat()].concat();
    let of_pieces = [1, 10, bytes.len()].map(|piece| {
        let mut frames = Frames::new(LIMIT, lasting);
        for piece in bytes.chunks(piece) {
            frames.pass(piece).unwrap();
        }
        !frames.are_enough()
    });
    assert!(of_pieces.iter().all(|lasts| *lasts == of_pieces[0]));
    of_pieces[0]
}

#[test]
fn a_connection_lasts_whose_client_has_acknowledged_that_no_fields_are_kept_and_keeps_none() {
    let (begins, acknowledges) = (settings(0), settings(ACK));
    let of_no_table = headers(0, &[NO_TABLE, 0x82]);
    let good = [begins, acknowledges, of_no_table];
    assert!(lasts(Lasting::WithoutTable, &good));
    assert!(!lasts(Lasting::Briefly, &good), "nobody has asked for it");
    assert!(lasts(Lasting::Always, &[]));
}

#[test]
fn what_is_no_part_of_a_request_counts_on_every_connection_but_a_known_clients() {
    const RST_STREAM: u8 = 3;
    let good = vec![settings(0), settings(ACK), headers(0, &[NO_TABLE, 0x82])];
    let resets = vec![frame(RST_STREAM, 1, 4); MOST_BYTES / 13];
    assert!(!lasts(
        Lasting::WithoutTable,
        &[good, resets.clone()].concat()
    ));
    assert!(lasts(Lasting::Always, &resets));
}

#[test]
fn a_connection_ends_whose_table_may_be_in_use() {
    let (ack, no_table) = (settings(ACK), headers(0, &[NO_TABLE]));
    for (frames, why) in [
        (vec![], "nothing was said"),
        (vec![ack.clone()], "it goes on as before"),
        (vec![no_table.clone()], "it may take that back"),
        (vec![no_table, ack.clone()], "that, too"),
        (vec![settings(0), headers(0, &[NO_TABLE])], "that, too"),
        (
            vec![ack.clone(), headers(0, &[])],
            "the first byte comes later",
        ),
        (
            vec![ack.clone(), headers(0, &[0x82, NO_TABLE])],
            "not at the beginning",
        ),
        (
            vec![ack.clone(), headers(0, &[0x21])],
            "a table of one byte",
        ),
        (
            vec![ack.clone(), headers(0x8, &[1, NO_TABLE])],
            "padding may look so",
        ),
        (
            vec![ack, headers(0x20, &[0, 0, 0, 1, 0, NO_TABLE])],
            "the stack passes over a stream that depends on itself",
        ),
    ] {
        assert!(!lasts(Lasting::WithoutTable, &frames), "{why}");
    }
}

/// The client sends all that it may before it has the service's settings, acknowledges them, and
/// sends the rest of the bodies: more than a connection takes whose table is in use.
#[test]
fn requests_that_were_begun_before_the_client_could_say_so_do_not_end_its_connection() {
    let begun = (1..20).map(|stream| headers_of(stream, 0, &[0x40, 1, b'x', 1, b'y']));
    let before: Vec<_> = begun.chain([frame(DATA, 1, 65_535 - HEAD)]).collect();
    let rest = vec![frame(DATA, 19, 16_384); 12];
    let all = [before.clone(), vec![settings(ACK)], rest.clone()].concat();
    let of_no_table = headers_of(21, 0, &[NO_TABLE, 0x82]);
    assert!(lasts(
        Lasting::WithoutTable,
        &[all.clone(), vec![of_no_table]].concat()
    ));
    assert!(!lasts(Lasting::WithoutTable, &all), "it goes on as before");
    let unacknowledged = [before, rest].concat();
    assert!(!lasts(Lasting::WithoutTable, &unacknowledged));
}

/// One after the other, by what RFC 9113 says of the list of frames.
fn expected(frames: &[(u8, u32, usize)]) -> Result<(), Fault> {
    let (mut streams, mut section) = (vec![0], 0);
    for (kind, stream, length) in frames {
        match *kind {
            HEADERS if streams.iter().any(|old| old >= stream) => return Err(Fault::Trailers),
            HEADERS => {
                streams.push(*stream);
                section = *length;
            }
            CONTINUATION => section += length,
            _ => continue,
        }
        if section > LIMIT {
            return Err(Fault::HeaderSection);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        frames in proptest::collection::vec(
            (0..10_u8, 1..20_u32, prop_oneof![0..30_usize, 0..9_000_usize]), 0..12),
        pieces in proptest::collection::vec(prop_oneof![1..12_usize, 1..9_000_usize], 1..40),
    ) {
        let bytes: Vec<_> = frames.iter().map(|&(kind, stream, length)| frame(kind, stream, length)).collect();
        let bytes = after_preface(&bytes);
        let mut rest = bytes.as_slice();
        let mut watched = Frames::new(LIMIT, Lasting::Briefly);
        let mut said = Ok(());
        for piece in pieces.iter().cycle() {
            if rest.is_empty() || said.is_err() {
                break;
            }
            let (piece, after) = rest.split_at((*piece).min(rest.len()));
            said = watched.pass(piece);
            rest = after;
        }
        prop_assert_eq!(said, expected(&frames));
    }

    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut watched = Frames::new(LIMIT, Lasting::Briefly);
        let _ = watched.pass(PREFACE);
        let _ = watched.pass(&bytes);
    }
}
