//! A trunk: the side of a switch or an SBC from which calls come, and what holds for them.
//! Not here: which trunk a request belongs to (the interfaces match addresses and API keys).

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use pennyblack_client::identity::StirIdentity;
use pennyblack_passport::Attestation;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_stir::jws::X5u;
use pennyblack_stir::telephone_number::TelephoneNumber;

use crate::number::{NotANumber, NumberingPlan};

/// What holds for the calls of one trunk.
#[derive(Debug, Clone, Default)]
pub struct Trunk {
    /// Its name, in log lines and metrics.
    pub name: String,
    /// The country code of national numbers, such as `49`. Without it they are no numbers.
    pub country_code: Option<String>,
    /// What stands before national numbers, such as `0`.
    pub national_prefix: Option<String>,
    /// What stands before numbers with their country code, such as `00` or `011`.
    pub international_prefix: Option<String>,
    /// Which of a call's header fields says who calls, the first that has a number.
    pub orig_from: Vec<OrigSource>,
    /// Whether its `P-Asserted-Identity` is believed.
    pub trust_pai: bool,
    /// The attestation level of calls that are signed here.
    pub attest: AttestPolicy,
    /// Numbers, as dialled, that are passed over at once, besides emergency numbers and short
    /// codes.
    pub never: Vec<String>,
    /// The calling numbers that attestation level A is for. None: all.
    pub orig_numbers: Option<Arc<HashSet<TelephoneNumber>>>,
    /// What signs calls that come without an Identity. None: such calls are not signed.
    pub identity: Option<SigningIdentity>,
}

impl Trunk {
    /// The number that `text` means on this trunk, in canonical form: digits, or a `tel:` or
    /// `sip:` URI without a display name. Nothing is guessed.
    ///
    /// # Errors
    /// [`NotANumber`].
    pub fn canonical(&self, text: &str) -> Result<TelephoneNumber, NotANumber> {
        let plan = NumberingPlan {
            country_code: self.country_code.as_deref(),
            national_prefix: self.national_prefix.as_deref(),
            international_prefix: self.international_prefix.as_deref(),
            never: &self.never,
        };
        plan.canonical(text)
    }

    /// Who calls, by the first header field of `orig_from` that has a number.
    ///
    /// # Errors
    /// [`NotANumber`], of the last field that was read.
    pub fn orig(&self, asserted: &[String], from: &str) -> Result<TelephoneNumber, NotANumber> {
        const DEFAULT: [OrigSource; 2] = [OrigSource::AssertedIdentity, OrigSource::From];
        let sources = match self.orig_from.is_empty() {
            true => &DEFAULT[..],
            false => &self.orig_from,
        };
        let mut why = NotANumber::Missing;
        for source in sources {
            let texts: Vec<&str> = match source {
                OrigSource::From => vec![from],
                OrigSource::AssertedIdentity if self.trust_pai => tel_first(asserted),
                OrigSource::AssertedIdentity => Vec::new(),
            };
            for text in texts {
                match self.canonical(text) {
                    Err(error) => why = error,
                    number => return number,
                }
            }
        }
        Err(why)
    }

    /// The attestation level of a call from `orig` that is signed here.
    #[must_use]
    pub fn attestation(
        &self,
        orig: &TelephoneNumber,
        requested: Option<Attestation>,
    ) -> Attestation {
        let level = match self.attest {
            AttestPolicy::Always(level) => level,
            AttestPolicy::AsRequested { otherwise } => requested.unwrap_or(otherwise),
        };
        let is_own = |numbers: &Arc<HashSet<_>>| numbers.contains(orig);
        match level {
            // The customer is known, its right to the number is not.
            Attestation::Full if !self.orig_numbers.as_ref().is_none_or(is_own) => {
                Attestation::Partial
            }
            level => level,
        }
    }
}

/// A `tel:` URI says more plainly than a `sip:` URI that it is a number.
fn tel_first(uris: &[String]) -> Vec<&str> {
    let mut uris: Vec<_> = uris.iter().map(String::as_str).collect();
    let is_tel = |uri: &str| {
        uri.get(..4)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"))
    };
    uris.sort_by_key(|uri| !is_tel(uri));
    uris
}

/// A header field that names who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrigSource {
    /// `P-Asserted-Identity`.
    AssertedIdentity,
    /// `From`.
    From,
}

/// Which attestation level a call gets that is signed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestPolicy {
    /// Always this one.
    Always(Attestation),
    /// What the request says; this one if it says nothing.
    AsRequested {
        /// For requests that say nothing.
        otherwise: Attestation,
    },
}

impl Default for AttestPolicy {
    /// As little as can be said.
    fn default() -> Self {
        Self::AsRequested {
            otherwise: Attestation::Gateway,
        }
    }
}

/// A STIR certificate with its key, and the URL at which verifiers find the certificate.
#[derive(Clone)]
pub struct SigningIdentity {
    /// Read again when the files are renewed.
    pub files: Arc<FromFiles<StirIdentity>>,
    /// Where the certificate can be fetched.
    pub x5u: X5u,
}

impl fmt::Debug for SigningIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningIdentity")
            .field("x5u", &self.x5u)
            .finish_non_exhaustive()
    }
}
