//! The dialects in which switches ask for signing and verification over HTTP: ATIS-1000082
//! and TS 24.229 annex V as JSON, and the form that Asterisk posts. A body in, a typed
//! request out; an outcome in, a body out. No socket, no clock, no call.

mod form;
mod identities;
mod members;
mod party;
pub mod refusal;
pub mod signing;
pub mod verification;

pub(crate) use members::Members;
pub use refusal::Refusal;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`; also where the peer does not say.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// A SIP message: `text/plain`, `message/sip` or `application/sip`.
    Sip,
}

impl Media {
    /// By the value of `Content-Type`.
    ///
    /// # Errors
    /// [`Refusal::MediaType`].
    pub fn of(content_type: Option<&str>) -> Result<Self, Refusal> {
        let media_type = content_type.unwrap_or_default().split(';').next();
        let media_type = media_type.unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "" | "application/json" => Ok(Self::Json),
            "application/x-www-form-urlencoded" => Ok(Self::Form),
            "text/plain" | "message/sip" | "application/sip" => Ok(Self::Sip),
            _ => Err(Refusal::MediaType),
        }
    }

    /// Reads the members of a body, unless it is a SIP message.
    pub(crate) fn read(self, body: &[u8]) -> Result<Members, Refusal> {
        if body.trim_ascii().is_empty() {
            return Err(Refusal::NoBody);
        }
        match self {
            Self::Json => Members::of_json(body),
            Self::Form => form::read(body),
            // Read by `pennyblack_sip`.
            Self::Sip => Err(Refusal::MediaType),
        }
    }
}

/// Whether a peer that sends this `Accept` takes JSON.
///
/// # Errors
/// [`Refusal::NotAcceptable`].
pub fn require_json_accepted(accept: Option<&str>) -> Result<(), Refusal> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Ok(());
    };
    let ranges = accept.split(',').map(|range| {
        let media_range = range.split(';').next().unwrap_or_default();
        media_range.trim().to_ascii_lowercase()
    });
    let takes_json =
        |range: String| ["application/json", "application/*", "*/*"].contains(&&*range);
    match ranges.into_iter().any(takes_json) {
        true => Ok(()),
        false => Err(Refusal::NotAcceptable(accept.to_owned())),
    }
}
