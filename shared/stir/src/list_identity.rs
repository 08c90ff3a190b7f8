//! Which revocation list a list is: whose, signed with which key, and of which
//! certificates it speaks (RFC 5280 section 5.2.5); and how old it is compared with
//! another of the same identity. Not here: what it revokes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use x509_parser::prelude::{CertificateRevocationList, IssuingDistributionPoint, ParsedExtension};

use super::certificate::Certificate;
use super::distribution_point::urls;
use super::name::Name;
use pennyblack_base::time::UnixTime;

const ISSUING_DISTRIBUTION_POINT_OID: &str = "2.5.29.28";
/// A list of changes, which speaks of few certificates, whether it says so critically or not.
const DELTA_LIST_OID: &str = "2.5.29.27";
/// RFC 5280 section 5.2.3: at most 20 octets.
const MAX_NUMBER_BITS: u64 = 160;

/// Whose certificates a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Holders {
    /// Everybody's.
    All,
    /// `onlyContainsUserCerts`.
    EndEntities,
    /// `onlyContainsCACerts`.
    Authorities,
}

/// Of which certificates a list speaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListScope {
    indirect: bool,
    holders: Holders,
    /// The URLs of `distributionPoint`; empty if it names none. Indirect lists of several
    /// points are parts of one, and none takes another's place.
    points: BTreeSet<String>,
}

/// A list of the same identity takes the place of an older one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListIdentity {
    issuer: Name,
    /// SHA-256 of the signer's key, in hexadecimal: an authority that changed its key may
    /// go on publishing a list for the certificates of each.
    signer: String,
    scope: ListScope,
}

/// How old a list is: of two with one identity, the greater is the newer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListAge {
    this_update: UnixTime,
    /// CRLNumber (section 5.2.3), which orders lists of one second.
    number: Option<ListNumber>,
}

/// A CRLNumber: how many hexadecimal digits it has, and the digits, so that it is ordered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct ListNumber(usize, String);

impl ListScope {
    /// Reads the list's extensions.
    ///
    /// # Errors
    /// The identifier of an extension that is not understood, though it is critical or
    /// says what the list is about: one of some reasons, of attribute certificates, or of
    /// a distribution point that is no URL tells less than it seems to.
    pub(super) fn of(list: &CertificateRevocationList<'_>) -> Result<Self, String> {
        let mut scope = Self {
            indirect: false,
            holders: Holders::All,
            points: BTreeSet::new(),
        };
        let mut seen = BTreeSet::new();
        for extension in list.extensions() {
            let oid = extension.oid.to_id_string();
            if !seen.insert(oid.clone()) {
                return Err(oid);
            }
            match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(point) => {
                    scope = Self::of_point(point).ok_or(oid)?;
                }
                ParsedExtension::AuthorityKeyIdentifier(_) => {}
                ParsedExtension::CRLNumber(number) if number.bits() <= MAX_NUMBER_BITS => {}
                ParsedExtension::CRLNumber(_) => return Err(oid),
                // Unreadable, it might have been the one that makes the list indirect.
                _ if extension.critical
                    || oid == ISSUING_DISTRIBUTION_POINT_OID
                    || oid == DELTA_LIST_OID =>
                {
                    return Err(oid);
                }
                _ => {}
            }
        }
        Ok(scope)
    }

    fn of_point(point: &IssuingDistributionPoint<'_>) -> Option<Self> {
        if point.only_some_reasons.is_some() || point.only_contains_attribute_certs {
            return None;
        }
        let holders = match (point.only_contains_user_certs, point.only_contains_ca_certs) {
            (false, false) => Holders::All,
            (true, false) => Holders::EndEntities,
            (false, true) => Holders::Authorities,
            (true, true) => return None,
        };
        let points = point.distribution_point.as_ref();
        let points = points.map_or(Some(BTreeSet::new()), urls)?;
        Some(Self {
            indirect: point.indirect_crl,
            holders,
            points,
        })
    }

    pub(super) const fn is_indirect(&self) -> bool {
        self.indirect
    }
}

impl ListIdentity {
    pub(super) const fn new(issuer: Name, signer: String, scope: ListScope) -> Self {
        Self {
            issuer,
            signer,
            scope,
        }
    }

    /// True when the list names the issuer of every certificate that it revokes, and so
    /// speaks for authorities besides its own issuer.
    #[must_use]
    pub const fn is_indirect(&self) -> bool {
        self.scope.indirect
    }

    pub(super) fn is_signed_with(&self, key: &str) -> bool {
        self.signer == key
    }

    /// True when both lists are parts of one indirect list, which has a list for each of
    /// several distribution points.
    pub(super) fn is_part_with(&self, other: &Self) -> bool {
        let is_part =
            |identity: &Self| identity.scope.indirect && !identity.scope.points.is_empty();
        let same = self.issuer == other.issuer && self.signer == other.signer;
        is_part(self) && is_part(other) && same
    }

    /// True when the list would name `certificate` if it were revoked. An indirect list
    /// speaks of every certificate, wherever that says that lists are: which authorities it
    /// serves it says only by revoking.
    pub(super) fn covers(&self, certificate: &Certificate) -> bool {
        let is_authority = certificate.basic_constraints.is_some_and(|basic| basic.ca);
        let holder_is_meant = match self.scope.holders {
            Holders::All => true,
            Holders::EndEntities => !is_authority,
            Holders::Authorities => is_authority,
        };
        let points = &self.scope.points;
        let own = || {
            let named = &certificate.distribution_points;
            self.issuer == certificate.issuer
                && (points.is_empty() || named.iter().any(|url| points.contains(url)))
        };
        holder_is_meant && (self.scope.indirect || own())
    }
}

impl ListAge {
    pub(super) fn of(list: &CertificateRevocationList<'_>, this_update: UnixTime) -> Self {
        let number = list.crl_number().map(|number| {
            let digits = number.to_str_radix(16);
            ListNumber(digits.len(), digits)
        });
        Self {
            this_update,
            number,
        }
    }

    /// When the list was made.
    #[must_use]
    pub const fn this_update(&self) -> UnixTime {
        self.this_update
    }
}
