#![no_main]
//! A connection's bytes: the first byte of the input says in pieces of which size they
//! arrive. It must not matter.

use pennyblack_sip::stream::{Frame, StreamDecoder, StreamError};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else {
        return;
    };
    let in_pieces = frames(bytes.chunks(usize::from(*size).max(1)));
    assert_eq!(in_pieces, frames(std::iter::once(bytes)));
}

/// How many frames there are, the sizes of their bodies, and the error at their end.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (usize, usize, Option<StreamError>) {
    let mut decoder = StreamDecoder::default();
    let (mut count, mut size) = (0, 0);
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(None) => break,
                Ok(Some(Frame::Ping)) => count += 1,
                Ok(Some(Frame::Message(message))) => {
                    count += 1;
                    size += message.body.len();
                }
                Err(error) => return (count, size, Some(error)),
            }
        }
    }
    (count, size, None)
}
