//! HTTP messages as bytes (RFC 9292), of known and of indeterminate length. Reading is
//! strict: what HTTP/2 calls malformed is refused, and so are informational responses,
//! pseudo-fields, padding that is not zero and, unless asked for, trailers. Not here: what
//! a request asks for.

mod read;
mod write;

use std::fmt;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, StatusCode};
use pennyblack_base::wire::WireError;

use crate::encapsulation::MAX_REQUEST_SIZE;
use crate::size_class::LARGEST_RESPONSE;

/// How the parts of a message say where they end (RFC 9292 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A length stands in front of each part. What we send.
    KnownLength,
    /// A zero stands after each part.
    IndeterminateLength,
}

/// A request. Each part is one that HTTP allows; whether it fits the others, and this
/// service, is for who answers it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The scheme, which HTTP/2 calls `:scheme`.
    pub scheme: Scheme,
    /// `:authority`. None if it is empty; then the field `host` may say it.
    pub authority: Option<Authority>,
    /// `:path`, with its query.
    pub path: PathAndQuery,
    /// The header section.
    pub fields: HeaderMap,
    /// The content.
    pub content: Vec<u8>,
    /// The trailer section.
    pub trailers: HeaderMap,
}

/// A final response.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: StatusCode,
    /// The header section.
    pub fields: HeaderMap,
    /// The content.
    pub content: Vec<u8>,
    /// The trailer section.
    pub trailers: HeaderMap,
}

/// How much of a message is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Most bytes, with the padding.
    pub max_size: usize,
    /// Most fields of the header section, and of the trailer section.
    pub max_fields: usize,
    /// Whether a message may have trailers.
    pub trailers: bool,
}

impl Rules {
    /// What a gateway reads: all that it has opened. Others may pad by other rules.
    pub const REQUEST: Self = Self {
        max_size: MAX_REQUEST_SIZE,
        max_fields: 64,
        trailers: false,
    };
    /// What a client reads.
    pub const RESPONSE: Self = Self {
        max_size: LARGEST_RESPONSE,
        ..Self::REQUEST
    };
}

/// Bytes that are not a message, or one that is not read here. It names no content: a
/// request may say whom somebody calls.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BinaryHttpError {
    /// Longer than any that is read.
    #[error("binary HTTP message of {actual} bytes: at most {max} are read")]
    TooLong {
        /// Its bytes.
        actual: usize,
        /// Most that are read.
        max: usize,
    },
    /// A part ends too early.
    #[error("binary HTTP message: {0}")]
    Wire(#[from] WireError),
    /// Neither form of the message that is expected here (RFC 9292 section 3.3).
    #[error("binary HTTP message with the framing indicator {actual}: {expected}")]
    Framing {
        /// What it says.
        actual: u64,
        /// What it should say.
        expected: &'static str,
    },
    /// Not a method.
    #[error("binary HTTP request: its method is not a token (RFC 9110 section 9.1)")]
    Method,
    /// Not a scheme.
    #[error("binary HTTP request: its scheme is none, for example https")]
    Scheme,
    /// Not an authority.
    #[error("binary HTTP request: its authority is not a host with an optional port")]
    Authority,
    /// Two hosts, or another than the authority.
    #[error("binary HTTP request: the field host must stand there once and equal the authority")]
    Host,
    /// Not a path.
    #[error("binary HTTP request: its path is none, for example /v1/passports")]
    Path,
    /// A `content-length` that lies, or several.
    #[error("binary HTTP request: content-length must stand there once and count the content")]
    ContentLength,
    /// Not a final status.
    #[error("binary HTTP response with the status {0}: a final one is 200 to 599")]
    Status(u64),
    /// An informational response. An encapsulated answer comes all at once, so it says
    /// nothing (RFC 9458 section 5.1).
    #[error("binary HTTP message with the informational response {0}: only a final one is read")]
    Informational(u64),
    /// A field name that is empty, a pseudo-field, not in lower case, or no token.
    #[error("binary HTTP message: the name of field {0} is not a token in lower case")]
    FieldName(usize),
    /// A field value that HTTP/2 does not allow.
    #[error(
        "binary HTTP message: the value of field {0} begins or ends with white space, or has a control character"
    )]
    FieldValue(usize),
    /// More fields than are read.
    #[error("binary HTTP message: at most {0} fields are read")]
    TooManyFields(usize),
    /// Trailers where none are read.
    #[error("binary HTTP message: trailers are not read here")]
    Trailers,
    /// Padding that is not zero, or bytes after the end.
    #[error("binary HTTP message: what follows its end is not all zero")]
    Padding,
}

impl Request {
    /// A request for a path of a service, without fields and content.
    #[must_use]
    pub fn new(method: Method, authority: Authority, path: PathAndQuery) -> Self {
        Self {
            method,
            scheme: Scheme::HTTPS,
            authority: Some(authority),
            path,
            fields: HeaderMap::new(),
            content: Vec::new(),
            trailers: HeaderMap::new(),
        }
    }

    /// Whom it asks: `:authority`, or else the field `host`.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        match &self.authority {
            Some(authority) => Some(authority.as_str()),
            None => self.fields.get(http::header::HOST)?.to_str().ok(),
        }
    }
}

impl Response {
    /// A response without fields and content.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            fields: HeaderMap::new(),
            content: Vec::new(),
            trailers: HeaderMap::new(),
        }
    }
}

/// Without path, fields and content: they may say whom somebody calls, and hold tokens.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("fields", &self.fields.len())
            .field("content", &self.content.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("fields", &self.fields.len())
            .field("content", &self.content.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
