//! The challenges for which tokens are drawn, as a refused store has them
//! (docs/protocol.md section 2.2), and which of an issuer's tokens a CPS takes. Which keys
//! they name is the issuers'.

use pennyblack_base::authority::Authority;
use pennyblack_privacypass::blind_rsa::SPKI_SIZE;
use pennyblack_privacypass::token::{AuthenticateChallenge, TokenChallenge, TokenScope, TokenType};
use serde::{Deserialize, Serialize};

/// Which of an issuer's tokens a CPS takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AcceptedTokens {
    /// Those that were drawn for this CPS alone.
    #[default]
    Own,
    /// Federation tokens: each is good once at every CPS that takes them.
    Federation,
    /// Both, while carriers move from one to the other.
    Both,
}

impl AcceptedTokens {
    /// Where the tokens are good that a CPS takes, in the order of its challenges.
    #[must_use]
    pub fn scopes(self, cps: &Authority) -> Vec<TokenScope> {
        match self {
            Self::Own => vec![cps.into()],
            Self::Federation => vec![TokenScope::Federation],
            Self::Both => vec![TokenScope::Federation, cps.into()],
        }
    }
}

/// A challenge as it stands in `WWW-Authenticate`, with the encoding of a key.
pub(crate) fn header(challenge: TokenChallenge, token_key: Vec<u8>) -> String {
    let challenge = AuthenticateChallenge {
        challenge,
        token_key,
        max_age: None,
    };
    challenge.to_header()
}

/// The challenges of an issuer, as long as any: blind RSA has the longest keys.
pub(crate) fn longest_challenges(
    issuer: &Authority,
    accepted: AcceptedTokens,
    cps: &Authority,
) -> Vec<String> {
    let challenge = |scope: TokenScope| scope.challenge(TokenType::BLIND_RSA_2048, issuer).ok();
    let challenges = accepted.scopes(cps).into_iter().filter_map(challenge);
    challenges
        .map(|challenge| header(challenge, vec![0; SPKI_SIZE]))
        .collect()
}
