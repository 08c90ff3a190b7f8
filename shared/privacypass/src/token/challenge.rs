//! TokenChallenge (RFC 9577 section 2.1): what a token is good for.

use super::{ChallengeDigest, TokenType};
use pennyblack_base::authority::Authority;
use pennyblack_base::encoding;
use pennyblack_base::wire::{Reader, WireError, put_vec_u16};

/// Bytes that are not a challenge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// Too few bytes, or some left over.
    #[error("token challenge: {0}")]
    Form(#[from] WireError),
    /// A redemption context is empty or 32 bytes.
    #[error("a redemption context has 0 or 32 bytes, not {0}")]
    RedemptionContext(usize),
    /// An issuer without a name.
    #[error("the issuer name is empty")]
    NoIssuer,
    /// Not one CPS, and not empty: no challenge of ours.
    #[error("the origin is neither empty nor the authority of one CPS")]
    Origin,
    /// Names are ASCII.
    #[error("{0} is not ASCII text")]
    NotAscii(&'static str),
}

/// A challenge: token type, issuer, context, and the origins that will take the
/// token.
///
/// ```text
/// struct {
///   uint16 token_type;
///   opaque issuer_name<1..2^16-1>;
///   opaque redemption_context<0..32>;
///   opaque origin_info<0..2^16-1>;
/// } TokenChallenge;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenChallenge {
    token_type: TokenType,
    issuer_name: String,
    redemption_context: Option<[u8; 32]>,
    origin_info: String,
}

impl TokenChallenge {
    /// The challenge of a CPS's own tokens (docs/protocol.md section 2.2): no redemption
    /// context, so that tokens can be drawn ahead of calls, and the CPS as the
    /// only origin.
    #[must_use]
    pub fn of_cps(token_type: TokenType, issuer: &Authority, cps: &Authority) -> Self {
        Self {
            token_type,
            issuer_name: issuer.as_str().to_owned(),
            redemption_context: None,
            origin_info: cps.as_str().to_owned(),
        }
    }

    /// The challenge of a federation's tokens: the same without an origin. Its type is the
    /// one that each CPS can verify, and none can make.
    #[must_use]
    pub fn of_federation(issuer: &Authority) -> Self {
        Self {
            token_type: TokenType::BLIND_RSA_2048,
            issuer_name: issuer.as_str().to_owned(),
            redemption_context: None,
            origin_info: String::new(),
        }
    }

    /// Parses an encoding; every byte must belong to it.
    ///
    /// # Errors
    /// [`ChallengeError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ChallengeError> {
        let mut reader = Reader::new(bytes);
        let token_type = TokenType(reader.u16()?);
        let issuer_name = ascii("the issuer name", reader.vec_u16()?)?;
        let context = reader.vec_u8()?;
        let redemption_context = match (context.len(), <[u8; 32]>::try_from(context)) {
            (0, _) => None,
            (_, Ok(context)) => Some(context),
            (length, Err(_)) => return Err(ChallengeError::RedemptionContext(length)),
        };
        let origin_info = ascii("the origin", reader.vec_u16()?)?;
        reader.finish()?;
        if issuer_name.is_empty() {
            return Err(ChallengeError::NoIssuer);
        }
        Ok(Self {
            token_type,
            issuer_name,
            redemption_context,
            origin_info,
        })
    }

    /// The encoding. The two names are shorter than 2^16 bytes: they came from
    /// an [`Authority`] or from a 16-bit length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let context = self.redemption_context.as_ref().map_or(&[][..], |c| c);
        let mut out = self.token_type.0.to_be_bytes().to_vec();
        put_vec_u16(&mut out, self.issuer_name.as_bytes());
        out.push(if context.is_empty() { 0 } else { 32 });
        out.extend_from_slice(context);
        put_vec_u16(&mut out, self.origin_info.as_bytes());
        out
    }

    /// SHA-256 of the encoding.
    #[must_use]
    pub fn digest(&self) -> ChallengeDigest {
        ChallengeDigest(encoding::sha256(&self.to_bytes()))
    }

    /// The token type asked for.
    #[must_use]
    pub const fn token_type(&self) -> TokenType {
        self.token_type
    }

    /// The issuer's authority.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// What ties tokens to one occasion; `None` for tokens drawn ahead.
    #[must_use]
    pub const fn redemption_context(&self) -> Option<&[u8; 32]> {
        self.redemption_context.as_ref()
    }

    /// The authorities that take the token, comma-separated; empty for any.
    #[must_use]
    pub fn origin_info(&self) -> &str {
        &self.origin_info
    }
}

fn ascii(what: &'static str, bytes: &[u8]) -> Result<String, ChallengeError> {
    match str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Ok(text.to_owned()),
        _ => Err(ChallengeError::NotAscii(what)),
    }
}
