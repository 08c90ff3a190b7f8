use proptest::prelude::*;

use super::*;

const LIMIT: usize = 16 * 1024;
const DATA: u8 = 0;

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
    Frames::new(LIMIT, MOST_BYTES).pass(bytes)
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
    let mut frames = Frames::new(LIMIT, MOST_BYTES);
    assert_eq!(frames.pass(&bytes), Ok(()));
    assert!(!frames.are_enough());
}

#[test]
fn all_bytes_count() {
    let mut frames = Frames::new(LIMIT, MOST_BYTES);
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
        let mut watched = Frames::new(LIMIT, MOST_BYTES);
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
        let mut watched = Frames::new(LIMIT, MOST_BYTES);
        let _ = watched.pass(PREFACE);
        let _ = watched.pass(&bytes);
    }
}
