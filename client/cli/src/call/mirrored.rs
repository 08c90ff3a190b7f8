//! Keys of a directory for a call, and how old they are. Not here: how it is filled
//! (`directory sync`).

use std::fmt;
use std::path::Path;
use std::time::Duration;

use pennyblack_base::span::Span;
use pennyblack_client::directory::{Directory, MirroredKeys};
use pennyblack_client::rosters::{RosterCpss, RosterUse};
use pennyblack_http::ServiceAddress;
use pennyblack_runtime::clock::Clock;

use super::super::outcome::Failure;
use super::super::standard_error::warn;

/// A directory is synced every few minutes; one that is older than this is told of.
const FRESH_FOR: Duration = Duration::from_secs(3600);

/// A directory that does not know what was published lately.
#[derive(Debug)]
enum Stale {
    Never,
    For(Duration),
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str(
                "the directory was not synced to the end of all feeds yet: keys may be missing; \
                 is `pennyblack directory sync --every` running?",
            ),
            Self::For(age) => write!(
                f,
                "the directory was synced {} ago for the last time: keys that were published or \
                 withdrawn since are not known; is `pennyblack directory sync --every` running?",
                Span(*age)
            ),
        }
    }
}

impl std::error::Error for Stale {}

/// Opens the directory, and warns if it is old.
pub(super) fn open(
    file: &Path,
    rosters: &Path,
    reached: &[ServiceAddress],
) -> Result<MirroredKeys, Failure> {
    let now = Clock::system().now();
    let cpss = RosterCpss::read(rosters, RosterUse::Storing, now)?.reached_at(reached);
    let of_option = |error| Failure::from(error).of_option("--directory");
    let directory = Directory::existing(file).map_err(of_option)?;
    let complete = directory.complete().map_err(of_option)?;
    let authorities = cpss.all().iter().map(|cps| cps.address.authority());
    match complete.of_all(authorities) {
        None => warn(&Stale::Never),
        Some(at) if now.since(at) > FRESH_FOR => warn(&Stale::For(now.since(at))),
        Some(_) => {}
    }
    Ok(MirroredKeys::new(&directory, cpss))
}
