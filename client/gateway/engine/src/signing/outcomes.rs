//! What came of a store: for its call, for the next CPS of its plan, and for what is known of its
//! CPS. Not here: stores themselves (`stores`).

use pennyblack_client::auth_service::{CopyFailure, OobAuthenticationError};
use pennyblack_client::wallet::SpendError;
use pennyblack_http::HttpError;

use super::away::Heard;
use crate::reason::Reason;

impl CopyFailure for Reason {
    fn costs_nothing(&self) -> bool {
        heard(Err(*self)) == Heard::NotAsked
    }
}

/// What an outcome says of the CPS.
pub(super) const fn heard(stored: Result<(), Reason>) -> Heard {
    match stored {
        Ok(()) | Err(Reason::Refused | Reason::CpsBusy) => Heard::Answer,
        Err(Reason::NoAnswer | Reason::NoRelay) => Heard::Nothing,
        Err(_) => Heard::NotAsked,
    }
}

/// What is said to the call.
pub(super) fn reason_of(error: &OobAuthenticationError) -> Reason {
    use OobAuthenticationError as Error;
    match error {
        Error::Seal(_) => Reason::TooLarge,
        Error::Spend(SpendError::NoToken { .. }) => Reason::NoToken,
        Error::Spend(SpendError::Wallet(_)) | Error::Wallet(_) => Reason::Wallet,
        Error::NotFresh(_) => Reason::StaleIdentity,
        Error::PlainCps(_) => Reason::PlainCps,
        Error::NotInRoster { .. } => Reason::CpsNotInRoster,
        Error::Clock(_) => Reason::Clock,
        Error::Refused { .. } => Reason::Refused,
        Error::NoWay(_) => Reason::NoObliviousKey,
        Error::NotNow {
            error: HttpError::Route(_),
        } => Reason::NoRelay,
        Error::NotNow { .. } => Reason::CpsBusy,
        Error::Unknown { .. } => Reason::NoAnswer,
        other => {
            tracing::warn!(error = %other, "a call was not stored");
            Reason::Internal
        }
    }
}
