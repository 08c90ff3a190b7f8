//! Why a PASSporT was not stored, in words of the OOB-AS. Not here: what a CPS may answer
//! (`pennyblack_base::problem`).

use pennyblack_base::authority::Authority;
use pennyblack_base::cps_uri::CpsUri;
use pennyblack_base::problem::ProblemType;
use pennyblack_http::{ClockGap, HttpError, Refused, RouteError};
use pennyblack_passport::Refusal;
use pennyblack_privacypass::token::{ChallengeDigest, parse_www_authenticate};
use pennyblack_sealing::sealed::SealError;

use crate::block_look_ups::BlockFileError;
use crate::directory::DirectoryError;
use crate::wallet::{SpendError, WalletError};

/// Why a PASSporT was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OobAuthenticationError {
    /// A look-up failed; nothing was sealed or spent.
    #[error("looking up keys: {0}")]
    KeyLookup(HttpError),
    /// The CPS's answer to a look-up is not a list of key records.
    #[error("the CPS's answer is no list of keys ({0}): check that --cps is the address of a CPS")]
    KeyList(serde_json::Error),
    /// What is kept of blocks cannot be used; nothing was sent.
    #[error(transparent)]
    Blocks(#[from] BlockFileError),
    /// The block was not among those that were asked for.
    #[error("the block of the called number was not asked for")]
    NotAsked,
    /// The PASSporT does not fit; nothing was spent.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No token was spent.
    #[error(transparent)]
    Spend(#[from] SpendError),
    /// No verifier would find the PASSporT fresh; nothing was spent.
    #[error(
        "the PASSporT was not stored, and no token spent, since no verifier would accept it: it was {0}"
    )]
    NotFresh(#[from] Refusal),
    /// The wallet could not be used.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// Keys cannot be looked up: they come of a directory.
    #[error("keys come of the directory here, and no CPS is asked for any")]
    NoLookUp,
    /// The directory cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The record names a CPS that is not in the roster.
    #[error("cps-not-in-roster: {cps} is no CPS of {federation}: nothing is sent there")]
    NotInRoster {
        /// Which CPS.
        cps: CpsUri,
        /// Whose roster.
        federation: Authority,
    },
    /// The record names another CPS without https.
    #[error("the key record names {0}, which is not https and not the CPS that was configured")]
    PlainCps(String),
    /// There is no way to the CPS that hides this machine's address; nothing was spent.
    #[error("no token was spent: {0}")]
    NoWay(Box<RouteError>),
    /// The CPS must refuse what is signed by this machine's clock; nothing was spent.
    #[error("nothing was sent and no token spent, since the CPS would refuse the request: {0}")]
    Clock(ClockGap),
    /// The CPS refused for good. The token is gone: signing another request
    /// with it could be made to look like a double spend.
    #[error("not stored: {}{}", sentence(error), explain(error))]
    Refused {
        /// What it said.
        error: HttpError,
    },
    /// The CPS, or what stands in front of it, has too much to do and has refused: nothing
    /// is stored. The same request stands in the outbox, and may be sent again.
    #[error(
        "not stored: {} The signed request is kept and can be sent again for a minute.",
        sentence(error)
    )]
    NotNow {
        /// What it said.
        error: HttpError,
    },
    /// It is not known whether it was stored. The same request stands in the
    /// outbox, and is sent again by the next call or on demand.
    #[error(
        "it is not known whether the PASSporT was stored: {}{} The signed request is kept and can be sent again for a minute.",
        sentence(error),
        explain(error)
    )]
    Unknown {
        /// The last failure.
        error: HttpError,
    },
}

impl OobAuthenticationError {
    /// Whether the signed request stands in the outbox, to be sent again.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        matches!(self, Self::NotNow { .. } | Self::Unknown { .. })
    }
}

/// The challenges that a refusal wants tokens for; what cannot be read is passed over.
pub(super) fn named_challenges(error: &HttpError) -> Vec<ChallengeDigest> {
    let values = error.refused().map(|refused| refused.authenticate.iter());
    let challenges = values.into_iter().flatten().flat_map(|value| {
        let named = parse_www_authenticate(value).unwrap_or_default();
        named.into_iter().map(|one| one.challenge.digest())
    });
    challenges.collect()
}

/// Whether the CPS takes the token for invalid.
pub(super) fn is_about_the_token(error: &HttpError) -> bool {
    error.refused().and_then(Refused::kind) == Some(ProblemType::TokenInvalid)
}

fn sentence(error: &HttpError) -> String {
    let text = error.to_string();
    format!("{}.", text.trim_end_matches('.'))
}

/// What a status means for an OOB-AS, in words, whatever the answer said.
fn explain(error: &HttpError) -> &'static str {
    let Some(refused) = error.refused() else {
        return "";
    };
    match refused.status.as_u16() {
        401 if !is_about_the_token(error) => "",
        401 => {
            " The CPS does not take this token: its key epoch may have ended, or it was drawn from another issuer, for another CPS, or for a federation that this CPS does not belong to. `pennyblack carrier status` shows what else the wallet holds, and `pennyblack carrier run` draws more (carrier.cps and carrier.federation say what)."
        }
        404 => " The recipient's mailbox is gone: look its keys up again.",
        409 => {
            " The token was spent before, with another request: has this wallet been copied or restored from a backup? Start a new one."
        }
        413 => {
            " The sealed PASSporT does not have the size of that mailbox: look the keys up again."
        }
        503 => " The CPS is busy or its store is down.",
        _ => " Check that --cps is the address of a CPS.",
    }
}
