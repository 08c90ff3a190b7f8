//! What a certificate is to say: what the authorities are called, and the leaf that
//! is asked for. Not here: its form (`profile`).

use std::time::Duration;

use pennyblack_stir::{HintedCps, ObjectIdentifier};

use super::tn_auth_list::TnAuthEntry;

/// What the authorities are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaNames {
    /// The `O` of root, intermediate and CRL signer.
    pub organization: String,
}

impl Default for CaNames {
    fn default() -> Self {
        Self {
            organization: "Pennyblack Development".to_owned(),
        }
    }
}

/// What a leaf certificate is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafRequest {
    /// The TNAuthList; at least one entry.
    pub holds: Vec<TnAuthEntry>,
    /// The subject's `O`.
    pub organization: String,
    /// How long it is valid; the commonest in the field is six days.
    pub validity: Duration,
    /// Whether it may issue delegate certificates (RFC 9060 section 4).
    pub may_delegate: bool,
    /// Where its CRL can be fetched; none leaves the extension out.
    pub crl_url: Option<String>,
    /// Where the CPS of its numbers is; none leaves the extension out.
    pub cps_uris: Option<CpsUris>,
}

/// The CPS URI extension (draft-sliwa-stir-cert-cps-ext): not critical, a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpsUris {
    /// What the extension is called: no identifier is registered yet.
    pub oid: ObjectIdentifier,
    /// At least one, for certificates that others can read.
    pub uris: Vec<HintedCps>,
}

impl LeafRequest {
    /// A request with a week of validity and no CRL URL.
    #[must_use]
    pub fn new(holds: Vec<TnAuthEntry>) -> Self {
        Self {
            holds,
            organization: "Example Carrier".to_owned(),
            validity: Duration::from_secs(7 * 86_400),
            may_delegate: false,
            crl_url: None,
            cps_uris: None,
        }
    }
}
