//! The JWT that proves, with a request for tokens, for which STIR subject it is
//! made (docs/protocol.md section 2). Not here: judging the certificate's chain
//! (`stir`), and how many tokens a subject may have (the issuer's quota).
//!
//! The checks stand in the protocol's order, and the types keep it:
//! [`UnverifiedAttestation`] (form) → [`CurrentAttestation`] (audience and time) →
//! the caller judges the chain → [`Attested`] (subject, signature, digest).

use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use pennyblack_base::authority::Authority;
use pennyblack_base::clock_tolerance;
use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::{
    self, CertificateReference, ClaimError, JoseHeader, JwsError, StirSigningKey, UnverifiedJws,
};
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_stir::{Coverage, CoverageError, TnAuthList, VerifiedChain};

/// Longest attestation, in bytes, as of key records. Three certificates of 800 bytes, which
/// real ones have, take 4,300 of them.
pub const MAX_ATTESTATION_SIZE: usize = 12 * 1024;

/// The longest life of an attestation, from `iat` to `exp`.
pub const MAX_LIFETIME: Duration = Duration::from_secs(300);

/// How far ahead of ours the clock may be by which `iat` was written.
pub const MAX_CLOCK_SKEW: Duration = clock_tolerance::ATTESTATION;

/// The `action` of an attestation: it is good for drawing tokens, nothing else.
const ACTION: &str = "issue";

const DIGEST_PREFIX: &str = "sha256-";

/// Why an attestation is not accepted, in the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// The `Authorization` header is not `Bearer` and a token.
    #[error("the Authorization header is not \"Bearer\" and a JWT")]
    NotBearer,
    /// Longer than any honest one.
    #[error(
        "the attestation has {0} bytes, at most {MAX_ATTESTATION_SIZE} are read; send only the \
         certificates between the leaf and the root"
    )]
    TooLong(usize),
    /// Not a compact ES256 JWS.
    #[error("the attestation is malformed: {0}")]
    Jws(#[from] JwsError),
    /// A token of another kind, such as a PASSporT.
    #[error("\"typ\" is {0:?}; an attestation has \"JWT\" or none")]
    Type(String),
    /// Neither `x5c` nor `x5u`.
    #[error("the attestation brings no certificate; put in x5c or x5u")]
    NoCertificate,
    /// A claim is missing or of the wrong type.
    #[error("the attestation is malformed: {0}")]
    Claim(#[from] ClaimError),
    /// `jti` is not a UUID.
    #[error("\"jti\" is {0:?}, it must be a UUID")]
    Jti(String),
    /// The JWT was made for something else.
    #[error("\"action\" is {0:?}, it must be {ACTION:?}")]
    Action(String),
    /// `request` is not a digest.
    #[error("\"request\" is {0:?}, it must be \"sha256-\" and the standard base64 of 32 bytes")]
    DigestForm(String),
    /// The JWT was made for another issuer.
    #[error("\"aud\" is {found:?}, this issuer is {expected}")]
    Audience {
        /// Who this is.
        expected: Authority,
        /// Whom it was made for.
        found: String,
    },
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
    #[error("expired at {exp}, the time is {now}; make a fresh one for each request")]
    Expired {
        /// Its end.
        exp: UnixTime,
        /// The time here.
        now: UnixTime,
    },
    /// The certificate's TNAuthList does not have the issuer of the JWT.
    #[error("\"iss\" is {iss:?}, the certificate speaks for {certificate}")]
    Subject {
        /// The subject that the JWT names.
        iss: String,
        /// What the certificate covers.
        certificate: TnAuthList,
    },
    /// Not signed by the key in the certificate.
    #[error("{0}")]
    Signature(JwsError),
    /// Made for another body.
    #[error("\"request\" is the digest of another body than this")]
    OtherBody,
    /// The highest certificate covers more than is counted.
    #[error("{0}")]
    Coverage(#[from] CoverageError),
}

/// True when the leaf's own list has `iss`, an SPC in whatever case or a telephone number by
/// containment, and the list from which the leaf's comes has it, too.
fn speaks_for(iss: &str, chain: &VerifiedChain) -> bool {
    let (own, grant) = (chain.tn_auth_list(), chain.grant());
    if let Some(spc) = own.spcs().find(|spc| spc.is_spelled(iss)) {
        return grant.covers_spc(spc);
    }
    let number = iss.parse::<TelephoneNumber>();
    number.is_ok_and(|number| own.covers(&number) && grant.covers(&number))
}

/// What to attest.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The SPC or telephone number on whose behalf tokens are drawn.
    pub iss: &'a str,
    /// The issuer that is asked.
    pub audience: &'a Authority,
    /// The whole body of the request.
    pub body: &'a [u8],
    /// The time.
    pub now: UnixTime,
    /// How long the JWT is to be valid; at most [`MAX_LIFETIME`] is used.
    pub lifetime: Duration,
}

impl Statement<'_> {
    /// Signs the statement under a fresh random `jti`.
    #[must_use]
    pub fn sign(&self, certificate: &CertificateReference, key: &StirSigningKey) -> String {
        let header = JoseHeader {
            typ: Some("JWT".to_owned()),
            ppt: None,
            certificate: Some(certificate.clone()),
        };
        let claims = json!({
            "action": ACTION,
            "aud": self.audience,
            "exp": self.now.plus(self.lifetime.min(MAX_LIFETIME)),
            "iat": self.now,
            "iss": self.iss,
            "jti": Uuid::new_v4().to_string(),
            "request": digest_text(self.body),
        });
        jws::sign(&header, into_object(claims), key)
    }
}

fn into_object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn digest_text(body: &[u8]) -> String {
    format!(
        "{DIGEST_PREFIX}{}",
        encoding::base64_standard(&encoding::sha256(body))
    )
}

