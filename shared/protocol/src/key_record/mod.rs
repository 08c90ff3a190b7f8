//! What a recipient publishes so that OOB-ASs can seal to it: an HPKE key, the
//! numbers it answers for and the CPS to use, signed by its STIR certificate
//! (docs/protocol.md section 5). Not here: the key itself (`mailbox`), and where
//! records are kept and looked up.
//!
//! A key record is a compact ES256 JWS with `typ` = `pennyblack-key` and `x5c`
//! or `x5u`, and these claims:
//!
//! ```text
//! iat, exp   whole seconds; at most 7 days apart
//! iss        the SPC or telephone number that signs; in the TNAuthList
//! one of     tn: "12155550100"
//!            range: {"start": "12155550100", "count": 100}
//!            spc: "683G"
//! hpke       the key configuration (`KeyConfig`), unpadded base64url
//! cps        "https://cps.example.net"
//! more_cps   ["https://cps-b.example.net", …], one or two more; may be left out
//! copies     how many of these get a copy; all of them if it is left out
//! ```
//!
//! Nothing else: a record has at most [`MAX_KEY_RECORD_SIZE`] bytes, no other claims and no
//! other header parameters.

mod agreement;
mod authority;
mod claims;
mod coverage;
mod error;
mod grant;
mod look_up;
mod placement;

use std::time::Duration;

use serde_json::{Map, Value, json};

pub use agreement::{
    MAX_CLOCK_DIFFERENCE, MAX_ENTRY_LIFETIME, is_polled, newest_of_each, seals_to_key, takes_stores,
};
use authority::authorized_numbers;
use claims::{refuse_rest, take_coverage, take_issuer, take_placement};
pub use coverage::Coverage;
pub use error::KeyRecordError;
pub use grant::{Breadth, Grant, SPC_NUMBERS, width_of};
pub use look_up::{
    KEY_RECORD_LIST_MEDIA_TYPE, KEYS_PATH, KeyRecordList, MAX_LIST_SIZE, MAX_PAGE_BYTES,
    MAX_PAGE_RECORDS, MAX_RECORDS_OF_BLOCK, MAX_RECORDS_OF_LIST, MAX_RECORDS_OF_NUMBER,
    PAGE_MAX_AGE, PAGE_SIZES, padded_page_size,
};
pub use placement::{MAX_CPSS, Placement, PlacementError};

use pennyblack_base::clock_tolerance;
use pennyblack_base::time::UnixTime;
use pennyblack_sealing::mailbox::{KeyConfig, MailboxId};
use pennyblack_stir::jws::{
    self, CertificateReference, ClaimSet, JoseHeader, StirSigningKey, UnverifiedJws,
};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use pennyblack_stir::{TnAuthList, VerifiedChain};

/// The media type of a key record on its own.
pub const KEY_RECORD_MEDIA_TYPE: &str = "application/vnd.pennyblack.key-record+jwt";

/// The longest life of a key record. It is short because a record outlives the
/// revocation of its certificate by as much.
pub const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Most bytes of a key record. One with two certificates of common size (733 bytes) has
/// 3.2 kB; one with an X-Wing key and three of the largest in the field (1,245) 9.9 kB.
pub const MAX_KEY_RECORD_SIZE: usize = 12 * 1024;

/// How far ahead of ours the clock may be by which `iat` was written.
pub const MAX_CLOCK_SKEW: Duration = clock_tolerance::KEY_RECORD;

const TYP: &str = "pennyblack-key";

/// What a recipient publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// When it was made.
    pub iat: UnixTime,
    /// When it ends; at most [`MAX_LIFETIME`] after `iat`.
    pub exp: UnixTime,
    /// The SPC, in upper case once it is parsed, or telephone number of the certificate by
    /// which it is signed.
    pub iss: String,
    /// What it answers for.
    pub coverage: Coverage,
    /// The key to seal to.
    pub key: KeyConfig,
    /// The CPSs to store at.
    pub placement: Placement,
}

impl KeyRecord {
    /// Signs it.
    #[must_use]
    pub fn sign(&self, certificate: &CertificateReference, key: &StirSigningKey) -> String {
        let header = JoseHeader {
            typ: Some(TYP.to_owned()),
            ppt: None,
            certificate: Some(certificate.clone()),
        };
        jws::sign(&header, self.to_json(), key)
    }

    fn to_json(&self) -> Map<String, Value> {
        let (claim, coverage) = self.coverage.to_claim();
        let placement = &self.placement;
        let more: Vec<_> = placement.more().iter().map(ToString::to_string).collect();
        let claims = [
            ("iat", json!(self.iat)),
            ("exp", json!(self.exp)),
            ("iss", json!(self.iss)),
            (claim, coverage),
            ("hpke", json!(self.key.to_string())),
            ("cps", json!(placement.first().to_string())),
        ];
        let more = (!more.is_empty()).then(|| ("more_cps", json!(more)));
        let copies = (!placement.is_everywhere()).then(|| ("copies", json!(placement.copies())));
        claims
            .into_iter()
            .chain(more)
            .chain(copies)
            .map(|(claim, value)| (claim.to_owned(), value))
            .collect()
    }

    fn parse(mut claims: ClaimSet) -> Result<Self, KeyRecordError> {
        let record = Self {
            iat: claims.take_time("iat")?,
            exp: claims.take_time("exp")?,
            iss: take_issuer(&mut claims)?,
            coverage: take_coverage(&mut claims)?,
            key: claims.take_string("hpke")?.parse()?,
            placement: take_placement(&mut claims)?,
        };
        refuse_rest(claims)?;
        Ok(record)
    }

