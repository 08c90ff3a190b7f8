//! The newest roster of a directory, if it is good for what is to be done by it.

use std::path::Path;

use pennyblack_base::time::UnixTime;
use pennyblack_roster::{KeptRosters, Roster, RosterDirectoryError, Standing};

/// What is done by a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RosterUse {
    /// Something new is believed of its members: not after its end.
    Believing,
    /// Calls are stored at its members: for a week longer, since calls come first.
    Storing,
}

/// Why nothing is done by a roster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterUseError {
    /// The rosters cannot be used.
    #[error(transparent)]
    Directory(#[from] RosterDirectoryError),
    /// It is not good for storing now.
    #[error(
        "the newest roster that is kept is good from {from}, and for storing until {until}: run \
         `pennyblack federation fetch`, and check this machine's clock"
    )]
    NotForStoring {
        /// Its beginning.
        from: UnixTime,
        /// A week after its end.
        until: UnixTime,
    },
    /// Nothing new may be believed by it now.
    #[error(
        "the newest roster that is kept is good from {from} until {until}, so nothing new is \
         believed: run `pennyblack federation fetch`, and check this machine's clock"
    )]
    NotCurrent {
        /// Its beginning.
        from: UnixTime,
        /// Its end.
        until: UnixTime,
    },
}

/// The newest roster of a directory of `federation fetch`. Waits for the disk.
///
/// # Errors
/// [`RosterUseError`].
pub fn usable_roster(
    directory: &Path,
    purpose: RosterUse,
    now: UnixTime,
) -> Result<Roster, RosterUseError> {
    let chain = KeptRosters::chain_in(directory)?;
    let roster = chain.last().roster();
    require_usable(roster, purpose, now)?;
    Ok(roster.clone())
}

/// Whether a roster that was read before is good now.
pub(super) fn require_usable(
    roster: &Roster,
    purpose: RosterUse,
    now: UnixTime,
) -> Result<(), RosterUseError> {
    let validity = &roster.validity;
    match (validity.standing(now), purpose) {
        (Standing::Current { .. }, _) | (Standing::StoringOnly { .. }, RosterUse::Storing) => {
            Ok(())
        }
        (_, RosterUse::Storing) => Err(RosterUseError::NotForStoring {
            from: validity.from(),
            until: validity.storing_until(),
        }),
        (_, RosterUse::Believing) => Err(RosterUseError::NotCurrent {
            from: validity.from(),
            until: validity.until(),
        }),
    }
}
