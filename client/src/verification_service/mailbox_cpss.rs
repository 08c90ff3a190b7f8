//! The CPSs that a mailbox is at: how they are reached from here, and how its key records name
//! them to OOB-ASs.

use std::path::{Path, PathBuf};

use pennyblack_base::cps_uri::{CpsUri, CpsUriError};
use pennyblack_http::ServiceAddress;
use pennyblack_protocol::key_record::{Placement, PlacementError};

/// Why a mailbox cannot be at these CPSs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxCpssError {
    /// One has no address for OOB-ASs.
    #[error("{0}")]
    Uri(#[from] CpsUriError),
    /// They are too many, or one is named twice, or there are to be more copies than CPSs.
    #[error("{0}")]
    Placement(#[from] PlacementError),
}

/// The CPSs that a mailbox is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxCpss {
    addresses: Vec<ServiceAddress>,
    placement: Placement,
    list_of: Option<PathBuf>,
}

impl MailboxCpss {
    /// One CPS, which all who poll the mailbox know.
    ///
    /// # Errors
    /// [`CpsUriError`]: it has no address for OOB-ASs.
    pub fn one(cps: ServiceAddress) -> Result<Self, CpsUriError> {
        let public = cps.public_uri()?;
        Ok(Self::named(cps, public))
    }

    /// The same, which key records name by another address than it is reached by here.
    #[must_use]
    pub fn named(cps: ServiceAddress, public: CpsUri) -> Self {
        Self {
            addresses: vec![cps],
            placement: Placement::at(public),
            list_of: None,
        }
    }

    /// At these CPSs as well as the first, with so many copies of each PASSporT; one at each if
    /// no number is given.
    ///
    /// # Errors
    /// [`MailboxCpssError`].
    pub fn and(
        self,
        more: Vec<ServiceAddress>,
        copies: Option<u64>,
    ) -> Result<Self, MailboxCpssError> {
        let public = more.iter().map(ServiceAddress::public_uri);
        let public = public.collect::<Result<_, _>>()?;
        let placement = Placement::new(self.placement.first().clone(), public, copies)?;
        let addresses = self.addresses.into_iter().take(1).chain(more).collect();
        Ok(Self {
            addresses,
            placement,
            ..self
        })
    }

    /// They are written down beside this mailbox key's file before a record names them, so
    /// that they are polled for as long as it can lead anybody there.
    #[must_use]
    pub fn listed_beside(self, mailbox_key: &Path) -> Self {
        Self {
            list_of: Some(mailbox_key.to_owned()),
            ..self
        }
    }

    /// How they are reached from here.
    #[must_use]
    pub fn addresses(&self) -> &[ServiceAddress] {
        &self.addresses
    }

    /// What key records say.
    #[must_use]
    pub const fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The mailbox key beside whose file they are written down.
    #[must_use]
    pub fn list_of(&self) -> Option<&Path> {
        self.list_of.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ServiceAddress {
        text.parse().unwrap()
    }

    #[test]
    fn each_cps_is_reached_by_its_address_and_named_by_its_authority() {
        let one = MailboxCpss::one(address("a.example=http://127.0.0.1:1")).unwrap();
        let more = vec![address("b.example=http://127.0.0.1:2")];
        let two = one.clone().and(more, Some(1)).unwrap();
        assert_eq!(two.addresses().len(), 2);
        let named: Vec<_> = two.placement().cpss().map(ToString::to_string).collect();
        assert_eq!(named, ["https://a.example", "https://b.example"]);
        assert_eq!(two.placement().copies(), 1);
        let same = one.and(vec![address("a.example=http://127.0.0.1:3")], None);
        assert!(matches!(same, Err(MailboxCpssError::Placement(_))));
    }
}
