//! What is said outside of the seal, where the relay reads it, too: only why a request could
//! not be opened (docs/protocol.md section 8).

use axum::response::{IntoResponse as _, Response};
use pennyblack_base::problem::{Problem, ProblemType};
use pennyblack_base::service_paths::OHTTP_KEY_PROBLEM;
use pennyblack_ohttp::encapsulation::DecapsulationError;
use pennyblack_service::headers::ContentTypeError;
use pennyblack_service::problem_response::{ProblemResponse, PublicRefusal, respond};

use super::outcome::Outcome;
use crate::refusal::Refusal;

const KEY_TITLE: &str = "Oblivious HTTP key configuration not usable";

/// A request that is not answered inside.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutsideRefusal {
    /// `Content-Type`.
    #[error("{0}")]
    MediaType(#[from] ContentTypeError),
    /// It does not open.
    #[error("{0}")]
    NotOpened(#[from] DecapsulationError),
    /// No key is in the log.
    #[error("no oblivious key is in the log yet")]
    NoKey,
    /// It is opened, and no answer can be sealed: a fault of this program.
    #[error("{0}")]
    NotSealed(Refusal),
}

impl OutsideRefusal {
    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::NotOpened(DecapsulationError::UnknownKey { .. }) => Outcome::UnknownKey,
            Self::NotOpened(DecapsulationError::NotOpened { .. }) => Outcome::NotOpened,
            Self::MediaType(_) | Self::NotOpened(_) => Outcome::Malformed,
            Self::NoKey | Self::NotSealed(_) => Outcome::Unavailable,
        }
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response {
        self.outcome().count();
        match &self {
            Self::NotOpened(error) if !matches!(error, DecapsulationError::TooLong(_)) => {
                key_problem(error).into_response()
            }
            other => respond(other).into_response(),
        }
    }
}

/// That of a client whose keys are older than ours.
fn key_problem(error: &DecapsulationError) -> ProblemResponse {
    let status = match error {
        DecapsulationError::NotOpened { .. } => 422,
        _ => 400,
    };
    ProblemResponse::from(Problem {
        kind: OHTTP_KEY_PROBLEM.to_owned(),
        title: KEY_TITLE.to_owned(),
        status,
        detail: error.to_string(),
    })
}

impl PublicRefusal for OutsideRefusal {
    fn problem_type(&self) -> ProblemType {
        match self {
            Self::MediaType(_) => ProblemType::UnsupportedMediaType,
            Self::NotOpened(_) => ProblemType::BodyTooLarge,
            Self::NoKey => ProblemType::NoObliviousKey,
            Self::NotSealed(refusal) => refusal.problem_type(),
        }
    }

    fn public_sentence(&self) -> Option<&'static str> {
        match self {
            Self::NoKey => Some("no key of the service for this time is in its log yet"),
            Self::NotSealed(refusal) => refusal.public_sentence(),
            _ => None,
        }
    }
}

/// The types of problems that come from the gateway alone, outside of the seal and inside.
#[cfg(test)]
pub(crate) fn own_problem_types() -> Vec<ProblemType> {
    use super::inner::InnerRefusal;
    let other = InnerRefusal::OtherService("cps.test".parse().unwrap());
    vec![
        OutsideRefusal::NoKey.problem_type(),
        InnerRefusal::Expect.problem_type(),
        other.problem_type(),
    ]
}
