//! Which relays a roster allows: members that are relays, of another operator than the CPS. Not
//! here: how requests go through them.

use std::path::Path;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_http::ServiceAddress;
use pennyblack_roster::{Member, OperatorName, Role, Roster};

use super::usable::{RosterUse, RosterUseError, require_usable, usable_roster};
use crate::oblivious::RelayAddress;

/// Why relays may not be used by the roster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayRosterError {
    /// The roster cannot be used.
    #[error(transparent)]
    Roster(#[from] RosterUseError),
    /// Nobody says whose it is.
    #[error(
        "{service} is no {} in the roster of {federation}: name one that is there \
         (`pennyblack federation show`)", role.as_str()
    )]
    NoMember {
        /// The service.
        service: Authority,
        /// What it should be.
        role: Role,
        /// Whose roster it is.
        federation: Authority,
    },
    /// One operator would see who sends, and what for whom.
    #[error(
        "{operator} runs both the relay {relay} and the CPS {cps}, and would see who sends what: \
         name a relay of another operator"
    )]
    OneOperator {
        /// The relay.
        relay: Authority,
        /// The CPS.
        cps: Authority,
        /// Who runs both.
        operator: OperatorName,
    },
}

/// Checks by the roster that is in force by a directory that these relays may carry requests, each for
/// the CPS that it names, or else for each of `cpss`. Waits for the disk.
///
/// # Errors
/// [`RelayRosterError`].
pub fn check_relays(
    directory: &Path,
    cpss: &[ServiceAddress],
    relays: &[RelayAddress],
    now: UnixTime,
) -> Result<(), RelayRosterError> {
    let roster = usable_roster(directory, RosterUse::Storing, now)?;
    check_relays_by(&roster, cpss, relays, now)
}

/// The same by a roster that was read before.
///
/// # Errors
/// [`RelayRosterError`], but for its files.
pub fn check_relays_by(
    roster: &Roster,
    cpss: &[ServiceAddress],
    relays: &[RelayAddress],
    now: UnixTime,
) -> Result<(), RelayRosterError> {
    require_usable(roster, RosterUse::Storing, now)?;
    for relay in relays {
        let of = member(roster, relay.relay(), Role::Relay)?.operator();
        let named = relay.cps().into_iter();
        let others = cpss.iter().map(ServiceAddress::authority);
        let others = others.filter(|_| relay.cps().is_none());
        for cps in named.chain(others) {
            if member(roster, cps, Role::Cps)?.operator() == of {
                return Err(RelayRosterError::OneOperator {
                    relay: relay.relay().clone(),
                    cps: cps.clone(),
                    operator: of.clone(),
                });
            }
        }
    }
    Ok(())
}

fn member<'r>(
    roster: &'r Roster,
    service: &Authority,
    role: Role,
) -> Result<&'r Member, RelayRosterError> {
    let found = roster.members.find(service);
    let found = found.filter(|member| member.role() == role);
    found.ok_or_else(|| RelayRosterError::NoMember {
        service: service.clone(),
        role,
        federation: roster.origin.clone(),
    })
}

#[cfg(test)]
mod tests;
