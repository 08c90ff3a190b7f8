//! What lies at the CPS when all has ended: its files and its log, searched for
//! everything that would tell who stored, who called, or what was said.

use std::fs;
use std::path::Path;

use super::calls::customer;
use super::participants::Participants;
use super::report::CpsView;
use super::telephones::calling;
use super::{CALLS, DemoError, WhileDoing as _};

/// Reads everything that the CPS keeps and says, and searches it.
pub(super) fn inspect(
    directory: &Path,
    cast: &Participants,
    spent: u64,
) -> Result<CpsView, DemoError> {
    let mut contents = Vec::new();
    read_all(&directory.join("cps"), &mut contents).during("reading the CPS's files")?;
    contents.push(fs::read(directory.join("cps.log")).during("reading the CPS's log")?);
    let needles = needles(cast)?;
    let found = needles.iter().filter(|needle| {
        let needle = needle.as_bytes();
        let holds = |file: &Vec<u8>| file.windows(needle.len()).any(|window| window == needle);
        contents.iter().any(holds)
    });
    Ok(CpsView {
        spent,
        bytes: contents.iter().map(Vec::len).sum(),
        searched_for: needles.len(),
        found: found.cloned().collect(),
    })
}

fn read_all(path: &Path, contents: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, contents)?;
        } else {
            contents.push(fs::read(&path)?);
        }
    }
    Ok(())
}

/// The callers' numbers, the storers' codes and names, and how every PASSporT
/// begins.
fn needles(cast: &Participants) -> Result<Vec<String>, DemoError> {
    let storers = [&cast.carrier_a, &cast.carrier_b, &cast.carrier_c];
    let mut needles: Vec<String> = Vec::new();
    for storer in storers {
        needles.push(storer.identity.iss().to_owned());
        needles.push(storer.name.to_owned());
        needles.push(storer.x5u.to_string());
    }
    for number in 0..CALLS {
        needles.push(customer(number)?.to_string());
    }
    needles.push(calling()?.to_string());
    // {"alg":"ES256","ppt":"shaken" in base64url.
    needles.push("eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbi".to_owned());
    Ok(needles)
}
