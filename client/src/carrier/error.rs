//! Why no tokens came in, with what the carrier can do about it.

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::{FollowError, KeyNotLogged, KeyNotNewest};
use pennyblack_http::{ClockGap, HttpClient, HttpError};
use pennyblack_privacypass::directory::DirectoryError;
use pennyblack_privacypass::issuance::IssuanceError;
use pennyblack_privacypass::token::NotForFederations;
use pennyblack_privacypass::token_key::TokenKeyError;
use pennyblack_tlog::ReadLogError;

use crate::wallet::WalletError;

/// Why no tokens came in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarrierError {
    /// The issuer was not reached, or refused.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The wallet could not be used.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The issuer's directory is not one.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The directory has no key of a known type that signs now.
    #[error("the issuer's directory has no key that signs at {now}: {}", why_no_key(*clock_gap))]
    NoCurrentKey {
        /// The time.
        now: UnixTime,
        /// How far this machine's clock is from the issuer's, if that is far.
        clock_gap: Option<ClockGap>,
    },
    /// The issuer's log of keys cannot be followed, or is not to be trusted.
    #[error("{error}{}", after_the_log(.0), error = .0)]
    IssuerLog(#[from] FollowError),
    /// The key is not in the issuer's log.
    #[error(transparent)]
    NotLogged(#[from] KeyNotLogged),
    /// The key is in the log, and not the one that everybody draws of.
    #[error(transparent)]
    NotNewest(#[from] KeyNotNewest),
    /// The key may not be blinded for, since the issuer could mark its clients with
    /// it, or a token could not be blinded or unblinded.
    #[error("the issuer's key: {0}")]
    Key(#[from] TokenKeyError),
    /// Federation tokens cannot be of the type that the issuer signs.
    #[error(transparent)]
    NotForFederations(#[from] NotForFederations),
    /// The answer is not a batch of responses.
    #[error("the issuer's answer: {0}")]
    Answer(#[from] IssuanceError),
    /// The answer has another number of responses than there were requests.
    #[error(
        "the issuer answered {answered} of {asked} requests; the draw stays pending: run `pennyblack \
         carrier draw` again"
    )]
    AnswerCount {
        /// How many were asked for.
        asked: usize,
        /// How many were answered.
        answered: usize,
    },
    /// The issuer's directory sends requests to somebody else.
    #[error(
        "the issuer's directory names {0:?} for requests: it must be a path of the same service"
    )]
    RequestUri(String),
}

/// What to do when the issuer's log is not what it was, and not merely out of reach.
fn after_the_log(error: &FollowError) -> &'static str {
    match error {
        FollowError::Log(ReadLogError::Source(_)) | FollowError::Contradiction(_) => "",
        _ => {
            "; nothing was drawn: ask the issuer's operator whether its log or the log's key was \
             replaced, and start a new wallet only if that is so"
        }
    }
}

fn why_no_key(clock_gap: Option<ClockGap>) -> String {
    clock_gap.map_or_else(
        || "ask its operator whether the issuer runs and publishes keys in time".to_owned(),
        |gap| gap.to_string(),
    )
}

impl CarrierError {
    /// Whether the issuer says that this very request will never be answered.
    pub(super) fn is_refusal_for_good(&self) -> bool {
        let Self::Http(HttpError::Refused(refused)) = self else {
            return false;
        };
        matches!(refused.status.as_u16(), 400 | 413 | 422)
    }

    /// Whether another draw may go well: what is wrong is this request or its answer, and
    /// neither the issuer nor the way to it.
    pub(super) fn is_of_one_draw(&self) -> bool {
        let is_about_answer = matches!(
            self,
            Self::Answer(_) | Self::AnswerCount { .. } | Self::Key(_)
        );
        is_about_answer || self.is_refusal_for_good()
    }

    /// The same with what the last answer to `client` says of this machine's clock.
    pub(super) fn by_the_clock_of(mut self, client: &HttpClient) -> Self {
        if let Self::NoCurrentKey { clock_gap, .. } = &mut self {
            *clock_gap = client.clock_gap();
        }
        self
    }
}
