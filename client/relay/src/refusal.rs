//! Why a request is not answered as its client hopes, and which problem document says so.
//! **The words are the relay's own**: of what a gateway refuses only the status is passed
//! on, and whether its keys are the matter.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pennyblack_base::problem::{Problem, ProblemType};
use pennyblack_base::service_paths::OHTTP_KEY_PROBLEM;
use pennyblack_service::headers::ContentTypeError;
use pennyblack_service::problem_response::ProblemResponse;

/// Why.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request names a server, as one to a proxy does.
    Proxying,
    /// No gateway has this name.
    UnknownGateway,
    /// The body is no sealed request.
    MediaType(ContentTypeError),
    /// The client asks for too much.
    TooMany,
    /// The relay, or its gateway, has too much to do, or the gateway cannot be reached: it has
    /// not processed the request.
    Overloaded,
    /// There is no answer, or none that may be passed on.
    Failed,
    /// It was handed on, and there is none in time.
    Late,
    /// The gateway refused.
    Refused {
        /// The status.
        status: StatusCode,
        /// Whether it does not have the key. A client of ours learns newer keys at its next
        /// fetch: a refusal moves none (docs/decisions/0024-oblivious-clients.md).
        is_key: bool,
    },
    /// A fault of the relay.
    Internal,
}

impl Refusal {
    /// As the metric names it.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::Proxying => "proxying",
            Self::UnknownGateway => "unknown-gateway",
            Self::MediaType(_) => "media-type",
            Self::TooMany => "too-many",
            Self::Overloaded => "overloaded",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Refused { .. } => "refused",
            Self::Internal => "internal",
        }
    }

    fn problem(&self) -> Problem {
        match self {
            Self::Proxying => Problem {
                kind: "about:blank".to_owned(),
                title: "Misdirected Request".to_owned(),
                status: StatusCode::MISDIRECTED_REQUEST.as_u16(),
                detail: "This is no proxy. Send POST with the path of a gateway's name alone."
                    .to_owned(),
            },
            Self::UnknownGateway => {
                ProblemType::NotFound.because("this relay has no gateway of this name")
            }
            Self::MediaType(error) => ProblemType::UnsupportedMediaType.because(error),
            Self::TooMany => ProblemType::TooManyRequests.document(),
            Self::Overloaded => ProblemType::Overloaded.document(),
            Self::Failed => ProblemType::GatewayFailed.document(),
            Self::Late => ProblemType::GatewayTimeout.document(),
            Self::Refused { status, is_key } => refused(*status, *is_key),
            Self::Internal => ProblemType::Internal.document(),
        }
    }
}

fn refused(status: StatusCode, is_key: bool) -> Problem {
    let (kind, detail) = match is_key {
        true => (
            OHTTP_KEY_PROBLEM,
            "The gateway does not have the key to which the request is sealed, and has read nothing. \
             Fetch its keys at a time that does not depend on this answer.",
        ),
        false => (
            "about:blank",
            "The gateway refused the request, and the relay cannot tell why. Check how the \
             request is sealed.",
        ),
    };
    Problem {
        kind: kind.to_owned(),
        title: status.canonical_reason().unwrap_or("Refused").to_owned(),
        status: status.as_u16(),
        detail: detail.to_owned(),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        ProblemResponse::from(self.problem()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_service::missing_variants;
    use pennyblack_service::problem_response::testing::{OF_EVERY_SERVICE, assert_described};

    use super::*;

    #[test]
    fn each_type_of_refusal_is_described_and_no_other() {
        let refused = |is_key| Refusal::Refused {
            status: StatusCode::BAD_REQUEST,
            is_key,
        };
        let all = [
            Refusal::Proxying,
            Refusal::UnknownGateway,
            Refusal::MediaType(ContentTypeError::Missing),
            Refusal::TooMany,
            Refusal::Overloaded,
            Refusal::Failed,
            Refusal::Late,
            refused(true),
            refused(false),
            Refusal::Internal,
        ];
        let missing = missing_variants!(
            Refusal,
            all,
            [
                Proxying,
                UnknownGateway,
                MediaType,
                TooMany,
                Overloaded,
                Failed,
                Late,
                Refused,
                Internal,
            ]
        );
        assert!(missing.is_empty(), "{missing:?}");
        let answered = all.iter().filter_map(|one| one.problem().problem_type());
        assert_described(crate::routes::OPENAPI, answered.chain(OF_EVERY_SERVICE));
    }
}
