//! A double spend as evidence: two requests signed by one token's key, in a form
//! that anybody can check without trusting the CPS that reports it, and that
//! tells nobody which mailboxes they were for (docs/protocol.md section 7). Not
//! here: the log that publishes it.

mod record;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use record::SpendRecord;

use crate::spend::{Created, RequestDigest, SIGNATURE_SIZE, SpendSignature, SpendSignatureError};
use pennyblack_base::authority::{Authority, AuthorityError};
use pennyblack_base::encoding::{self, Base64Error};
use pennyblack_privacypass::token::{Nonce, Token, TokenError, TokenKeyId, TokenVerifyError};
use pennyblack_privacypass::token_key::TokenVerifier;

/// Longest line that is read as evidence. One has about 1,000 bytes.
const MAX_LINE_SIZE: usize = 2048;

/// What is reported of a double spend.
///
/// As text it is one line of JSON, all bytes in unpadded base64url, the two
/// requests in the order in which the CPS saw them:
///
/// ```json
/// {"token":"…354 bytes…","cps":"cps.example.net","requests":[
///   {"created":1795000000,"content_digest":"…32…","signature":"…64…"},
///   {"created":1794999990,"content_digest":"…32…","signature":"…64…"}]}
/// ```
///
/// Each signature covers the text of [`crate::spend::signature_base`]
/// for that `cps`, `content_digest` and `created`, under the Ed25519 key that is
/// bytes 2 to 33 of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubleSpendEvidence {
    /// The token, with the issuer's signature.
    pub token: Token,
    /// The CPS for which both requests were signed.
    pub cps: Authority,
    /// What was stored, and what came later.
    pub requests: [SpendRecord; 2],
}

/// A line that is not evidence in form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceFormError {
    /// Far longer than evidence is.
    #[error("evidence of {0} bytes: at most {MAX_LINE_SIZE} are read")]
    Size(usize),
    /// Not JSON, or not with these members.
    #[error("evidence: {0}")]
    Json(String),
    /// A value that is not base64url.
    #[error("evidence: {0}")]
    Text(#[from] Base64Error),
    /// Not a token.
    #[error("evidence: token: {0}")]
    Token(#[from] TokenError),
    /// Not an authority.
    #[error("evidence: cps: {0}")]
    Cps(#[from] AuthorityError),
    /// A digest or signature of the wrong size.
    #[error("evidence: {member} has {actual} bytes, not {expected}")]
    MemberSize {
        /// The member of the JSON object.
        member: &'static str,
        /// Bytes it must have.
        expected: usize,
        /// Bytes it had.
        actual: usize,
    },
}

/// Evidence that proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Both requests had the same content: a retry, which is allowed.
    #[error("both requests have the content digest {0}: a retry, not a double spend")]
    SameRequest(RequestDigest),
    /// The token is not the issuer's.
    #[error("token: {0}")]
    Token(#[from] TokenVerifyError),
    /// One of the two requests was not signed by the token's nonce.
    #[error("request {which}: {reason}")]
    Request {
        /// 0 for what was stored, 1 for what came later.
        which: usize,
        /// What was wrong with its signature.
        reason: SpendSignatureError,
    },
}

/// A double spend that was checked: made by [`DoubleSpendEvidence::verify`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenDoubleSpend {
    token_key_id: TokenKeyId,
    nonce: Nonce,
    cps: Authority,
}

impl ProvenDoubleSpend {
    /// The issuer's key that signed the token.
    #[must_use]
    pub const fn token_key_id(&self) -> TokenKeyId {
        self.token_key_id
    }

    /// The token's nonce, whose private half signed twice.
    #[must_use]
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The CPS at which it was spent twice.
    #[must_use]
    pub const fn cps(&self) -> &Authority {
        &self.cps
    }
}

impl DoubleSpendEvidence {
    /// Checks all of it: two different contents, the issuer's signature on the
    /// token under `key`, and the nonce's signature on both requests.
    ///
    /// # Errors
    /// [`EvidenceError`]; evidence that is refused accuses nobody.
    pub fn verify(&self, key: &TokenVerifier) -> Result<ProvenDoubleSpend, EvidenceError> {
        self.require_two_contents()?;
        let token = key.verify(self.token.clone())?;
        self.require_signatures()?;
        Ok(ProvenDoubleSpend {
            token_key_id: token.token_key_id(),
            nonce: token.nonce(),
            cps: self.cps.clone(),
        })
    }

    /// Checks what anybody can check of a token that only its issuer can verify (the
    /// VOPRF types): two different contents, and the nonce's signature on both
    /// requests. That the issuer has signed the token rests on the CPS's word then.
    ///
    /// # Errors
    /// [`EvidenceError`]; evidence that is refused accuses nobody.
    pub fn verify_requests(&self) -> Result<(), EvidenceError> {
        self.require_two_contents()?;
        self.require_signatures()
    }

    fn require_two_contents(&self) -> Result<(), EvidenceError> {
        let [stored, later] = &self.requests;
        if stored.digest == later.digest {
            return Err(EvidenceError::SameRequest(stored.digest));
        }
        Ok(())
    }

    fn require_signatures(&self) -> Result<(), EvidenceError> {
        for (which, request) in self.requests.iter().enumerate() {
            request
                .verify(&self.token.nonce, &self.cps)
                .map_err(|reason| EvidenceError::Request { which, reason })?;
        }
        Ok(())
    }

    /// The JSON form, one line without a line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let line = EvidenceJson {
            token: encoding::base64url(&self.token.to_bytes()),
            cps: self.cps.as_str().to_owned(),
            requests: self.requests.each_ref().map(RequestJson::from),
        };
        serde_json::json!(line).to_string()
    }
}

impl FromStr for DoubleSpendEvidence {
    type Err = EvidenceFormError;

    /// Parses the JSON form; unknown members are refused.
    fn from_str(line: &str) -> Result<Self, EvidenceFormError> {
        if line.len() > MAX_LINE_SIZE {
            return Err(EvidenceFormError::Size(line.len()));
        }
        let parsed: EvidenceJson = serde_json::from_str(line)
            .map_err(|error| EvidenceFormError::Json(error.to_string()))?;
        let [stored, later] = parsed.requests;
        Ok(Self {
            token: Token::parse(&encoding::from_base64url(&parsed.token)?)?,
            cps: parsed.cps.parse()?,
            requests: [stored.parse()?, later.parse()?],
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EvidenceJson {
    token: String,
    cps: String,
    requests: [RequestJson; 2],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestJson {
    created: u32,
    content_digest: String,
    signature: String,
}

impl From<&SpendRecord> for RequestJson {
    fn from(record: &SpendRecord) -> Self {
        Self {
            created: record.signature.created.0,
            content_digest: encoding::base64url(&record.digest.0),
            signature: encoding::base64url(&record.signature.signature),
        }
    }
}

impl RequestJson {
    fn parse(&self) -> Result<SpendRecord, EvidenceFormError> {
        Ok(SpendRecord {
            digest: RequestDigest(member::<32>("content_digest", &self.content_digest)?),
            signature: SpendSignature {
                created: Created(self.created),
                signature: member::<SIGNATURE_SIZE>("signature", &self.signature)?,
            },
        })
    }
}

fn member<const N: usize>(name: &'static str, text: &str) -> Result<[u8; N], EvidenceFormError> {
    let bytes = encoding::from_base64url(text)?;
    let actual = bytes.len();
    bytes.try_into().map_err(|_| EvidenceFormError::MemberSize {
        member: name,
        expected: N,
        actual,
    })
}
