//! An HTTP answer as it came, and what every refusal must look like.

use http::{HeaderMap, StatusCode};
use pennyblack_base::problem::{PROBLEM_MEDIA_TYPE, Problem, ProblemType};
use pennyblack_privacypass::token::{AuthenticateChallenge, parse_www_authenticate};
use pennyblack_service::problem_response::testing::indiscretion;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The content.
    pub body: Vec<u8>,
}

impl Answer {
    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// No connection, or one that broke: then nobody knows what became of it.
    pub async fn to(request: reqwest::RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        Ok(Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }

    /// The content of an answer with status 200.
    ///
    /// # Panics
    /// When it has another status.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        &self.body
    }

    /// Asserts the status 201.
    ///
    /// # Panics
    /// When it has another status.
    pub fn assert_created(&self) {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.text());
    }

    /// The problem type of a refusal.
    ///
    /// # Panics
    /// When the answer is not a problem document of ours (RFC 9457) whose detail
    /// ends with what to do, tells of the service what a client must not learn, or lacks the header fields that belong to its status.
    #[must_use]
    pub fn problem(&self) -> ProblemType {
        assert_eq!(
            self.headers["content-type"],
            PROBLEM_MEDIA_TYPE,
            "{}",
            self.text()
        );
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        let kind = problem.problem_type();
        let kind = kind.unwrap_or_else(|| panic!("{} is no type of ours", problem.kind));
        assert_eq!(self.status.as_u16(), kind.status(), "{problem}");
        assert_eq!(problem.status, kind.status(), "{problem}");
        assert_eq!(problem.title, kind.title(), "{problem}");
        assert!(problem.detail.ends_with(kind.advice()), "{problem}");
        let at_fault = kind.status() >= 500;
        assert!(
            !at_fault || indiscretion(&problem.detail).is_none(),
            "{problem}"
        );
        self.assert_retry_after(kind);
        kind
    }

    /// The challenges of a 401 of the CPS.
    ///
    /// # Panics
    /// When there are none or they do not parse.
    #[must_use]
    pub fn challenges(&self) -> Vec<AuthenticateChallenge> {
        let values = self.headers.get_all("www-authenticate").into_iter();
        let challenges: Vec<_> = values
            .flat_map(|value| parse_www_authenticate(value.to_str().unwrap()).unwrap())
            .collect();
        assert!(!challenges.is_empty(), "a 401 without WWW-Authenticate");
        challenges
    }

    fn assert_retry_after(&self, kind: ProblemType) {
        let seconds = self.headers.get("retry-after").map(|value| {
            let seconds: u32 = value.to_str().unwrap().parse().unwrap();
            assert!(seconds > 0);
        });
        assert_eq!(
            seconds.is_some(),
            kind.retry_after().is_some(),
            "{}",
            kind.name()
        );
    }

    /// The content as text, for messages.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
