//! Where the tokens of a challenge are good (docs/protocol.md section 2.2): at one CPS, or
//! once at each CPS of a federation. Not here: which of the two a CPS takes.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{ChallengeError, TokenChallenge, TokenType};
use pennyblack_base::authority::Authority;

/// Where tokens are good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TokenScope {
    /// Once, at this CPS: its *own* tokens.
    Cps(Authority),
    /// Once at each CPS that takes *federation tokens* of the issuer: RFC 9577's cross-origin
    /// tokens, whose `origin_info` is empty.
    Federation,
}

/// A token type that only the holders of the issuer's private key can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "federation tokens are verified by CPSs of several operators, and a CPS that can verify a token of \
     type {0} can make some: only blind RSA (0x0002) works for a federation; its issuer sets \
     token_keys.token_type to \"blind-rsa\""
)]
pub struct NotForFederations(pub TokenType);

impl TokenScope {
    /// The challenge of an issuer's tokens of this type and scope. It has no redemption
    /// context, so that tokens can be drawn ahead of calls.
    ///
    /// # Errors
    /// [`NotForFederations`].
    pub fn challenge(
        &self,
        token_type: TokenType,
        issuer: &Authority,
    ) -> Result<TokenChallenge, NotForFederations> {
        match self {
            Self::Cps(cps) => Ok(TokenChallenge::of_cps(token_type, issuer, cps)),
            Self::Federation if token_type.is_publicly_verifiable() => {
                Ok(TokenChallenge::of_federation(issuer))
            }
            Self::Federation => Err(NotForFederations(token_type)),
        }
    }

    /// The `origin_info` of its challenges: the CPS's authority, or nothing.
    #[must_use]
    pub fn origin_info(&self) -> &str {
        match self {
            Self::Cps(cps) => cps.as_str(),
            Self::Federation => "",
        }
    }

    /// The scope with this `origin_info`.
    ///
    /// # Errors
    /// [`ChallengeError::Origin`] for what is neither empty nor one CPS.
    pub fn of_origin_info(origin_info: &str) -> Result<Self, ChallengeError> {
        if origin_info.is_empty() {
            return Ok(Self::Federation);
        }
        let cps = origin_info.parse();
        cps.map(Self::Cps).map_err(|_| ChallengeError::Origin)
    }

    /// The CPS, if it is one alone.
    #[must_use]
    pub const fn cps(&self) -> Option<&Authority> {
        match self {
            Self::Cps(cps) => Some(cps),
            Self::Federation => None,
        }
    }
}

impl From<Authority> for TokenScope {
    fn from(cps: Authority) -> Self {
        Self::Cps(cps)
    }
}

impl From<&Authority> for TokenScope {
    fn from(cps: &Authority) -> Self {
        Self::Cps(cps.clone())
    }
}

impl From<&Self> for TokenScope {
    fn from(scope: &Self) -> Self {
        scope.clone()
    }
}

impl fmt::Display for TokenScope {
    /// The CPS, or words that are no authority.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cps(cps) => f.write_str(cps.as_str()),
            Self::Federation => f.write_str("(federation)"),
        }
    }
}

impl Serialize for TokenScope {
    /// The CPS's authority, or null.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.cps().map(Authority::as_str).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(text: &str) -> Authority {
        text.parse().unwrap()
    }

    #[test]
    fn a_challenge_of_a_federation_names_its_issuer_and_no_cps() {
        let issuer = authority("issuer.example");
        let own = TokenScope::from(&authority("cps.example"));
        for (scope, origin_info) in [(&own, "cps.example"), (&TokenScope::Federation, "")] {
            let challenge = scope.challenge(TokenType::BLIND_RSA_2048, &issuer).unwrap();
            assert_eq!(challenge.origin_info(), origin_info);
            assert_eq!(challenge.issuer_name(), "issuer.example");
            assert_eq!(TokenScope::of_origin_info(origin_info).as_ref(), Ok(scope));
            assert_eq!(TokenChallenge::parse(&challenge.to_bytes()), Ok(challenge));
        }
        assert!(TokenScope::of_origin_info("a.example,b.example").is_err());
    }

    #[test]
    fn a_token_that_only_its_issuer_can_verify_is_no_federation_token() {
        let (issuer, own) = (
            authority("issuer.example"),
            TokenScope::Cps(authority("cps.example")),
        );
        for token_type in [TokenType::VOPRF_P384, TokenType::VOPRF_RISTRETTO255] {
            assert!(own.challenge(token_type, &issuer).is_ok());
            let refused = TokenScope::Federation.challenge(token_type, &issuer);
            assert_eq!(refused, Err(NotForFederations(token_type)));
        }
    }
}
