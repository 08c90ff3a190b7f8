//! The roster that is in force by a directory, if it is good for what is to be done by it.

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
        "the roster that is in force is good from {from}, and for storing until {until}: run \
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
        "the roster that is in force is good from {from} until {until}, so nothing new is \
         believed: run `pennyblack federation fetch`, and check this machine's clock"
    )]
    NotCurrent {
        /// Its beginning.
        from: UnixTime,
        /// Its end.
        until: UnixTime,
    },
}

/// The roster that is in force by a directory of `federation fetch`. Waits for the disk.
///
/// # Errors
/// [`RosterUseError`].
pub fn usable_roster(
    directory: &Path,
    purpose: RosterUse,
    now: UnixTime,
) -> Result<Roster, RosterUseError> {
    let in_force = KeptRosters::in_force_in(directory, now)?;
    let roster = in_force.roster();
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pennyblack_roster::Role;

    use super::super::RosterCpss;
    use super::super::testing::{BEGIN, DAY, directory_of_two, member_of};
    use super::*;

    /// Who is stored at, and who is believed: the same, as long as a roster is current.
    #[test]
    fn a_roster_of_tomorrow_takes_nothing_from_that_of_today() {
        let cps = |uri| vec![member_of(Role::Cps, uri, "operator")];
        let (today, tomorrow) = (cps("https://a.example"), cps("https://b.example"));
        let home = directory_of_two(today, (tomorrow, BEGIN.plus(DAY / 2)));
        let cps_at = |now, purpose| {
            let cpss = RosterCpss::read(home.path(), purpose, now).unwrap();
            cpss.all()[0].address.authority().to_string()
        };
        for purpose in [RosterUse::Storing, RosterUse::Believing] {
            assert_eq!(cps_at(BEGIN, purpose), "a.example");
            assert_eq!(cps_at(BEGIN.plus(DAY / 3), purpose), "a.example");
            assert_eq!(cps_at(BEGIN.plus(DAY / 2), purpose), "b.example");
        }
        let early = BEGIN.minus(Duration::from_secs(61));
        let none = RosterCpss::read(home.path(), RosterUse::Storing, early).unwrap_err();
        assert!(
            matches!(none, RosterUseError::NotForStoring { from: BEGIN, .. }),
            "{none}"
        );
    }
}
