//! Why a request is refused: the errors of ATIS-1000082 in exactly its words, and a body
//! that clients of TS 24.229 (annex V) understand, too. The only place that knows their
//! numbers. Not here: what is wrong behind the gateway, which is never a refusal.

use pennyblack_base::foreign_text::printable;
use pennyblack_engine::{BadParameter, Parameter};
use serde_json::{Value, json};

/// Characters of somebody else's text that a refusal quotes.
const MAX_QUOTED: usize = 200;

/// A request that is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no body.
    NoBody,
    /// A member that must be there is not.
    Missing(&'static str),
    /// `Accept` excludes JSON.
    NotAcceptable(String),
    /// No such path.
    NotFound,
    /// A body of another media type than those that the path takes.
    MediaType,
    /// A member's value.
    Invalid {
        /// Which member.
        name: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The body cannot be read.
    Unreadable(String),
    /// Neither `Content-Length` nor `Transfer-Encoding`.
    NoLength,
    /// Another method than the path's.
    Method,
    /// There is no key to sign with.
    NoSigningKey,
    /// The peer's address is not among those that may ask.
    Address,
    /// No API key, or an unknown one.
    ApiKey,
    /// The request belongs to no trunk.
    NoTrunk,
}

/// One row of the table of errors.
struct Row {
    id: &'static str,
    status: u16,
    text: &'static str,
}

impl Refusal {
    /// The numbers of all errors.
    pub const IDS: [&str; 11] = [
        "SVC4000", "SVC4001", "SVC4002", "SVC4003", "SVC4004", "SVC4005", "SVC4006", "SVC4007",
        "POL0001", "POL4050", "POL5000",
    ];

    /// A member's value that does not do, and why.
    pub(crate) fn invalid(name: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Invalid { name, reason }
    }

    const fn row(&self) -> Row {
        let (id, status, text) = match self {
            Self::NoBody => ("SVC4000", 400, "Missing request body"),
            Self::Missing(_) => ("SVC4001", 400, "Missing mandatory parameter '%1'"),
            Self::NotAcceptable(_) => (
                "SVC4002",
                406,
                "Requested response body type '%1' is not supported",
            ),
            Self::NotFound => ("SVC4003", 404, "Requested resource was not found"),
            Self::MediaType => (
                "SVC4004",
                415,
                "Unsupported request body type, expected '%1'",
            ),
            Self::Invalid { .. } => ("SVC4005", 400, "Invalid '%1' parameter value: %2"),
            Self::Unreadable(_) => ("SVC4006", 400, "Failed to parse received message body: %1"),
            Self::NoLength => ("SVC4007", 411, "Missing mandatory Content-Length header"),
            Self::Method => ("POL4050", 405, "Method not allowed"),
            Self::NoSigningKey => (
                "POL5000",
                500,
                "Internal Server Error. Please try again later",
            ),
            // Not in ATIS-1000082: the general policy error of OMA's REST interfaces, from
            // which its form comes.
            Self::Address => ("POL0001", 403, "A policy error occurred. Error code is %1"),
            Self::NoTrunk => ("POL0001", 403, "A policy error occurred. Error code is %1"),
            Self::ApiKey => ("POL0001", 401, "A policy error occurred. Error code is %1"),
        };
        Row { id, status, text }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.row().status
    }

    /// The number of the error, such as `SVC4001`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.row().id
    }

    fn variables(&self) -> Vec<String> {
        match self {
            Self::Missing(name) => vec![(*name).to_owned()],
            Self::NotAcceptable(accepted) => vec![printable(accepted, MAX_QUOTED)],
            Self::MediaType => vec!["application/json".to_owned()],
            Self::Invalid { name, reason } => {
                vec![(*name).to_owned(), printable(reason, MAX_QUOTED)]
            }
            Self::Unreadable(reason) => vec![printable(reason, MAX_QUOTED)],
            Self::Address => vec!["the address is not allowed".to_owned()],
            Self::NoTrunk => vec!["no trunk is configured for this sender".to_owned()],
            Self::ApiKey => vec!["the API key is missing or unknown".to_owned()],
            Self::NoBody | Self::NotFound | Self::NoLength | Self::Method | Self::NoSigningKey => {
                Vec::new()
            }
        }
    }

    /// The body, for clients of both specifications.
    #[must_use]
    pub fn body(&self) -> Value {
        let Row { id, text, .. } = self.row();
        let variables = self.variables();
        let mut sentence = text.to_owned();
        for (number, value) in (1..).zip(&variables) {
            sentence = sentence.replace(&format!("%{number}"), value);
        }
        let exception = match id.starts_with("POL") {
            true => "policyException",
            false => "serviceException",
        };
        let told = json!({ "messageId": id, "text": text, "variables": variables });
        json!({ "requestError": { exception: told }, "error": sentence })
    }
}

