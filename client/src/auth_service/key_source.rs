//! Where the keys of called numbers come from, and **to which CPSs they may lead**: the signer
//! of a key record chooses the CPS. Not here: whether a record is good (`keys`).

use pennyblack_base::cps_uri::CpsUri;
use pennyblack_http::ServiceAddress;
use pennyblack_protocol::key_record::{Placement, VerifiedKeyRecord};

use super::OobAuthenticationError;
use crate::directory::MirroredKeys;

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
