//! Where the keys of called numbers come from, and **to which CPSs they may lead**: the signer
//! of a key record chooses the CPS. Not here: whether a record is good (`keys`).

use std::collections::HashSet;

use pennyblack_base::cps_uri::CpsUri;
use pennyblack_http::ServiceAddress;
use pennyblack_protocol::key_record::{Placement, VerifiedKeyRecord, newest_of_each};

use super::OobAuthenticationError;
use crate::directory::MirroredKeys;

/// Which records of a number are sealed to.
#[derive(Debug)]
pub struct ChosenKeys<R> {
    /// One for each mailbox, the most specific first, with the CPSs at which its copies may be
    /// stored. Equally specific ones stay in their order.
    pub placed: Vec<(R, Placement)>,
    /// Records that name no CPS of the roster.
    pub outside: Vec<R>,
}

/// Where keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// This CPS is asked. Copies go to the CPSs that the records name, which is usually this
    /// one, and with https otherwise.
    Cps(ServiceAddress),
    /// A directory has them, and nobody is asked. Copies go to the CPSs of the roster alone.
    Directory(MirroredKeys),
}

impl KeySource {
    /// The CPS that is asked, if one is.
    #[must_use]
    pub const fn cps(&self) -> Option<&ServiceAddress> {
        match self {
            Self::Cps(cps) => Some(cps),
            Self::Directory(_) => None,
        }
    }

    /// The CPSs of a record at which copies may be stored, and how many; nothing if it names
    /// none of the roster.
    #[must_use]
    pub fn placement_of(&self, key: &VerifiedKeyRecord) -> Option<Placement> {
        match self {
            Self::Cps(_) => Some(key.placement().clone()),
            Self::Directory(mirrored) => {
                let cpss = mirrored.cpss();
                let is_member = |cps: &CpsUri| cpss.find(cps.authority()).is_some();
                key.placement().among(is_member)
            }
        }
    }

    /// The same for a record that was chosen. One that has come to lead outside of the roster is
    /// tried as it stands, and refused where its CPS is looked for.
    pub(super) fn placement_to_try(&self, key: &VerifiedKeyRecord) -> Placement {
        self.placement_of(key)
            .unwrap_or_else(|| key.placement().clone())
    }

    /// Of records of a number those that are sealed to. Of each mailbox and signer the newest
    /// counts. **One that leads to no CPS of the roster takes nobody's place**: it is left out
    /// before a mailbox's records, or the keys of a call, are counted. Then of a mailbox's
    /// records the most specific counts: a copy of it by the holder of more numbers must not
    /// take its place.
    pub fn choose<R: AsRef<VerifiedKeyRecord>>(&self, records: Vec<R>) -> ChosenKeys<R> {
        let whose = |record: &R| {
            let record = record.as_ref();
            (record.mailbox(), record.record().iss.clone())
        };
        let mut records = newest_of_each(records, whose, |record| record.as_ref().record().iat);
        records.sort_by_key(|record| record.as_ref().breadth());
        let (mut placed, mut outside) = (Vec::new(), Vec::new());
        let mut mailboxes = HashSet::new();
        for record in records {
            match self.placement_of(record.as_ref()) {
                None => outside.push(record),
                Some(placement) if mailboxes.insert(record.as_ref().mailbox()) => {
                    placed.push((record, placement));
                }
                Some(_) => {}
            }
        }
        ChosenKeys { placed, outside }
    }

    /// Where a CPS is that a record names. Ours may be reached by another URL than its
    /// name says; a stranger's record must not lead to a loopback service. **By a roster a CPS
    /// is where the roster says**, whatever the record does.
    pub(super) fn address_of(
        &self,
        uri: &CpsUri,
    ) -> Result<ServiceAddress, OobAuthenticationError> {
        match self {
            Self::Cps(cps) if uri.authority() == cps.authority() => Ok(cps.clone()),
            Self::Cps(_) if uri.to_string().starts_with("https://") => Ok(uri.clone().into()),
            Self::Cps(_) => Err(OobAuthenticationError::PlainCps(uri.to_string())),
            Self::Directory(mirrored) => {
                let cpss = mirrored.cpss();
                let member = cpss.find(uri.authority()).map(|cps| cps.address.clone());
                member.ok_or_else(|| OobAuthenticationError::NotInRoster {
                    cps: uri.clone(),
                    federation: cpss.federation().clone(),
                })
            }
        }
    }
}
