//! Problem documents as HTTP answers (RFC 9457), with the header fields that
//! go with some of them; what such a document may say in public; and the fallback that
//! turns the refusals of the HTTP stack into problem documents too. Which error is which
//! problem stands with each service.

#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use pennyblack_base::problem::{PROBLEM_MEDIA_TYPE, Problem, ProblemType};

use crate::repeated_causes;

/// Why a service refuses a request.
///
/// **The client of a service that is at fault (status 500 and more) is not told the
/// cause**, which may name a path, a host or a key of the configuration. The cause goes
/// to the log lines. The client is told a sentence of the source code: the type
/// `&'static str` leaves no room for anything else.
pub trait PublicRefusal: fmt::Display {
    /// The type of problem document that says so.
    fn problem_type(&self) -> ProblemType;

    /// What the client is told in place of the cause when the service is at fault;
    /// without one, what fits every refusal of its type.
    fn public_sentence(&self) -> Option<&'static str> {
        None
    }
}

const fn default_sentence(kind: ProblemType) -> &'static str {
    match kind {
        ProblemType::Overloaded => "the service has more requests than it can take",
        ProblemType::StoreUnavailable => "the store of the service is not available",
        ProblemType::RevocationUnavailable => "the service has no current revocation list",
        _ => "the service failed",
    }
}

/// The answer to a refused request, with what the public may know.
pub fn respond(refusal: &impl PublicRefusal) -> ProblemResponse {
    let kind = refusal.problem_type();
    let problem = if kind.status() < 500 {
        kind.because(refusal)
    } else {
        record_cause(kind, refusal);
        let sentence = refusal.public_sentence();
        kind.because(sentence.unwrap_or(default_sentence(kind)))
    };
    problem.into()
}

/// Writes the cause to the log lines, the same cause at most every ten seconds.
fn record_cause(kind: ProblemType, cause: &impl fmt::Display) {
    let problem = kind.name();
    if kind == ProblemType::Overloaded {
        // Metrics count these; a line for each would make more of what is too much.
        tracing::debug!(problem, %cause, "a request is refused");
        return;
    }
    let cause = cause.to_string();
    let Some(before) = repeated_causes::admit(problem, &cause) else {
        return;
    };
    let (suppressed, suppressed_others) = (before.same, before.forgotten);
    if kind == ProblemType::RevocationUnavailable {
        tracing::warn!(problem, %cause, suppressed, suppressed_others, "a request is refused");
    } else {
        tracing::error!(problem, %cause, suppressed, suppressed_others, "a request failed");
    }
}

/// A refusal on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemResponse {
    problem: Problem,
    retry_after: Option<u64>,
    www_authenticate: Vec<HeaderValue>,
}

impl From<Problem> for ProblemResponse {
    /// With the `Retry-After` of its type, if it has one.
    fn from(problem: Problem) -> Self {
        let retry_after = problem.problem_type().and_then(ProblemType::retry_after);
        Self {
            problem,
            retry_after: retry_after.map(u64::from),
            www_authenticate: Vec::new(),
        }
    }
}

impl ProblemResponse {
    /// Says when it makes sense to come back, in place of the type's default.
    /// Parts of a second count as a whole one, and there is no zero: clients
    /// take it for "at once".
    #[must_use]
    pub fn retry_after(mut self, span: Duration) -> Self {
        let whole = span.as_secs() + u64::from(span.subsec_nanos() > 0);
        self.retry_after = Some(whole.max(1));
        self
    }

    /// Adds a challenge (RFC 9110 section 11.6.1).
    #[must_use]
    pub fn www_authenticate(mut self, challenge: HeaderValue) -> Self {
        self.www_authenticate.push(challenge);
        self
    }

    /// The document.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.problem.to_json()));
        // By which a service may count it.
        if let Some(kind) = self.problem.problem_type() {
            response.extensions_mut().insert(kind);
        }
        *response.status_mut() =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        for challenge in self.www_authenticate {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Marks, among an answer's extensions, a refusal whose form another protocol
/// prescribes: it reaches the client as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsPrescribed;

/// Middleware: a refusal that is not yet a problem document becomes one. Its
/// header fields stay (405 has `Allow`), its body goes: axum's texts are
/// written for its users, not for ours.
pub(crate) async fn in_problem_form(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    let is_prescribed = response.extensions().get::<AsPrescribed>().is_some();
    let media_type = response.headers().get(CONTENT_TYPE);
    if !is_refusal || is_prescribed || media_type.is_some_and(|value| value == PROBLEM_MEDIA_TYPE) {
        return response;
    }
    let mut kept = response.into_parts().0.headers;
    kept.remove(CONTENT_TYPE);
    kept.remove(CONTENT_LENGTH);
    let mut response = ProblemResponse::from(problem_of(status)).into_response();
    response.headers_mut().extend(kept);
    response
}

fn problem_of(status: StatusCode) -> Problem {
    let kind = match status {
        StatusCode::NOT_FOUND => ProblemType::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ProblemType::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => ProblemType::RequestTimeout,
        StatusCode::PAYLOAD_TOO_LARGE => ProblemType::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemType::UnsupportedMediaType,
        StatusCode::SERVICE_UNAVAILABLE => ProblemType::Overloaded,
        status if status.is_server_error() => ProblemType::Internal,
        status => {
            let title = status.canonical_reason().unwrap_or("Refused");
            return Problem {
                kind: "about:blank".to_owned(),
                title: title.to_owned(),
                status: status.as_u16(),
                detail: "The request is not one that this path takes. Check it against the \
                         protocol description."
                    .to_owned(),
            };
        }
    };
    kind.document()
}

#[cfg(test)]
mod tests {
    use pennyblack_runtime::logging::testing::levels_of;

    use super::*;

    struct Away;

    impl fmt::Display for Away {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the store of this test is away")
        }
    }

    impl PublicRefusal for Away {
        fn problem_type(&self) -> ProblemType {
            ProblemType::StoreUnavailable
        }
    }

    #[test]
    fn requests_that_fail_for_one_cause_have_one_log_line_and_each_its_answer() {
        let lines = levels_of(|| {
            for _ in 0..1_000 {
                assert_eq!(respond(&Away).problem().status, 503);
            }
        });
        // Two if the thousand take ten seconds.
        assert!((1..=2).contains(&lines.len()));
    }
}
