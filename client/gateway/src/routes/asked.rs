//! A request as it came: from whom, and what is in it. Every path reads it here, so that none
//! forgets to ask who may.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Version};
use http_body_util::BodyExt as _;
use pennyblack_service::client_address::ClientAddress;
use pennyblack_service::repeated_causes;

use super::request_id::RequestId;
use super::{Resources, sip_text};
use crate::access::MAX_API_KEY;
use crate::stir_rest::{Media, Members, Refusal, require_json_accepted};
use crate::trunks::KnownTrunk;

/// A request, whole.
pub(super) struct Asked {
    client: Option<IpAddr>,
    id: Option<RequestId>,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
}

/// What a body has in it.
pub(super) enum Content {
    /// Members of a dialect.
    Members(Members),
    /// An INVITE.
    Sip(Box<pennyblack_sip::request::Request>),
}

impl<S: Sync> FromRequest<S> for Asked {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let (head, body) = request.into_parts();
        Ok(Self {
            client: head.extensions.get().map(|ClientAddress(client)| *client),
            id: head.extensions.get().cloned(),
            version: head.version,
            headers: head.headers,
            body: whole(body).await,
        })
    }
}

/// The switch hears only that it is refused; the operator reads here of whom, and by what.
fn refused(why: &str) {
    repeated_causes::warn("a request is refused", &why);
}

/// The listener has read it already, up to its limit.
async fn whole(body: Body) -> Bytes {
    let collected = body.collect().await;
    collected.map_or_else(|_| Bytes::new(), |body| body.to_bytes())
}

impl Asked {
    /// The name that the peer gave the request.
    pub(super) fn peers_id(&self) -> Option<&str> {
        self.id.as_ref()?.of_the_peer()
    }

    /// What a peer that may ask has sent, and its trunk. **Nothing is read of a body before its
    /// sender is known**, but for the form that has the key in it.
    pub(super) fn read(
        &self,
        resources: &Resources,
    ) -> Result<(Arc<KnownTrunk>, Content), Refusal> {
        self.require_allowed(resources)?;
        self.require_length()?;
        let media = Media::of(self.header(&CONTENT_TYPE)?)?;
        if media != Media::Form {
            let known = self.trunk(resources, None)?;
            return Ok((known, self.content(media)?));
        }
        require_json_accepted(self.header(&ACCEPT)?)?;
        let mut members = media.read(&self.body)?;
        let in_form = members.text("api_key", MAX_API_KEY)?;
        let known = self.trunk(resources, in_form.as_deref())?;
        Ok((known, Content::Members(members)))
    }

    /// The text that a peer that may ask has sent, and its trunk.
    pub(super) fn read_text(
        &self,
        resources: &Resources,
    ) -> Result<(Arc<KnownTrunk>, &str), Refusal> {
        self.require_allowed(resources)?;
        self.require_length()?;
        let known = self.trunk(resources, None)?;
        let text = std::str::from_utf8(&self.body);
        match text.map_err(|error| Refusal::Unreadable(error.to_string()))? {
            empty if empty.trim().is_empty() => Err(Refusal::NoBody),
            text => Ok((known, text)),
        }
    }

    fn content(&self, media: Media) -> Result<Content, Refusal> {
        if media == Media::Sip {
            let invite = sip_text::read(&self.body)?;
            return Ok(Content::Sip(Box::new(invite)));
        }
        require_json_accepted(self.header(&ACCEPT)?)?;
        Ok(Content::Members(media.read(&self.body)?))
    }

    /// The listener says from where a request comes; one of nowhere is not allowed.
    fn require_allowed(&self, resources: &Resources) -> Result<IpAddr, Refusal> {
        let address = self.client.ok_or(Refusal::Address)?;
        let in_force = resources.settings.current();
        let admitted = in_force.access.admit_address(address);
        admitted.inspect_err(|_| refused(&format!("{address} is not in http.allow")))?;
        Ok(address)
    }

    fn trunk(
        &self,
        resources: &Resources,
        in_form: Option<&str>,
    ) -> Result<Arc<KnownTrunk>, Refusal> {
        let address = self.require_allowed(resources)?;
        let in_force = resources.settings.current();
        let key = in_force.access.admit_key(&self.headers, in_form);
        let key = key.inspect_err(|_| {
            refused(&format!(
                "{address} sent no API key, or one that is not in http.api_keys"
            ));
        })?;
        let known = in_force.trunks.of(address, key.as_ref());
        known.map(Arc::clone).ok_or_else(|| {
            let key = key.map_or_else(String::new, |key| {
                format!(" with the API key {}", key.as_str())
            });
            refused(&format!(
                "addresses and api_keys of no [[trunk]] fit {address}{key}"
            ));
            Refusal::NoTrunk
        })
    }

    /// HTTP/1.1 alone has bodies whose end nobody knows. Chunked ones have an end.
    fn require_length(&self) -> Result<(), Refusal> {
        let has = |name| self.headers.contains_key(name);
        match self.version {
            Version::HTTP_10 | Version::HTTP_11
                if !has(CONTENT_LENGTH) && !has(TRANSFER_ENCODING) =>
            {
                Err(Refusal::NoLength)
            }
            _ => Ok(()),
        }
    }

    fn header(&self, name: &HeaderName) -> Result<Option<&str>, Refusal> {
        let value = self.headers.get(name).map(|value| value.to_str());
        let value = value.transpose();
        value.map_err(|_| Refusal::Unreadable(format!("{name} is not ASCII")))
    }
}