impl From<BadParameter> for Refusal {
    fn from(BadParameter { parameter, why }: BadParameter) -> Self {
        let name = match parameter {
            Parameter::Orig => "orig",
            Parameter::Dest => "dest",
            Parameter::Iat => "iat",
            Parameter::Div => "div",
        };
        Self::invalid(name, why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pennyblack_base::problem::ProblemType;
    use pennyblack_service::problem_response::testing::assert_described;

    use super::*;

    #[test]
    fn each_error_and_each_refusal_of_the_listener_is_described_and_no_other() {
        let description = crate::routes::OPENAPI;
        let words = description.split(|one: char| !one.is_ascii_alphanumeric());
        let is_id = |word: &&str| word.len() == 7 && ["SVC", "POL"].contains(&&word[..3]);
        let described: BTreeSet<_> = words.filter(is_id).collect();
        assert_eq!(described, BTreeSet::from(Refusal::IDS));
        let of_the_listener = [
            ProblemType::BodyTooLarge,
            ProblemType::RequestTimeout,
            ProblemType::Overloaded,
            ProblemType::Internal,
        ];
        assert_described(description, of_the_listener);
    }

    #[test]
    fn each_error_has_the_words_of_the_specification_and_both_members() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for (refusal, status, id, kind, words, sentence) in [
            (
                Refusal::NoBody,
                400,
                "SVC4000",
                "serviceException",
                "Missing request body",
                "Missing request body",
            ),
            (
                Refusal::Missing("iat"),
                400,
                "SVC4001",
                "serviceException",
                "Missing mandatory parameter '%1'",
                "Missing mandatory parameter 'iat'",
            ),
            (
                Refusal::NotAcceptable("application/xml".to_owned()),
                406,
                "SVC4002",
                "serviceException",
                "Requested response body type '%1' is not supported",
                "Requested response body type 'application/xml' is not supported",
            ),
            (
                Refusal::NotFound,
                404,
                "SVC4003",
                "serviceException",
                "Requested resource was not found",
                "Requested resource was not found",
            ),
            (
                Refusal::MediaType,
                415,
                "SVC4004",
                "serviceException",
                "Unsupported request body type, expected '%1'",
                "Unsupported request body type, expected 'application/json'",
            ),
            (
                Refusal::invalid("attest", "must be A, B or C"),
                400,
                "SVC4005",
                "serviceException",
                "Invalid '%1' parameter value: %2",
                "Invalid 'attest' parameter value: must be A, B or C",
            ),
            (
                Refusal::Unreadable("not JSON".to_owned()),
                400,
                "SVC4006",
                "serviceException",
                "Failed to parse received message body: %1",
                "Failed to parse received message body: not JSON",
            ),
            (
                Refusal::NoLength,
                411,
                "SVC4007",
                "serviceException",
                "Missing mandatory Content-Length header",
                "Missing mandatory Content-Length header",
            ),
            (
                Refusal::Method,
                405,
                "POL4050",
                "policyException",
                "Method not allowed",
                "Method not allowed",
            ),
            (
                Refusal::NoSigningKey,
                500,
                "POL5000",
                "policyException",
                "Internal Server Error. Please try again later",
                "Internal Server Error. Please try again later",
            ),
            (
                Refusal::Address,
                403,
                "POL0001",
                "policyException",
                "A policy error occurred. Error code is %1",
                "A policy error occurred. Error code is the address is not allowed",
            ),
            (
                Refusal::ApiKey,
                401,
                "POL0001",
                "policyException",
                "A policy error occurred. Error code is %1",
                "A policy error occurred. Error code is the API key is missing or unknown",
            ),
        ] {
            assert!(Refusal::IDS.contains(&id), "{id}");
            let body = refusal.body();
            let told = &body["requestError"][kind];
            assert_eq!(refusal.status(), status, "{id}");
            assert_eq!(text(&told["messageId"]), id);
            assert_eq!(text(&told["text"]), words);
            assert!(told["variables"].is_array(), "{id}");
            assert_eq!(text(&body["error"]), sentence);
        }
    }

    #[test]
    fn foreign_text_in_an_error_has_an_end_and_forges_no_line() {
        let hostile = format!("a\r\nX-Forged: 1{}", "y".repeat(10_000));
        let body = Refusal::Unreadable(hostile).body().to_string();
        assert!(body.len() < 800 && !body.contains("\\r"), "{body}");
    }
}