    fn check_time(&self, now: UnixTime) -> Result<(), KeyRecordError> {
        let (iat, exp) = (self.iat, self.exp);
        if exp <= iat || exp.since(iat) > MAX_LIFETIME {
            return Err(KeyRecordError::Lifetime { iat, exp });
        }
        if iat > now.plus(MAX_CLOCK_SKEW) {
            return Err(KeyRecordError::NotYetValid { iat, now });
        }
        if exp <= now {
            return Err(KeyRecordError::Expired { exp, now });
        }
        Ok(())
    }
}

/// A key record of the right form that nobody has checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedKeyRecord {
    jws: UnverifiedJws,
    certificate: CertificateReference,
    record: KeyRecord,
}

impl UnverifiedKeyRecord {
    /// Parses the JWS.
    ///
    /// # Errors
    /// [`KeyRecordError`] from `TooLong` to `Placement`.
    pub fn parse(token: &str) -> Result<Self, KeyRecordError> {
        if token.len() > MAX_KEY_RECORD_SIZE {
            return Err(KeyRecordError::TooLong(token.len()));
        }
        let jws = UnverifiedJws::parse(token)?;
        if jws.header().typ.as_deref() != Some(TYP) {
            return Err(KeyRecordError::Type(jws.header().typ.clone()));
        }
        let ppt = jws.header().ppt.as_ref().map(|_| "ppt");
        if let Some(parameter) = ppt.or_else(|| jws.unknown_parameter()) {
            return Err(KeyRecordError::UnknownParameter(parameter.to_owned()));
        }
        let certificate = jws.header().certificate.clone();
        Ok(Self {
            certificate: certificate.ok_or(KeyRecordError::NoCertificate)?,
            record: KeyRecord::parse(jws.claims()?)?,
            jws,
        })
    }

    /// Where the certificate is whose chain must be judged.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateReference {
        &self.certificate
    }

    /// What it claims.
    #[must_use]
    pub const fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.jws.as_str()
    }

    /// Checks the time alone, which [`Self::verify`] does too: it costs less than anything
    /// else, and above all than the certificate.
    ///
    /// # Errors
    /// [`KeyRecordError`] from `Lifetime` to `Expired`.
    pub fn check_time(&self, now: UnixTime) -> Result<(), KeyRecordError> {
        self.record.check_time(now)
    }

    /// Checks time, authority and signature. `chain` is what
    /// [`Self::certificate`] led to, judged at `now`, with revocation.
    ///
    /// Numbers in the certificate are authority by themselves. An SPC is
    /// authority for what `numbering` says that it holds, and for nothing
    /// without it.
    ///
    /// # Errors
    /// [`KeyRecordError`] from `Lifetime` to `Signature`.
    pub fn verify(
        self,
        chain: &VerifiedChain,
        numbering: Option<&NumberingTable>,
        now: UnixTime,
    ) -> Result<VerifiedKeyRecord, KeyRecordError> {
        self.record.check_time(now)?;
        let list = chain.tn_auth_list();
        self.check_issuer(list)?;
        let numbers = authorized_numbers(&self.record.coverage, list, numbering)?;
        let grant = Grant::of(chain)?;
        self.jws
            .verify(chain.public_key())
            .map_err(KeyRecordError::Signature)?;
        Ok(VerifiedKeyRecord {
            token: self.jws.as_str().into(),
            record: self.record,
            numbers,
            grant,
        })
    }

    fn check_issuer(&self, list: &TnAuthList) -> Result<(), KeyRecordError> {
        let iss = &self.record.iss;
        let speaks_for = list.spcs().any(|spc| spc.is_spelled(iss))
            || TelephoneNumber::from_canonical(iss).is_ok_and(|number| list.covers(&number));
        if speaks_for {
            return Ok(());
        }
        Err(KeyRecordError::Issuer {
            iss: iss.clone(),
            certificate: list.clone(),
        })
    }
}

/// A key record that its signer had the right to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedKeyRecord {
    token: Box<str>,
    record: KeyRecord,
    numbers: Vec<NumberRange>,
    grant: Grant,
}

impl VerifiedKeyRecord {
    /// What it says.
    #[must_use]
    pub const fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// The numbers that it answers for, as ranges; those of an `spc` record as
    /// the numbering table had them when it was verified.
    #[must_use]
    pub fn numbers(&self) -> &[NumberRange] {
        &self.numbers
    }

    /// What its certificate covers.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// How specific it is. The smallest comes first.
    #[must_use]
    pub fn breadth(&self) -> Breadth {
        let counts = self.numbers.iter().map(NumberRange::count);
        Breadth {
            signer: width_of(self.grant.signer()),
            highest: width_of(self.grant.highest()),
            record: counts.fold(0, u64::saturating_add),
        }
    }

    /// True when it answers for `number`.
    #[must_use]
    pub fn answers_for(&self, number: &TelephoneNumber) -> bool {
        self.numbers.iter().any(|range| range.contains(number))
    }

    /// The mailbox that its key opens.
    #[must_use]
    pub const fn mailbox(&self) -> MailboxId {
        self.record.key.mailbox()
    }

    /// The key to seal to.
    #[must_use]
    pub const fn key(&self) -> &KeyConfig {
        &self.record.key
    }

    /// The CPSs to store at.
    #[must_use]
    pub const fn placement(&self) -> &Placement {
        &self.record.placement
    }

    /// When it ends.
    #[must_use]
    pub const fn exp(&self) -> UnixTime {
        self.record.exp
    }

    /// The token, for others to verify by themselves.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.token
    }
}

impl AsRef<Self> for VerifiedKeyRecord {
    fn as_ref(&self) -> &Self {
        self
    }
}

#[cfg(test)]
mod tests;
