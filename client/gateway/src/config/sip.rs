//! `[sip]`: where switches ask by SIP, who may, and how they want to be answered.

mod words;

use std::time::Duration;

use ipnet::IpNet;
use pennyblack_runtime::config::ConfigurationError;
use pennyblack_sip::server::TableLimits;
use serde::{Deserialize, Serialize};

use super::Role;
pub use words::{CarryIn, NextHop, NoSocket, NothingToAdd, RedirectCode, SipListen, SipTransport};

/// `[sip]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SipSection {
    /// `[sip.limits]`: how much switches may hold, at each side.
    pub limits: SipLimits,
    /// `[sip.sign]`: for calls that leave. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<SipSide>,
    /// `[sip.verify]`: for calls that arrive. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<SipSide>,
}

/// `[sip.limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SipLimits {
    /// Most INVITEs that are remembered. The oldest that were answered make room for new ones.
    /// Default: 20000.
    pub transactions: usize,
    /// Most bytes of them and their answers: 34 kB and four times its headers are reserved for
    /// an INVITE that waits for its answer. Default: 67108864 (64 MiB).
    pub bytes: usize,
    /// Most INVITEs that are decided at once. Further ones are answered as if there were nothing
    /// to add. Default: 512.
    pub decisions: usize,
    /// Most TCP connections. Default: 256.
    pub connections: usize,
    /// How long a connection may bring nothing. Default: 10m.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// How long a message may take on a connection, to come or to be read. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub message: Duration,
}

impl Default for SipLimits {
    fn default() -> Self {
        let TableLimits {
            transactions,
            bytes,
        } = TableLimits::default();
        Self {
            transactions,
            bytes,
            decisions: 512,
            connections: 256,
            idle: Duration::from_secs(600),
            message: Duration::from_secs(5),
        }
    }
}

/// `[sip.sign]` or `[sip.verify]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipSide {
    /// Its sockets.
    pub listen: Vec<SipListen>,
    /// The networks that requests may come from. Others get 403. Default: all, if only this
    /// machine can ask. Read again on SIGHUP.
    #[serde(default)]
    pub allow: Vec<IpNet>,
    /// The code of a redirect. Default: 302.
    #[serde(default)]
    pub answer: RedirectCode,
    /// What a call is answered to which nothing is to be added. Default: 404.
    #[serde(default)]
    pub nothing: NothingToAdd,
    /// Where a redirect carries its headers. Default: both.
    #[serde(default)]
    pub carry: CarryIn,
    /// The host, with its port if need be, that calls are redirected to. Default: where they
    /// were going.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHop>,
}

impl SipSection {
    /// `[sip.sign]`, unless the role is to verify only.
    #[must_use]
    pub fn signing(&self, role: Role) -> Option<&SipSide> {
        self.sign.as_ref().filter(|_| role.signs())
    }

    /// `[sip.verify]`, unless the role is to sign only.
    #[must_use]
    pub fn verifying(&self, role: Role) -> Option<&SipSide> {
        self.verify.as_ref().filter(|_| role.verifies())
    }

    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        for (key, side) in [("sip.sign", &self.sign), ("sip.verify", &self.verify)] {
            side.as_ref().map_or(Ok(()), |side| side.check(key))?;
        }
        ConfigurationError::refuse_zeros([
            ("sip.limits.transactions", self.limits.transactions),
            ("sip.limits.decisions", self.limits.decisions),
            ("sip.limits.connections", self.limits.connections),
        ])?;
        let least = TableLimits::LEAST_BYTES;
        if self.limits.bytes < least {
            return Err(ConfigurationError::refused(
                "sip.limits.bytes",
                "the largest INVITE with its answer would have no room",
                format!("set it to at least {least}, or leave it out"),
            ));
        }
        Ok(())
    }
}

impl SipSide {
    /// **A switch that may ask spends tokens**, as in `[http]`; and here addresses are all there is
    /// to know a switch by.
    fn check(&self, key: &str) -> Result<(), ConfigurationError> {
        if self.listen.is_empty() {
            return Err(ConfigurationError::refused(
                format!("{key}.listen"),
                "there is no socket",
                "name one, such as \"udp:127.0.0.1:5060\", or leave the section out",
            ));
        }
        let far = self
            .listen
            .iter()
            .find(|socket| !socket.address.ip().is_loopback());
        match far {
            Some(socket) if self.allow.is_empty() => Err(ConfigurationError::refused(
                format!("{key}.allow"),
                format!("anyone who reaches {socket} could spend the tokens"),
                "name the addresses of your switches, such as [\"192.0.2.7/32\"]",
            )),
            _ => Ok(()),
        }
    }
}
