#![no_main]
//! What a log serves as files: the paths of tiles (the first line of the input),
//! entry bundles and hashes (the rest), and the entries in them.

use pennyblack_evidence::log_entry::LogEntry;
use pennyblack_tlog::{EntryBundle, Hash, Tile};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(entry) = LogEntry::parse(bytes) {
        assert_eq!(entry.to_bytes(), bytes);
    }
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (path, contents) = (&bytes[..end], &bytes[end + 1..]);
    let Some(tile) = std::str::from_utf8(path)
        .ok()
        .and_then(|path| path.parse::<Tile>().ok())
    else {
        return;
    };
    assert_eq!(tile.to_string().as_bytes(), path);
    if let Ok(hashes) = tile.hashes(contents) {
        assert_eq!(hashes.len(), usize::from(tile.width()));
        assert!(hashes.iter().flat_map(|Hash(hash)| hash).eq(contents));
    }
    if let Ok(bundle) = EntryBundle::parse(tile, contents.to_vec()) {
        assert_eq!(bundle.entries().count(), usize::from(tile.width()));
        let mut again = EntryBundle::default();
        for entry in bundle.entries() {
            again.push(entry).expect("it was in a bundle");
            if let Ok(entry) = LogEntry::parse(entry) {
                let _ = LogEntry::parse(&entry.to_bytes()).expect("it was read before");
            }
        }
        assert_eq!(again.as_bytes(), contents);
    }
}