/// An attestation of the right form; nothing in it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedAttestation {
    jws: UnverifiedJws,
    certificate: CertificateReference,
    iat: UnixTime,
    exp: UnixTime,
    jti: Uuid,
    aud: String,
    iss: String,
    request: [u8; 32],
}

impl UnverifiedAttestation {
    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// [`AttestationError::NotBearer`], and those of [`Self::parse`].
    pub fn from_authorization(value: &str) -> Result<Self, AttestationError> {
        match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Self::parse(token.trim_matches(' '))
            }
            _ => Err(AttestationError::NotBearer),
        }
    }

    /// Reads the JWT.
    ///
    /// # Errors
    /// [`AttestationError`] from `TooLong` to `DigestForm`.
    pub fn parse(token: &str) -> Result<Self, AttestationError> {
        if token.len() > MAX_ATTESTATION_SIZE {
            return Err(AttestationError::TooLong(token.len()));
        }
        let jws = UnverifiedJws::parse(token)?;
        if let Some(typ) = &jws.header().typ
            && !typ.eq_ignore_ascii_case("JWT")
        {
            return Err(AttestationError::Type(typ.clone()));
        }
        let certificate = jws.header().certificate.clone();
        let certificate = certificate.ok_or(AttestationError::NoCertificate)?;
        let mut claims = jws.claims()?;
        let action = claims.take_string("action")?;
        if action != ACTION {
            return Err(AttestationError::Action(action));
        }
        Ok(Self {
            certificate,
            iat: claims.take_time("iat")?,
            exp: claims.take_time("exp")?,
            jti: parse_jti(claims.take_string("jti")?)?,
            aud: claims.take_string("aud")?,
            iss: claims.take_string("iss")?,
            request: parse_digest(claims.take_string("request")?)?,
            jws,
        })
    }

    /// Checks that it is for `audience`, and valid at `now`.
    ///
    /// # Errors
    /// [`AttestationError`] from `Audience` to `Expired`.
    pub fn check_current(
        self,
        audience: &Authority,
        now: UnixTime,
    ) -> Result<CurrentAttestation, AttestationError> {
        if self.aud.parse().as_ref() != Ok(audience) {
            return Err(AttestationError::Audience {
                expected: audience.clone(),
                found: self.aud,
            });
        }
        let (iat, exp) = (self.iat, self.exp);
        if exp <= iat || exp.since(iat) > MAX_LIFETIME {
            return Err(AttestationError::Lifetime { iat, exp });
        }
        if iat > now.plus(MAX_CLOCK_SKEW) {
            return Err(AttestationError::NotYetValid { iat, now });
        }
        if exp <= now {
            return Err(AttestationError::Expired { exp, now });
        }
        Ok(CurrentAttestation(self))
    }
}

/// An attestation for this issuer and this time, by whom it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentAttestation(UnverifiedAttestation);

impl CurrentAttestation {
    /// Where the certificate is whose chain must now be judged.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateReference {
        &self.0.certificate
    }

    /// Checks subject, signature and digest. `chain` is what [`Self::certificate`]
    /// led to, judged at the present time, with revocation.
    ///
    /// # Errors
    /// [`AttestationError::Subject`], [`AttestationError::Signature`],
    /// [`AttestationError::OtherBody`] and [`AttestationError::Coverage`], in this order.
    pub fn verify(self, chain: &VerifiedChain, body: &[u8]) -> Result<Attested, AttestationError> {
        let Self(attestation) = self;
        if !speaks_for(&attestation.iss, chain) {
            return Err(AttestationError::Subject {
                iss: attestation.iss,
                certificate: chain.tn_auth_list().clone(),
            });
        }
        attestation
            .jws
            .verify(chain.public_key())
            .map_err(AttestationError::Signature)?;
        let body_digest = encoding::sha256(body);
        if attestation.request != body_digest {
            return Err(AttestationError::OtherBody);
        }
        Ok(Attested {
            subject: Coverage::of(chain.grant())?,
            body_digest,
            jti: attestation.jti,
            exp: attestation.exp,
        })
    }
}

/// Proof that the holder of a STIR key asks for tokens with exactly one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    subject: Coverage,
    body_digest: [u8; 32],
    jti: Uuid,
    exp: UnixTime,
}

impl Attested {
    /// On whose behalf: all that the highest certificate of the path with a TNAuthList
    /// covers, whichever part of it is acted for, and however its holder has cut it up
    /// among delegates (RFC 9060). Otherwise each entry, and each certificate that the
    /// holder makes, would have a quota of its own.
    #[must_use]
    pub const fn subject(&self) -> &Coverage {
        &self.subject
    }

    /// SHA-256 of the request's body: with the subject, what a repetition of a
    /// request is recognized by.
    #[must_use]
    pub const fn body_digest(&self) -> &[u8; 32] {
        &self.body_digest
    }

    /// The JWT's identifier.
    #[must_use]
    pub const fn jti(&self) -> Uuid {
        self.jti
    }

    /// When the JWT expires.
    #[must_use]
    pub const fn exp(&self) -> UnixTime {
        self.exp
    }
}

fn parse_jti(text: String) -> Result<Uuid, AttestationError> {
    Uuid::try_parse(&text).map_err(|_| AttestationError::Jti(text))
}

fn parse_digest(text: String) -> Result<[u8; 32], AttestationError> {
    let encoded = text.strip_prefix(DIGEST_PREFIX);
    let bytes = encoded.and_then(|encoded| encoding::from_base64_standard(encoded).ok());
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(AttestationError::DigestForm(text))
}

#[cfg(test)]
mod tests;
