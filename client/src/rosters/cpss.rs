//! The CPSs of a federation by its roster: the only ones to which a mirrored key record may
//! lead. Not here: which CPSs a record names.

use std::path::Path;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_http::ServiceAddress;
use pennyblack_roster::{Member, OperatorName, Role, Roster};
use pennyblack_tlog::VerifierKey;

use super::usable::{RosterUse, RosterUseError, require_usable, usable_roster};

/// A CPS of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterCps {
    /// Where it is.
    pub address: ServiceAddress,
    /// Who runs it.
    pub operator: OperatorName,
    /// The key of its log.
    pub log_key: VerifierKey,
}

impl RosterCps {
    fn of(member: &Member) -> Option<Self> {
        let address = ServiceAddress::from(member.uri().clone());
        let log = format!("{}{LOG_PATH}", address.authority());
        // Each CPS of a roster has one.
        let mut keys = member.keys().iter();
        let log_key = keys.find(|key| key.name().as_str() == log)?.clone();
        Some(Self {
            address,
            operator: member.operator().clone(),
            log_key,
        })
    }
}

/// The CPSs of the roster that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterCpss {
    federation: Authority,
    cpss: Vec<RosterCps>,
}

impl RosterCpss {
    /// Those of the roster that is in force by a directory of `federation fetch`. Waits for the disk.
    ///
    /// # Errors
    /// [`RosterUseError`].
    pub fn read(
        directory: &Path,
        purpose: RosterUse,
        now: UnixTime,
    ) -> Result<Self, RosterUseError> {
        Self::of(&usable_roster(directory, purpose, now)?, purpose, now)
    }

    /// Those of a roster that was read before.
    ///
    /// # Errors
    /// [`RosterUseError`], but for its files.
    pub fn of(roster: &Roster, purpose: RosterUse, now: UnixTime) -> Result<Self, RosterUseError> {
        require_usable(roster, purpose, now)?;
        let members = roster.members.iter();
        let cpss = members.filter(|member| member.role() == Role::Cps);
        Ok(Self {
            cpss: cpss.filter_map(RosterCps::of).collect(),
            federation: roster.origin.clone(),
        })
    }

    /// The same, with these reached by other URLs than the roster has. Addresses of others
    /// change nothing.
    #[must_use]
    pub fn reached_at(mut self, addresses: &[ServiceAddress]) -> Self {
        for cps in &mut self.cpss {
            let mut named = addresses.iter();
            let named = named.find(|one| one.authority() == cps.address.authority());
            if let Some(address) = named {
                cps.address = address.clone();
            }
        }
        self
    }

    /// None of them any more: the roster has ended.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self {
            federation: self.federation.clone(),
            cpss: Vec::new(),
        }
    }

    /// Whose roster it is.
    #[must_use]
    pub const fn federation(&self) -> &Authority {
        &self.federation
    }

    /// All of them, in the order of the roster.
    #[must_use]
    pub fn all(&self) -> &[RosterCps] {
        &self.cpss
    }

    /// The one with this authority, if there is one.
    #[must_use]
    pub fn find(&self, authority: &Authority) -> Option<&RosterCps> {
        let mut cpss = self.cpss.iter();
        cpss.find(|cps| cps.address.authority() == authority)
    }
}
