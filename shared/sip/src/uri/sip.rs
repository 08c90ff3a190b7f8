//! `sip:` and `sips:` URIs.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::host::{Host, HostPort};
use super::{TelUri, URI, is_verstat};
use crate::grammar::{MAX_PARTS, SyntaxError};
use crate::parameters::Parameters;

/// A `sip` or `sips` URI: `sip:user:password@host:port;parameters?headers`.
#[derive(Clone, PartialEq, Eq)]
pub struct SipUri {
    is_secure: bool,
    /// What is before the `@`.
    user: Option<String>,
    host_port: HostPort,
    parameters: Parameters,
    headers: Vec<(String, String)>,
}

impl SipUri {
    /// Reads what follows the scheme. The caller has checked the characters.
    pub(super) fn parse(is_secure: bool, text: &str) -> Result<Self, SyntaxError> {
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        if !user.is_none_or(is_user) || rest.contains('@') {
            return Err(SyntaxError::Malformed(URI));
        }
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, parse_headers(headers)?),
            None => (rest, Vec::new()),
        };
        let (host_port, parameters) = match rest.split_once(';') {
            Some((host_port, parameters)) => (host_port, Parameters::of_uri(parameters, URI)?),
            None => (rest, Parameters::default()),
        };
        Ok(Self {
            is_secure,
            user: user.map(str::to_owned),
            host_port: HostPort::parse(host_port)?,
            parameters,
            headers,
        })
    }

    /// The form of a `tel` URI at a host (RFC 3261 section 19.1.6).
    pub(super) fn for_phone(number: &TelUri, host_port: HostPort) -> Self {
        Self {
            is_secure: false,
            user: Some(number.subscriber()),
            host_port,
            parameters: Parameters::user_is_phone(),
            headers: Vec::new(),
        }
    }

    /// The same at another host.
    pub(super) fn at_host(&self, host_port: HostPort) -> Self {
        Self {
            host_port,
            ..self.clone()
        }
    }

    /// What is before the `@`, with escapes, and with a password if there is one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host_port.host
    }

    /// The port, if one is said.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.host_port.port
    }

    /// The URI's parameters, not those within the user part.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Whether headers are embedded.
    #[must_use]
    pub const fn has_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// The embedded headers, names and values without escapes. Bytes that are not UTF-8
    /// become U+FFFD.
    pub fn headers(&self) -> impl Iterator<Item = (String, String)> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        self.headers
            .iter()
            .map(move |(name, value)| (decoded(name), decoded(value)))
    }
}

/// The headers after the question mark. An empty list is malformed.
fn parse_headers(text: &str) -> Result<Vec<(String, String)>, SyntaxError> {
    let mut headers = Vec::new();
    for part in text.split('&') {
        if headers.len() >= MAX_PARTS {
            return Err(SyntaxError::TooManyParts(URI));
        }
        match part.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                headers.push((name.to_owned(), value.to_owned()));
            }
            _ => return Err(SyntaxError::Malformed(URI)),
        }
    }
    Ok(headers)
}

/// A user with parameters and perhaps a password, in which only a user has semicolons.
fn is_user(text: &str) -> bool {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let is_separator = |c: char| matches!(c, ';' | '?' | '/' | ':' | '[' | ']');
    !user.is_empty() && !user.contains(['[', ']']) && !password.contains(is_separator)
}

/// The user part without `verstat` parameters.
fn without_verstat(text: &str) -> String {
    let end = text.find(':').unwrap_or(text.len());
    let (user, password) = text.split_at_checked(end).unwrap_or((text, ""));
    let mut parts = user.split(';');
    let mut kept = parts.next().unwrap_or(user).to_owned();
    for part in parts {
        if !is_verstat(part.split('=').next().unwrap_or(part)) {
            kept.push(';');
            kept.push_str(part);
        }
    }
    kept + password
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            write!(f, "{}@", without_verstat(user))?;
        }
        let mut parameters = String::new();
        self.parameters
            .write(&mut parameters, |name| !is_verstat(name));
        write!(f, "{}{parameters}", self.host_port)?;
        for (at, (name, value)) in self.headers.iter().enumerate() {
            let sign = if at == 0 { '?' } else { '&' };
            write!(f, "{sign}{name}={value}")?;
        }
        Ok(())
    }
}

/// Shows no user part, which has the number.
impl fmt::Debug for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SipUri(..@{})", self.host_port)
    }
}
