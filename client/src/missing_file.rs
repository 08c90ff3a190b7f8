//! What to do about a file that is not there. Not here: files that are wrong.

use std::io;

/// `; ADVICE`, if the file is not there; else nothing.
pub(crate) fn advice(error: &io::Error, advice: &str) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("; {advice}"),
        _ => String::new(),
    }
}
