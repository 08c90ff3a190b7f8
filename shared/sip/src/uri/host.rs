//! A host with an optional port, as URIs and `Via` have it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::grammar::{BLANKS, SyntaxError};

/// Longest name in the DNS.
const MAX_NAME: usize = 253;

/// A name, an IPv4 address, or an IPv6 address in brackets, as it came. Case does not
/// matter for equality.
#[derive(Debug, Clone, Eq)]
pub struct Host(String);

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// A host with its port, if one is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: Option<u16>,
}

impl Host {
    /// Reads a host.
    ///
    /// # Errors
    /// [`SyntaxError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let address = text.strip_prefix('[');
        let is_host = match address.and_then(|address| address.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(is_name_byte),
        };
        match is_host {
            true => Ok(Self(text.to_owned())),
            false => Err(SyntaxError::Malformed("a host")),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the address.
    #[must_use]
    pub fn is_address(&self, address: IpAddr) -> bool {
        let text = self.0.trim_start_matches('[').trim_end_matches(']');
        text.parse() == Ok(address)
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(address.to_string()),
            IpAddr::V6(address) => Self(format!("[{address}]")),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HostPort {
    /// Reads `host`, `host:port` or `[address]:port`, with blanks around the colon as
    /// `Via` may have them.
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let after_address = text.rfind(']').map_or(0, |at| at + 1);
        let colon = text
            .get(after_address..)
            .and_then(|rest| rest.find(':'))
            .map(|at| after_address + at);
        let Some((host, port)) = colon.and_then(|at| text.split_at_checked(at)) else {
            let host = Host::parse(text)?;
            return Ok(Self { host, port: None });
        };
        let port = port.trim_start_matches(':').trim_matches(BLANKS);
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(number) if digits && number != 0 => Ok(Self {
                host: Host::parse(host.trim_matches(BLANKS))?,
                port: Some(number),
            }),
            _ => Err(SyntaxError::Malformed("a port")),
        }
    }
}

impl FromStr for HostPort {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => self.host.fmt(f),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

/// Letters, digits and what joins them. The underscore is in no standard, but in use.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}
