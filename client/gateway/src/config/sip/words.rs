//! The values of `[sip]`, as they are written.

use std::fmt;
use std::net::SocketAddr;

use pennyblack_sip::SyntaxError;
use pennyblack_sip::answer::{Carry, Redirection};
use pennyblack_sip::uri::HostPort;
use serde::{Deserialize, Serialize};

/// A socket: `udp:192.0.2.1:5060` or `tcp:[2001:db8::1]:5060`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SipListen {
    /// How messages come.
    pub transport: SipTransport,
    /// Where to.
    pub address: SocketAddr,
}

/// How SIP messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SipTransport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

/// A text that names no socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write \"udp:192.0.2.1:5060\" or \"tcp:192.0.2.1:5060\", with the address of an interface")]
pub struct NoSocket;

impl TryFrom<String> for SipListen {
    type Error = NoSocket;

    fn try_from(text: String) -> Result<Self, NoSocket> {
        let (transport, address) = text.split_once(':').ok_or(NoSocket)?;
        let transport = match transport {
            "udp" => SipTransport::Udp,
            "tcp" => SipTransport::Tcp,
            _ => return Err(NoSocket),
        };
        let address = address.parse().map_err(|_| NoSocket)?;
        Ok(Self { transport, address })
    }
}

impl From<SipListen> for String {
    fn from(socket: SipListen) -> Self {
        socket.to_string()
    }
}

impl fmt::Display for SipListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            SipTransport::Udp => "udp",
            SipTransport::Tcp => "tcp",
        };
        write!(f, "{transport}:{}", self.address)
    }
}

/// The code of a redirect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum RedirectCode {
    /// 300, as Ribbon's answers.
    MultipleChoices,
    /// 302, as ClearIP's.
    #[default]
    MovedTemporarily,
}

impl TryFrom<u16> for RedirectCode {
    type Error = &'static str;

    fn try_from(code: u16) -> Result<Self, Self::Error> {
        match code {
            300 => Ok(Self::MultipleChoices),
            302 => Ok(Self::MovedTemporarily),
            _ => Err("a redirect is 302 or 300"),
        }
    }
}

impl From<RedirectCode> for u16 {
    fn from(code: RedirectCode) -> Self {
        match code {
            RedirectCode::MultipleChoices => 300,
            RedirectCode::MovedTemporarily => 302,
        }
    }
}

impl From<RedirectCode> for Redirection {
    fn from(code: RedirectCode) -> Self {
        match code {
            RedirectCode::MultipleChoices => Self::MultipleChoices,
            RedirectCode::MovedTemporarily => Self::MovedTemporarily,
        }
    }
}

/// What a call is answered to which nothing is to be added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NothingText", into = "NothingText")]
pub enum NothingToAdd {
    /// 404.
    #[default]
    NotFound,
    /// 503.
    ServiceUnavailable,
    /// The redirect, without headers.
    Redirect,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum NothingText {
    Code(u16),
    Word(String),
}

/// The word for a redirect without headers, whatever its code.
const REDIRECT_WITHOUT: &str = "302-without";

impl TryFrom<NothingText> for NothingToAdd {
    type Error = &'static str;

    fn try_from(text: NothingText) -> Result<Self, Self::Error> {
        match text {
            NothingText::Code(404) => Ok(Self::NotFound),
            NothingText::Code(503) => Ok(Self::ServiceUnavailable),
            NothingText::Word(word) if word == REDIRECT_WITHOUT => Ok(Self::Redirect),
            _ => Err("write 404, 503 or \"302-without\""),
        }
    }
}

impl From<NothingToAdd> for NothingText {
    fn from(nothing: NothingToAdd) -> Self {
        match nothing {
            NothingToAdd::NotFound => Self::Code(404),
            NothingToAdd::ServiceUnavailable => Self::Code(503),
            NothingToAdd::Redirect => Self::Word(REDIRECT_WITHOUT.to_owned()),
        }
    }
}

/// Where a redirect carries its headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CarryIn {
    /// As headers of the answer.
    Header,
    /// In the URI of `Contact`.
    Contact,
    /// Both.
    #[default]
    Both,
}

impl From<CarryIn> for Carry {
    fn from(carry: CarryIn) -> Self {
        match carry {
            CarryIn::Header => Self::Header,
            CarryIn::Contact => Self::Contact,
            CarryIn::Both => Self::Both,
        }
    }
}

/// A host, with its port if need be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NextHop(pub HostPort);

impl TryFrom<String> for NextHop {
    type Error = SyntaxError;

    fn try_from(text: String) -> Result<Self, SyntaxError> {
        text.parse().map(Self)
    }
}

impl From<NextHop> for String {
    fn from(NextHop(host): NextHop) -> Self {
        host.to_string()
    }
}
