//! What is sent, so that it can be sent again.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};

use super::HttpError;

/// A request that can be sent again.
#[derive(Clone)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// The content.
    pub body: Bytes,
    /// Most bytes of an answer that are read.
    pub max_answer: usize,
    headers: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Request<'a> {
    /// A `GET`.
    #[must_use]
    pub const fn get(url: String, max_answer: usize) -> Self {
        Self {
            method: Method::GET,
            url,
            body: Bytes::new(),
            max_answer,
            headers: Vec::new(),
        }
    }

    /// A `POST` of `body`.
    #[must_use]
    pub fn post(url: String, body: impl Into<Bytes>, max_answer: usize) -> Self {
        Self {
            method: Method::POST,
            body: body.into(),
            ..Self::get(url, max_answer)
        }
    }

    /// A `PUT` of `body`.
    #[must_use]
    pub fn put(url: String, body: impl Into<Bytes>, max_answer: usize) -> Self {
        Self {
            method: Method::PUT,
            ..Self::post(url, body, max_answer)
        }
    }

    /// The same with one more header field. One of the same name is replaced.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with several more.
    #[must_use]
    pub fn headers(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        fields
            .into_iter()
            .fold(self, |request, (name, value)| request.header(name, value))
    }

    /// The same, sent by somebody who knows `credential` (RFC 6750).
    #[must_use]
    pub fn bearer(self, credential: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), format!("Bearer {credential}"))
    }

    /// The same, to be answered with 304 if the resource still has this tag.
    #[must_use]
    pub fn if_none_match(self, etag: &'a str) -> Self {
        self.header(IF_NONE_MATCH.as_str(), etag)
    }

    pub(super) fn is_conditional(&self) -> bool {
        let mut names = self.headers.iter().map(|(name, _)| name);
        names.any(|name| name.eq_ignore_ascii_case(IF_NONE_MATCH.as_str()))
    }

    /// Values that hold a token or an attestation are marked as secrets, so that
    /// no layer below prints them or puts them into a compression table.
    pub(super) fn header_map(&self) -> Result<HeaderMap, HttpError> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let unsendable = || HttpError::Header {
                url: self.url.clone(),
                name: (*name).to_owned(),
            };
            let mut value = HeaderValue::from_str(value).map_err(|_| unsendable())?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
            value.set_sensitive(name == AUTHORIZATION);
            map.insert(name, value);
        }
        Ok(map)
    }
}

impl fmt::Debug for Request<'_> {
    /// Shows neither header values nor the content: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}
