//! Writes first inputs for every target into `corpus/`, where cargo-fuzz looks
//! for them: the RFCs' test vectors, the certificates of `tests/certs`, and good
//! messages of the targets' own world, so that each run begins behind the door.
//!
//! Usage: `cargo run --example seeds`, in `fuzz/`.

mod calls;
mod certificates;
mod documents;
mod issuing;
mod logs;
mod oblivious;
mod rosters;
mod storing;

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The inputs, by target.
pub struct Corpus {
    directory: PathBuf,
    written: usize,
}

impl Corpus {
    /// Adds an input under the name `seed-` and a number.
    ///
    /// # Panics
    /// When it cannot be written: there is nothing else to do.
    pub fn add(&mut self, target: &str, input: impl AsRef<[u8]>) {
        let directory = self.directory.join(target);
        let file = directory.join(format!("seed-{:04}", self.written));
        fs::create_dir_all(&directory)
            .and_then(|()| fs::write(&file, input))
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.written += 1;
    }
}

fn main() -> io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = fuzz.join("../tests");
    let mut corpus = Corpus {
        directory: fuzz.join("corpus"),
        written: 0,
    };
    issuing::add(&mut corpus, &tests.join("vectors"))?;
    certificates::add(&mut corpus, &tests.join("certs"))?;
    documents::add(&mut corpus, &tests.join("certs"))?;
    oblivious::add(&mut corpus, &tests.join("vectors"))?;
    storing::add(&mut corpus);
    calls::add(&mut corpus);
    rosters::add(&mut corpus);
    println!(
        "{} inputs in {}",
        corpus.written,
        corpus.directory.display()
    );
    Ok(())
}
