//! Where a request comes from. Only a service that says so learns it
//! ([`ServiceConfig::SHOWS_CLIENTS`](crate::start::ServiceConfig)): an issuer and a CPS must
//! not.

use std::net::{IpAddr, SocketAddr};

/// The address at the other end of a connection: of the client, or of the proxy in front. It
/// is among the extensions of each request of a service that shows clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// An IPv4 address that came over an IPv6 socket is one of IPv4 again, so that it matches
    /// networks that are written so.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self(address.ip().to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_client() {
        for (socket, address) in [
            ("[::ffff:10.0.0.1]:5060", "10.0.0.1"),
            ("10.0.0.1:5060", "10.0.0.1"),
            ("[2001:db8::1]:5060", "2001:db8::1"),
        ] {
            let shown = ClientAddress::of(socket.parse().unwrap());
            assert_eq!(shown.0.to_string(), address);
        }
    }
}
