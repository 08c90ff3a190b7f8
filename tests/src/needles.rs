//! A search for what must not be there: pieces of secrets, as they are or in an
//! encoding, in everything that a service has written.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use pennyblack_base::encoding::{base64_standard, base64url};

/// A piece of this many bytes is enough to link two things.
pub const PIECE: usize = 8;

/// Everything that is searched for, piece by piece.
#[derive(Debug, Default)]
pub struct Needles {
    /// The forms a piece is written in, with the name of the needle.
    pieces: HashMap<Vec<u8>, String>,
    lengths: Vec<usize>,
}

impl Needles {
    /// Adds every piece of `needle`, raw, in both cases of hexadecimal and in both
    /// alphabets of base64 at each of the three alignments.
    pub fn add(&mut self, name: &str, needle: &[u8]) {
        self.add_windows(name, needle, PIECE);
        let hexadecimal = hex::encode(needle);
        self.add_windows(name, hexadecimal.as_bytes(), 2 * PIECE);
        self.add_windows(name, hexadecimal.to_uppercase().as_bytes(), 2 * PIECE);
        for alignment in 0..3 {
            // Whole groups of three bytes only: the last one depends on what follows.
            let rest = needle.get(alignment..).unwrap_or_default();
            let rest = &rest[..rest.len() - rest.len() % 3];
            for text in [base64url(rest), base64_standard(rest)] {
                self.add_windows(name, text.as_bytes(), PIECE * 4 / 3);
            }
        }
    }

    /// Adds every piece of a needle that is text, and likely to be copied as such.
    pub fn add_text(&mut self, name: &str, needle: &str) {
        self.add_windows(name, needle.as_bytes(), PIECE);
    }

    /// Adds a needle that is to be found as a whole only, since it is short.
    pub fn add_whole(&mut self, name: &str, needle: &[u8]) {
        self.add_windows(name, needle, needle.len());
    }

    /// Takes out every piece that anybody may know.
    pub fn forgive(&mut self, public: &[u8]) {
        for length in &self.lengths {
            for piece in public.windows(*length) {
                self.pieces.remove(piece);
            }
        }
    }

    /// The names of the needles that have a piece in `haystack`, each once and with the
    /// first piece that was found.
    #[must_use]
    pub fn found_in(&self, haystack: &[u8]) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for length in &self.lengths {
            for piece in haystack.windows(*length) {
                if let Some(name) = self.pieces.get(piece) {
                    let shown = || piece.escape_ascii().to_string();
                    found.entry(name.clone()).or_insert_with(shown);
                }
            }
        }
        found
    }

    fn add_windows(&mut self, name: &str, needle: &[u8], length: usize) {
        if !self.lengths.contains(&length) {
            self.lengths.push(length);
        }
        let telling = needle.windows(length).filter(|piece| !is_trivial(piece));
        for piece in telling {
            self.pieces.insert(piece.to_vec(), name.to_owned());
        }
    }
}

/// A piece of hardly more than one value stands anywhere.
fn is_trivial(piece: &[u8]) -> bool {
    let mut values: Vec<_> = piece.to_vec();
    values.sort_unstable();
    values.dedup();
    values.len() <= 2
}

/// The content of every file below `directory`, one after the other.
#[must_use]
pub fn all_files(directory: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        // A file may be removed while this looks for it.
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(all_files(&path));
        } else {
            all.extend(fs::read(&path).unwrap_or_default());
        }
    }
    all
}
