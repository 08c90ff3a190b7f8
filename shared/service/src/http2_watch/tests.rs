use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;
use crate::http2_frames::MOST_BYTES;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LIMIT: u32 = 16 * 1024;

fn frame(kind: u8, stream: u32, length: usize) -> Vec<u8> {
    let mut bytes = u32::try_from(length).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, 0x4]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(vec![kind; length]);
    bytes
}

/// What the stack gets of `bytes` if they arrive in `pieces`, and whether it was enough.
async fn given(bytes: Vec<u8>, piece: usize) -> (io::Result<Vec<u8>>, bool) {
    let (mut client, server) = duplex(piece);
    let enough = Arc::new(Notify::new());
    let mut watched = Watched::new(server, LIMIT, Lasting::Briefly, Arc::clone(&enough));
    let sender = tokio::spawn(async move {
        let _ = client.write_all(&bytes).await;
    });
    let mut all = Vec::new();
    let read = watched.read_to_end(&mut all).await.map(|_| all);
    drop(watched);
    sender.await.unwrap();
    let is_enough = futures_util::FutureExt::now_or_never(enough.notified()).is_some();
    (read, is_enough)
}

#[tokio::test]
async fn after_enough_bytes_the_stack_gets_open_streams_and_no_others() {
    // So much that the read that is enough ends in it.
    let filler = frame(0, 1, MOST_BYTES + 8_192);
    let before = [PREFACE.to_vec(), frame(1, 1, 20), filler].concat();
    for piece in [1, 7, 4_096] {
        let after = [
            (frame(0, 1, 3_000), true),
            (frame(1, 3, 100), false),
            (frame(0, 3, 5_000), false),
            (frame(6, 0, 8), true),
            (frame(9, 3, 1), false),
            (frame(0, 1, 0), true),
            (frame(3, 3, 4), false),
            (frame(0, 1, 7), true),
        ];
        let sent: Vec<_> = after.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let kept = after.iter().filter(|(_, kept)| *kept);
        let kept: Vec<_> = kept.flat_map(|(bytes, _)| bytes.clone()).collect();
        let (read, is_enough) = given([before.clone(), sent].concat(), piece).await;
        assert!(is_enough);
        assert!(read.unwrap() == [before.clone(), kept].concat(), "{piece}");
    }
}

#[tokio::test]
async fn a_frame_whose_head_came_in_part_is_given_whole() {
    let filler = MOST_BYTES - PREFACE.len() - 2 * 9 - 20 - 4;
    let before = [PREFACE.to_vec(), frame(1, 1, 20), frame(0, 1, filler)].concat();
    assert_eq!(before.len(), MOST_BYTES - 4);
    let begun = [frame(1, 3, 100), frame(0, 3, 10)].concat();
    let not_begun = [frame(1, 5, 100), frame(0, 5, 10)].concat();
    // Each read brings one byte, so the last has four bytes of the head.
    let (read, is_enough) = given([before.clone(), begun.clone(), not_begun].concat(), 1).await;
    assert!(is_enough);
    assert!(read.unwrap() == [before, begun].concat());
}

#[tokio::test]
async fn less_passes_unchanged_and_a_fault_is_an_error() {
    let whole = [PREFACE.to_vec(), frame(1, 1, 20), frame(0, 1, 9_000)].concat();
    let (read, is_enough) = given(whole.clone(), 100).await;
    assert!(!is_enough);
    assert!(read.unwrap() == whole);
    let (read, _) = given([whole, frame(1, 1, 20)].concat(), 100).await;
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn faults_are_seen_after_enough_bytes_too() {
    let before = [PREFACE.to_vec(), frame(1, 1, 20), frame(0, 1, MOST_BYTES)].concat();
    let (read, _) = given([before, frame(1, 1, 20)].concat(), 4_096).await;
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
}
