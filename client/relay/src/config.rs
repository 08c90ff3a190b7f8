//! The relay's configuration. Every key stands, with an explanation and its default, in
//! `client/relay/relay.example.toml` too, which a test reads.

mod gateway;

use std::collections::HashSet;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_http::KeptLimits;
use pennyblack_runtime::config::{
    AdminConfig, Configuration, ConfigurationError, LogConfig, PublicConfig,
};
use pennyblack_service::start::{CommonSections, ServiceConfig};
use serde::{Deserialize, Serialize};

pub use gateway::{GatewaySection, Never, ReplaceAfterBytes};

/// Everything that a relay is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[relay]`.
    pub relay: RelaySection,
    /// `[public]`: where clients ask.
    pub public: PublicConfig,
    /// `[admin]`.
    #[serde(default)]
    pub admin: AdminConfig,
    /// `[log]`.
    #[serde(default)]
    pub log: LogConfig,
    /// `[clients]`: how much one client may ask for.
    #[serde(default)]
    pub clients: ClientsSection,
    /// `[forward]`: how requests are passed on.
    #[serde(default)]
    pub forward: ForwardSection,
    /// `[[gateway]]`: those to which requests are passed on, and no others.
    pub gateway: Vec<GatewaySection>,
}

/// `[relay]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelaySection {
    /// The host, with the port unless it is 443, under which clients know this relay. No
    /// gateway may have it.
    pub authority: Authority,
}

/// `[clients]`. A client is an IPv4 address, or the first 64 bits of an IPv6 address; a
/// network is the first 24 of the one, or the first 48 of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientsSection {
    /// Requests a second, for which a client may save up one second's. Default: 100.
    pub requests_a_second: u32,
    /// Requests at one time. Default: 32.
    pub at_once: u32,
    /// As much as so many clients may ask for, all clients of one network may. Default: 4.
    pub network_times: u32,
}

impl Default for ClientsSection {
    fn default() -> Self {
        Self {
            requests_a_second: 100,
            at_once: 32,
            network_times: 4,
        }
    }
}

/// `[forward]`. The same for each gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardSection {
    /// Time from a whole request to the gateway's whole answer. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// Bytes of an answer. Default: 1060000, more than the largest of a CPS.
    pub answer_bytes: usize,
    /// Requests that a gateway gets at one time, half of them of one network at most. Default:
    /// 64, as many as a CPS takes on one connection.
    pub streams: u32,
    /// Requests that wait until one of these has been answered. Default: 1024.
    pub waiting: u32,
    /// How long one connection takes requests before a new one does. Default: 10min.
    #[serde(with = "humantime_serde")]
    pub replace_after: Duration,
    /// How many bytes of requests one connection takes before a new one does, for gateways
    /// that do not say otherwise. Default: 122880; a CPS that is asked without
    /// TLS ends a connection after 131072.
    pub replace_after_bytes: ReplaceAfterBytes,
}

impl Default for ForwardSection {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            answer_bytes: 1_060_000,
            streams: 64,
            waiting: 1024,
            replace_after: Duration::from_secs(600),
            replace_after_bytes: ReplaceAfterBytes::Bytes(120 * 1024),
        }
    }
}

impl ForwardSection {
    /// Of a connection to this gateway. Half of the time is for the answer.
    #[must_use]
    pub fn kept(&self, gateway: &GatewaySection) -> KeptLimits {
        let bytes = gateway.replace_after_bytes;
        KeptLimits {
            connect: self.deadline / 2,
            replace_after: self.replace_after,
            replace_after_bytes: bytes.unwrap_or(self.replace_after_bytes).most(),
            streams: self.streams,
        }
    }
}

impl Configuration for Config {
    const SERVICE: &'static str = "relay";
    // A sealed request has at most 9,400 bytes.
    const DEFAULTS: &'static str = "public.limits.body_bytes = 16384";

    fn check(&self) -> Result<(), ConfigurationError> {
        self.public.check()?;
        self.admin.check()?;
        self.admin.check_apart_from(&self.public)?;
        self.check_counts()?;
        self.check_deadline()?;
        self.check_gateways()
    }
}

impl ServiceConfig for Config {
    // For the limits of `[clients]`, and nothing else.
    const SHOWS_CLIENTS: bool = true;

    fn common(&self) -> CommonSections<'_> {
        CommonSections {
            authority: Some(&self.relay.authority),
            data_directory: None,
            public: &self.public,
            admin: &self.admin,
            log: &self.log,
        }
    }
}

impl Config {
    fn check_counts(&self) -> Result<(), ConfigurationError> {
        let (clients, forward) = (&self.clients, &self.forward);
        ConfigurationError::refuse_zeros([
            (
                "clients.requests_a_second",
                clients.requests_a_second as usize,
            ),
            ("clients.at_once", clients.at_once as usize),
            ("clients.network_times", clients.network_times as usize),
            ("forward.answer_bytes", forward.answer_bytes),
            ("forward.streams", forward.streams as usize),
        ])?;
        let (held, answer) = (self.public.limits.held_bytes, forward.answer_bytes);
        if answer > held / 8 {
            return Err(ConfigurationError::refused(
                "forward.answer_bytes",
                format!("eight answers of {answer} bytes do not fit into {held}"),
                "lower it, or raise public.limits.held_bytes",
            ));
        }
        Ok(())
    }

    fn check_deadline(&self) -> Result<(), ConfigurationError> {
        let (deadline, exchange) = (self.forward.deadline, self.public.limits.exchange);
        if !deadline.is_zero() && deadline < exchange {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "forward.deadline",
            "a client has its answer within public.limits.exchange, and a gateway needs some of \
             that time",
            "set a time such as \"5s\", less than public.limits.exchange",
        ))
    }

    fn check_gateways(&self) -> Result<(), ConfigurationError> {
        if self.gateway.is_empty() {
            return Err(ConfigurationError::refused(
                "gateway",
                "there is none, so every request would be refused",
                "add [[gateway]] with name and url",
            ));
        }
        let mut names = HashSet::new();
        for gateway in &self.gateway {
            gateway.check(&self.relay.authority)?;
            if !names.insert(&gateway.name) {
                return Err(ConfigurationError::refused(
                    "gateway.name",
                    format!("{:?} is the name of two gateways", gateway.name),
                    "give each a name of its own",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
