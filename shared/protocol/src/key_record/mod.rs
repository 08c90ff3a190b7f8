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
//! ```

mod coverage;
mod look_up;

use std::time::Duration;

use serde_json::{Map, Value, json};

pub use coverage::Coverage;
use coverage::{authorized_numbers, take_coverage};
pub use look_up::{KEY_RECORD_LIST_MEDIA_TYPE, KEYS_PATH, KeyRecordList, MAX_LIST_SIZE};
use pennyblack_base::cps_uri::{CpsUri, CpsUriError};

use pennyblack_base::time::UnixTime;
use pennyblack_sealing::mailbox::{KeyConfig, KeyError, MailboxId};
use pennyblack_stir::jws::{
    self, CertificateReference, ClaimError, ClaimSet, JoseHeader, JwsError, StirSigningKey,
    UnverifiedJws,
};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use pennyblack_stir::{TnAuthList, VerifiedChain};

/// The media type of a key record on its own.
pub const KEY_RECORD_MEDIA_TYPE: &str = "application/vnd.pennyblack.key-record+jwt";

/// The longest life of a key record. It is short because a record outlives the
/// revocation of its certificate by as much.
pub const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How far ahead of ours the clock may be by which `iat` was written.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

const TYP: &str = "pennyblack-key";

/// Why a key record is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRecordError {
    /// Not a compact ES256 JWS.
    #[error("the key record is malformed: {0}")]
    Jws(#[from] JwsError),
    /// A token of another kind.
    #[error("\"typ\" is {0:?}, a key record's is {TYP:?}")]
    Type(Option<String>),
    /// Neither `x5c` nor `x5u`.
    #[error("the key record brings no certificate; put in x5c")]
    NoCertificate,
    /// A claim is missing or of the wrong type.
    #[error("the key record is malformed: {0}")]
    Claim(#[from] ClaimError),
    /// Not exactly one of `tn`, `range` and `spc`.
    #[error("a key record has exactly one of \"tn\", \"range\" and \"spc\"")]
    NotOneCoverage,
    /// `tn`, `range` or `spc` is not one in canonical form.
    #[error("\"{claim}\" is {value:?}, which is not valid in canonical form")]
    Coverage {
        /// Which claim.
        claim: &'static str,
        /// What stands there.
        value: String,
    },
    /// `hpke` is not a key configuration.
    #[error("\"hpke\": {0}")]
    Key(#[from] KeyError),
    /// `cps` is not the address of a CPS.
    #[error("\"cps\": {0}")]
    Cps(#[from] CpsUriError),
    /// `exp` is not after `iat`, or too long after it.
    #[error(
        "valid from {iat} to {exp}; it must be valid for 1 to {} seconds",
        MAX_LIFETIME.as_secs()
    )]
    Lifetime {
        /// Its beginning.
        iat: UnixTime,
        /// Its end.
        exp: UnixTime,
    },
    /// Made in the future.
    #[error("made at {iat}, the time is {now}; set the clock")]
    NotYetValid {
        /// When it says it was made.
        iat: UnixTime,
        /// The time here.
        now: UnixTime,
    },
    /// Past its end.
    #[error("expired at {exp}, the time is {now}; sign a fresh one")]
    Expired {
        /// Its end.
        exp: UnixTime,
        /// The time here.
        now: UnixTime,
    },
    /// The certificate's TNAuthList does not have the issuer of the record.
    #[error("\"iss\" is {iss:?}, the certificate speaks for {certificate}")]
    Issuer {
        /// The SPC or number that the record names.
        iss: String,
        /// What the certificate covers.
        certificate: TnAuthList,
    },
    /// The certificate has an SPC and no numbers, and there is no table that
    /// says which numbers the SPC holds.
    #[error(
        "the certificate speaks for {certificate}, and no numbering table here says whether \
         {coverage} is held by it"
    )]
    NoNumberingTable {
        /// What the record wants to answer for.
        coverage: Coverage,
        /// What the certificate covers.
        certificate: TnAuthList,
    },
    /// Neither the certificate nor the numbering table gives it these numbers.
    #[error("the certificate speaks for {certificate}, which does not hold {coverage}")]
    NotHeld {
        /// What the record wants to answer for.
        coverage: Coverage,
        /// What the certificate covers.
        certificate: TnAuthList,
    },
    /// Not signed by the key in the certificate.
    #[error("{0}")]
    Signature(JwsError),
}

/// What a recipient publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// When it was made.
    pub iat: UnixTime,
    /// When it ends; at most [`MAX_LIFETIME`] after `iat`.
    pub exp: UnixTime,
    /// The SPC or telephone number of the certificate by which it is signed.
    pub iss: String,
    /// What it answers for.
    pub coverage: Coverage,
    /// The key to seal to.
    pub key: KeyConfig,
    /// The CPS to store at.
    pub cps: CpsUri,
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
        let claims = [
            ("iat", json!(self.iat)),
            ("exp", json!(self.exp)),
            ("iss", json!(self.iss)),
            (claim, coverage),
            ("hpke", json!(self.key.to_string())),
            ("cps", json!(self.cps.to_string())),
        ];
        claims
            .into_iter()
            .map(|(claim, value)| (claim.to_owned(), value))
            .collect()
    }

    fn parse(mut claims: ClaimSet) -> Result<Self, KeyRecordError> {
        Ok(Self {
            iat: claims.take_time("iat")?,
            exp: claims.take_time("exp")?,
            iss: claims.take_string("iss")?,
            coverage: take_coverage(&mut claims)?,
            key: claims.take_string("hpke")?.parse()?,
            cps: claims.take_string("cps")?.parse()?,
        })
    }

    /// Checks its time, which costs less than anything else about it.
    ///
    /// # Errors
    /// [`KeyRecordError`] from `Lifetime` to `Expired`.
    pub fn check_time(&self, now: UnixTime) -> Result<(), KeyRecordError> {
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
    /// [`KeyRecordError`] from `Jws` to `Cps`.
    pub fn parse(token: &str) -> Result<Self, KeyRecordError> {
        let jws = UnverifiedJws::parse(token)?;
        if jws.header().typ.as_deref() != Some(TYP) {
            return Err(KeyRecordError::Type(jws.header().typ.clone()));
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
        self.jws
            .verify(chain.public_key())
            .map_err(KeyRecordError::Signature)?;
        Ok(VerifiedKeyRecord {
            token: self.jws.as_str().into(),
            record: self.record,
            numbers,
        })
    }

    fn check_issuer(&self, list: &TnAuthList) -> Result<(), KeyRecordError> {
        let iss = &self.record.iss;
        let speaks_for = list.spcs().any(|spc| spc.as_str() == iss)
            || iss
                .parse()
                .is_ok_and(|number: TelephoneNumber| list.covers(&number));
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

    /// The CPS to store at.
    #[must_use]
    pub const fn cps(&self) -> &CpsUri {
        &self.record.cps
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

#[cfg(test)]
mod tests;
