//! The file of key records: the tokens as they were read, a line each. They are verified
//! again when they are read, so nobody is trusted with the file. Not here: when it is
//! written.

use std::io;
use std::path::Path;

use pennyblack_protocol::key_record::UnverifiedKeyRecord;
use pennyblack_storage::{atomic_file, limited_file};

use super::Known;

/// What a line has besides the token.
const LINE_BREAK: usize = 1;

pub(super) fn write<'k>(path: &Path, records: impl Iterator<Item = &'k Known>) -> io::Result<()> {
    let mut text = String::new();
    for known in records {
        text.push_str(known.record.as_str());
        text.push('\n');
    }
    atomic_file::write_public(path, text.as_bytes())
}

/// The records; none if there is no file yet. A line that is no record is passed over.
pub(super) fn read(
    path: &Path,
    max_records: usize,
    max_bytes: usize,
) -> io::Result<Vec<UnverifiedKeyRecord>> {
    let max = max_bytes.saturating_add(max_records.saturating_mul(LINE_BREAK));
    let text = match limited_file::read_text(path, max) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let records = text.lines().take(max_records);
    Ok(records
        .filter_map(|line| UnverifiedKeyRecord::parse(line).ok())
        .collect())
}
