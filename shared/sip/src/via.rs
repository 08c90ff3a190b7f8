//! `Via`: where an answer goes (RFC 3261 sections 18.2 and 20.42, RFC 3581).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::grammar::{BLANKS, SyntaxError, find_outside, is_token};
use crate::header_name::VIA;
use crate::parameters::Parameters;
use crate::uri::HostPort;

/// SIP's port where none is said.
const DEFAULT_PORT: u16 = 5060;

/// One value of `Via`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    version: String,
    transport: String,
    sent_by: HostPort,
    parameters: Parameters,
}

impl FromStr for Via {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let malformed = SyntaxError::Malformed(VIA);
        let end = find_outside(text, ';').unwrap_or(text.len());
        let (sent, parameters) = text.split_at_checked(end).ok_or(malformed)?;
        let mut parts = sent.splitn(3, '/').map(|part| part.trim_matches(BLANKS));
        let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let (transport, sent_by) = rest.split_once(BLANKS).ok_or(malformed)?;
        if !name.eq_ignore_ascii_case("SIP") || !is_token(version) || !is_token(transport) {
            return Err(malformed);
        }
        Ok(Self {
            version: version.to_owned(),
            transport: transport.to_owned(),
            sent_by: HostPort::parse(sent_by.trim_matches(BLANKS))?,
            parameters: match parameters.strip_prefix(';') {
                Some(parameters) => Parameters::of_header(parameters, VIA)?,
                None => Parameters::default(),
            },
        })
    }
}

impl Via {
    /// Who sent the message, by its own account.
    #[must_use]
    pub const fn sent_by(&self) -> &HostPort {
        &self.sent_by
    }

    /// What the sender named the transaction.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.parameters.get("branch")
    }

    /// Where the answer to a datagram goes: with `rport` to the port that it came from,
    /// else to the one that the sender says (RFC 3261 section 18.2.2, RFC 3581 section 4).
    ///
    /// The address is always the one that it came from. `maddr` is not obeyed: its
    /// writer would choose whom we send datagrams to.
    #[must_use]
    pub fn reply_address(&self, source: SocketAddr) -> SocketAddr {
        if self.parameters.contains("rport") {
            return source;
        }
        // Of a link-local address it keeps by which link it is reached.
        let mut address = source;
        address.set_port(self.sent_by.port.unwrap_or(DEFAULT_PORT));
        address
    }

    /// The value with what the receiver adds: `received` and `rport`. What the sender
    /// wrote there is replaced.
    #[must_use]
    pub fn with_source(&self, source: SocketAddr) -> String {
        let mut text = format!("SIP/{}/{} {}", self.version, self.transport, self.sent_by);
        let is_ours = |name: &str| {
            name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport")
        };
        self.parameters.write(&mut text, |name| !is_ours(name));
        let asks_port = self.parameters.contains("rport");
        let address = source.ip().to_canonical();
        if asks_port || !self.sent_by.host.is_address(address) {
            // Writing to a String cannot fail.
            let _ = write!(text, ";received={address}");
        }
        if asks_port {
            let _ = write!(text, ";rport={}", source.port());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV6;

    use super::*;

    fn via(text: &str) -> Via {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn blanks_may_be_anywhere() {
        let read = via("SIP  /   2.0  /UDP     192.0.2.2 : 5070 ;rport ; branch =   390skdjuw");
        assert_eq!(read.branch(), Some("390skdjuw"));
        assert_eq!(read.sent_by().to_string(), "192.0.2.2:5070");
        assert_eq!(
            via("sip/2.0/TCP [2001:DB8::9:1];received=[::1]")
                .sent_by()
                .host
                .as_str(),
            "[2001:DB8::9:1]"
        );
    }

    #[test]
    fn an_answer_goes_to_the_address_that_asked() {
        let source: SocketAddr = "192.0.2.9:4711".parse().unwrap();
        for (text, port) in [
            ("SIP/2.0/UDP h:5070;branch=x", 5070),
            ("SIP/2.0/UDP h", 5060),
            ("SIP/2.0/UDP h:5070;rport", 4711),
            ("SIP/2.0/UDP h:5070;rport=1;received=198.51.100.1", 4711),
            ("SIP/2.0/UDP 198.51.100.1:5070;maddr=198.51.100.1", 5070),
        ] {
            let expected = SocketAddr::new(source.ip(), port);
            assert_eq!(via(text).reply_address(source), expected, "{text}");
        }
    }

    #[test]
    fn an_answer_to_a_link_local_address_goes_by_the_link_that_it_came_by() {
        let link_local = "fe80::1".parse().unwrap();
        let source = SocketAddr::V6(SocketAddrV6::new(link_local, 4711, 0, 7));
        let SocketAddr::V6(to) = via("SIP/2.0/UDP [fe80::1]:5070").reply_address(source) else {
            panic!("another family");
        };
        assert_eq!((to.port(), to.scope_id()), (5070, 7));
    }

    #[test]
    fn the_receiver_says_where_a_request_came_from() {
        let source: SocketAddr = "192.0.2.9:4711".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:9".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:192.0.2.9]:4711".parse().unwrap();
        for (text, source, written) in [
            (
                "SIP/2.0/UDP h;branch=x",
                source,
                "SIP/2.0/UDP h;branch=x;received=192.0.2.9",
            ),
            (
                "SIP/2.0/UDP 192.0.2.9:1;branch=x",
                source,
                "SIP/2.0/UDP 192.0.2.9:1;branch=x",
            ),
            ("SIP/2.0/UDP 192.0.2.9:1", mapped, "SIP/2.0/UDP 192.0.2.9:1"),
            (
                "SIP/2.0/UDP 192.0.2.9:1;rport;branch=x;received=6.6.6.6",
                source,
                "SIP/2.0/UDP 192.0.2.9:1;branch=x;received=192.0.2.9;rport=4711",
            ),
            (
                "SIP/2.0/UDP [2001:db8:0::1];a",
                v6,
                "SIP/2.0/UDP [2001:db8:0::1];a",
            ),
            (
                "SIP/2.0/UDP [::2]",
                v6,
                "SIP/2.0/UDP [::2];received=2001:db8::1",
            ),
        ] {
            assert_eq!(via(text).with_source(source), written);
        }
    }

    #[test]
    fn what_is_no_via_is_refused() {
        for text in [
            "",
            "x",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 h",
            "HTTP/2.0/UDP h",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP h;",
            "SIP/2.0/UDP h;;branch=x",
            "SIP/2.0/UDP h;branch=a;branch=b",
            "SIP/2.0/UDP h:0",
            "SIP/2.0/UDP h,",
            "SIP/2.0/UDP ü",
        ] {
            assert!(text.parse::<Via>().is_err(), "{text}");
        }
    }
}
