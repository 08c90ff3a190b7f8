//! What is inside the seal: a request that is handed on only if a direct one could be the
//! same, and the answer as it is sealed.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use http::header::{DATE, EXPECT};
use http::uri::Scheme;
use http::{HeaderValue, Uri};
use pennyblack_base::authority::Authority;
use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_ohttp::binary_http::{self, BinaryHttpError};
use pennyblack_ohttp::size_class::{LARGEST_RESPONSE, PadFieldError, ResponseClass, TooLong};
use pennyblack_service::inner_requests::{InnerAnswerError, whole};
use pennyblack_service::problem_response::{PublicRefusal, respond};

/// Room for status and header fields in the longest answer.
const FIELDS: usize = 4 * 1024;

/// A request that is not handed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum InnerRefusal {
    /// It is no request.
    #[error("{0}")]
    Form(#[from] BinaryHttpError),
    /// It asks for a padding that there is not.
    #[error("{0}")]
    Pad(#[from] PadFieldError),
    /// It expects something before its answer (RFC 9458 section 5.1).
    #[error("the request has the field expect, and is answered once")]
    Expect,
    /// It is for another service: this one opens nobody else's, and asks nobody.
    #[error("the request is not for https://{0}, whose key it is sealed to")]
    OtherService(Authority),
    /// Its answer is longer than any that is sealed.
    #[error("{0}")]
    TooLong(#[from] TooLong),
    /// Its answer broke off.
    #[error("{0}")]
    BrokeOff(InnerAnswerError),
}

impl PublicRefusal for InnerRefusal {
    fn problem_type(&self) -> ProblemType {
        match self {
            Self::Form(_) | Self::Pad(_) | Self::Expect => ProblemType::MalformedObliviousRequest,
            Self::OtherService(_) | Self::TooLong(_) => ProblemType::MisdirectedRequest,
            Self::BrokeOff(_) => ProblemType::Internal,
        }
    }
}

/// A request that is handed on, and the least class of its answer.
#[derive(Debug)]
pub(super) struct InnerRequest {
    pub(super) request: http::Request<Bytes>,
    pub(super) least: Option<ResponseClass>,
}

impl InnerRequest {
    /// The request, if it is one for the service of this name.
    pub(super) fn of(
        parsed: Result<binary_http::Request, BinaryHttpError>,
        service: &Authority,
    ) -> Result<Self, InnerRefusal> {
        let parsed = parsed?;
        let named = parsed.authority().and_then(|name| name.parse().ok());
        if parsed.scheme != Scheme::HTTPS || named.as_ref() != Some(service) {
            return Err(InnerRefusal::OtherService(service.clone()));
        }
        if parsed.fields.contains_key(EXPECT) {
            return Err(InnerRefusal::Expect);
        }
        let least = ResponseClass::asked(&parsed.fields)?;
        let mut request = http::Request::new(Bytes::from(parsed.content));
        *request.method_mut() = parsed.method;
        // Nothing behind this looks at scheme and authority.
        *request.uri_mut() = Uri::from(parsed.path);
        *request.headers_mut() = parsed.fields;
        Ok(Self { request, least })
    }
}

/// An answer, ready to be sealed: the first one, or that it cannot be.
pub(super) async fn answer_to_seal(
    response: Response,
    least: Option<ResponseClass>,
    now: UnixTime,
) -> (binary_http::Response, ResponseClass) {
    match encodable(response, least, now).await {
        Ok(answer) => answer,
        Err(refusal) => {
            let refused = respond(&refusal).into_response();
            let refused = encodable(refused, least, now).await;
            // A problem document fits.
            refused.unwrap_or_else(|_| {
                let status = http::StatusCode::INTERNAL_SERVER_ERROR;
                (binary_http::Response::new(status), ResponseClass::Kib2)
            })
        }
    }
}

async fn encodable(
    response: Response,
    least: Option<ResponseClass>,
    now: UnixTime,
) -> Result<(binary_http::Response, ResponseClass), InnerRefusal> {
    let (head, body) = response.into_parts();
    let content = content(body).await?;
    let mut fields = head.headers;
    // Clients measure their clock by it.
    if let Some(date) = http_date(now) {
        fields.insert(DATE, date);
    }
    let size = fields
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum::<usize>();
    let class = ResponseClass::of(content.len() + size + 16, least)?;
    let mut answer = binary_http::Response::new(head.status);
    answer.fields = fields;
    answer.content = content;
    Ok((answer, class))
}

async fn content(body: Body) -> Result<Vec<u8>, InnerRefusal> {
    match whole(body, LARGEST_RESPONSE - FIELDS).await {
        // The same memory, if nobody else has it.
        Ok(bytes) => Ok(bytes.into()),
        Err(InnerAnswerError::TooLong(max)) => Err(TooLong {
            actual: max + 1,
            max,
        }
        .into()),
        Err(error) => Err(InnerRefusal::BrokeOff(error)),
    }
}

/// `Date` (RFC 9110 section 5.6.7).
fn http_date(now: UnixTime) -> Option<HeaderValue> {
    let now = jiff::Timestamp::from_second(i64::try_from(now.0).ok()?).ok()?;
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    let text = printer.timestamp_to_rfc9110_string(&now).ok()?;
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use pennyblack_privacypass::token::TokenKeyId;

    use super::*;
    use crate::challenges::longest_challenges;
    use crate::config::tests::example_with;
    use crate::refusal::Refusal;

    /// As many issuers as the configuration lets a gateway have, or half as many of which both
    /// kinds of tokens are taken: their challenges.
    fn most_challenges(tokens: &str, issuers: usize) -> Vec<HeaderValue> {
        let issuers = |length: usize| {
            let x = "x".repeat(length);
            let name = |nth| format!("{{authority=\"i{nth:02}{x}\", tokens=\"{tokens}\"}}");
            let all: Vec<_> = (0..issuers).map(name).collect();
            example_with(&["oblivious={}", &format!("issuer=[{}]", all.join(","))])
        };
        let config = (1..60)
            .rev()
            .find_map(|length| issuers(length).ok())
            .unwrap();
        let challenges = config.issuer.iter().flat_map(|issuer| {
            longest_challenges(&issuer.authority, issuer.tokens, &config.cps.authority)
        });
        challenges
            .map(|challenge| HeaderValue::from_str(&challenge).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn a_refused_store_with_all_its_challenges_has_the_class_of_one_that_is_granted() {
        for (tokens, issuers) in [("own", 14), ("both", 7)] {
            let challenges = most_challenges(tokens, issuers);
            let bytes: usize = challenges.iter().map(HeaderValue::len).sum();
            assert!(bytes > 7_500, "{bytes}");
            let refused = Refusal::UnknownKey(TokenKeyId([7; 32])).with_challenges(&challenges);
            let least = Some(ResponseClass::Kib9);
            let (answer, class) = answer_to_seal(refused, least, UnixTime(1_795_000_000)).await;
            assert_eq!(answer.status, http::StatusCode::UNAUTHORIZED);
            assert_eq!(class, ResponseClass::Kib9);
            let fields = answer.fields.get_all("www-authenticate");
            assert_eq!(fields.iter().count(), 14);
        }
    }
}
