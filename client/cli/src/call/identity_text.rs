//! The text of `--identity`: as it is given, from a file or from standard input.

use std::path::Path;

use pennyblack_storage::limited_file;

use super::super::outcome::{Exit, Failure};

/// Most bytes of a PASSporT or Identity header; more than any certificate path takes.
const MAX_IDENTITY_SIZE: usize = 1024 * 1024;

pub(super) fn read_text(argument: &str) -> Result<String, Failure> {
    if argument == "-" {
        let read = limited_file::read_stream_text(std::io::stdin(), MAX_IDENTITY_SIZE);
        return read.map_err(|error| unreadable("standard input", &error));
    }
    match argument.strip_prefix('@') {
        Some(path) => limited_file::read_text(Path::new(path), MAX_IDENTITY_SIZE)
            .map_err(|error| unreadable(path, &error)),
        None => Ok(argument.to_owned()),
    }
}

fn unreadable(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("--identity: {what}: {error}"))
}
