//! The register of what a PKI directory issued and revoked, kept as readable
//! JSON in `register.json`.

use pennyblack_base::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::credential::Serial;
use super::revocation_list::RevocationReason;
use super::tn_auth_list::TnAuthEntry;

/// Everything that was issued, in order, and the number of the last CRL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Number of the last list that was signed; the next is one higher.
    pub crl_number: u64,
    /// The certificates, oldest first.
    pub issued: Vec<IssuedRecord>,
}

/// One issued certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedRecord {
    /// The name of its files.
    pub name: String,
    /// Its serial number.
    pub serial: Serial,
    /// Its TNAuthList.
    pub holds: Vec<TnAuthEntry>,
    /// When it ends to be valid.
    pub not_after: UnixTime,
    /// The name of the certificate above it, when that is a delegating one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<String>,
    /// Whether and why it is revoked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked: Option<RevocationRecord>,
}

/// A revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationRecord {
    /// When.
    pub at: UnixTime,
    /// Why.
    pub reason: RevocationReason,
}

impl Register {
    /// The certificate of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&IssuedRecord> {
        self.issued.iter().find(|record| record.name == name)
    }
}
