//! The sections that the configuration of every service has: `[public]`,
//! `[admin]` and `[log]`, with defaults and what must hold between their keys.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigurationError;

/// `[public]`: where the world is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicConfig {
    /// Address and port to listen at; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Says that a proxy in front ends TLS and that the way from it is trusted;
    /// only then is plain HTTP served at an address that is not loopback.
    /// Default: false.
    #[serde(default)]
    pub behind_proxy: bool,
    /// `[public.tls]`; without it plain HTTP is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// `[public.limits]`.
    #[serde(default)]
    pub limits: Limits,
}

/// `[public.tls]`: files in PEM form, read again each minute and on SIGHUP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key of the leaf (PKCS #8, SEC 1 or PKCS #1).
    pub key: PathBuf,
}

/// `[public.limits]`: how much, and for how long, one client may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections open at one time. A further one takes the place of those that have
    /// waited for their clients for longest; when the service works on a whole request
    /// of each, it is closed at once. Default: 4096.
    pub connections: usize,
    /// Requests worked on at one time, from the last byte of their bodies on;
    /// further ones are answered 503. Default: 1024.
    pub requests: usize,
    /// Requests open at one time on one HTTP/2 connection. Default: 64.
    pub streams: u32,
    /// Bytes of a request's header section. Default: 16384; an issuer's: 40960, since a
    /// JWT with its certificates may have 32768.
    pub header_bytes: u32,
    /// Bytes of a request's body. Default: 262144.
    pub body_bytes: usize,
    /// Bytes of all requests and answers that have begun and are not over: 8 KiB each,
    /// what has arrived, what the work on it needs, and what has not been taken. When
    /// they would be more, requests that wait for their clients are ended, first the
    /// one that has held most for longest; when none waits, a request is answered 503.
    /// Default: 134217728.
    pub held_bytes: usize,
    /// Time for the TLS handshake. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub handshake: Duration,
    /// Time from the start of a connection until its first request's header
    /// section has arrived. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub first_request: Duration,
    /// Time for a request's body to arrive after its header section. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub body_read: Duration,
    /// Time from a request's header section until its answer has been taken by
    /// the client. After it the HTTP/2 stream ends, and the connection when nothing
    /// else is open on it. Default: 10s.
    #[serde(with = "humantime_serde")]
    pub exchange: Duration,
    /// Time that a connection may stay open between requests, header section of
    /// the next one included. Default: 10s.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// How often an HTTP/2 client with open requests is asked whether it is
    /// still there, and how long it may take to answer. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// Time for open requests to finish once the service is asked to stop.
    /// Default: 10s.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            requests: 1024,
            streams: 64,
            header_bytes: 16 * 1024,
            body_bytes: 256 * 1024,
            held_bytes: 128 * 1024 * 1024,
            handshake: Duration::from_secs(5),
            first_request: Duration::from_secs(5),
            body_read: Duration::from_secs(5),
            exchange: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            keep_alive: Duration::from_secs(5),
            drain: Duration::from_secs(10),
        }
    }
}

/// Fewest `limits.held_bytes`: several of the largest answers fit.
const LEAST_HELD_BYTES: usize = 16 * 1024 * 1024;

/// How the public listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport<'a> {
    /// TLS with this certificate.
    Tls(&'a TlsConfig),
    /// Plain HTTP: to this machine only, or to a proxy that was vouched for.
    Plain,
}

impl PublicConfig {
    /// Plain HTTP at `listen`, with the default limits.
    #[must_use]
    pub fn plain(listen: SocketAddr) -> Self {
        Self {
            listen,
            behind_proxy: false,
            tls: None,
            limits: Limits::default(),
        }
    }

    /// How to speak at `listen`.
    ///
    /// # Errors
    /// [`ConfigurationError::Refused`] for plain HTTP beyond this machine that
    /// nobody vouched for.
    pub fn transport(&self) -> Result<Transport<'_>, ConfigurationError> {
        match &self.tls {
            Some(tls) => Ok(Transport::Tls(tls)),
            None if self.listen.ip().is_loopback() || self.behind_proxy => Ok(Transport::Plain),
            None => Err(ConfigurationError::refused(
                "public.listen",
                format!(
                    "{} can be reached from other machines, and there is no TLS",
                    self.listen
                ),
                "set public.tls.certificate and public.tls.key, listen at 127.0.0.1, or set \
                 public.behind_proxy = true if a proxy in front ends TLS",
            )),
        }
    }

    /// Checks what no single key can say.
    ///
    /// # Errors
    /// [`ConfigurationError::Refused`] naming the key.
    pub fn check(&self) -> Result<(), ConfigurationError> {
        self.transport()?;
        let limits = &self.limits;
        for (key, span) in [
            ("public.limits.handshake", limits.handshake),
            ("public.limits.first_request", limits.first_request),
            ("public.limits.body_read", limits.body_read),
            ("public.limits.exchange", limits.exchange),
            ("public.limits.idle", limits.idle),
            ("public.limits.keep_alive", limits.keep_alive),
        ] {
            if span.is_zero() {
                return Err(ConfigurationError::refused(
                    key,
                    "a time-out of zero lets no request through".to_owned(),
                    "set a time such as \"5s\"",
                ));
            }
        }
        ConfigurationError::refuse_zeros([
            ("public.limits.connections", limits.connections),
            ("public.limits.requests", limits.requests),
            ("public.limits.streams", limits.streams as usize),
        ])?;
        if limits.held_bytes < LEAST_HELD_BYTES {
            return Err(ConfigurationError::refused(
                "public.limits.held_bytes",
                format!(
                    "{} bytes are too few for one large answer",
                    limits.held_bytes
                ),
                "set 16777216 or more",
            ));
        }
        if limits.header_bytes < 8192 {
            return Err(ConfigurationError::refused(
                "public.limits.header_bytes",
                format!(
                    "{} bytes are too few for a token and two signatures",
                    limits.header_bytes
                ),
                "set 8192 or more",
            ));
        }
        Ok(())
    }
}

/// `[admin]`: metrics, health, readiness and what else there is for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port to listen at, plain HTTP; port 0 takes a free one.
    /// Default: 127.0.0.1:0.
    pub listen: SocketAddr,
    /// Allows an address that is not loopback: every machine that reaches it reads all of that.
    /// Default: false.
    pub reachable_from_other_machines: bool,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            reachable_from_other_machines: false,
        }
    }
}

impl AdminConfig {
    /// Checks that the admin page stays on this machine unless told otherwise.
    ///
    /// # Errors
    /// [`ConfigurationError::Refused`] naming the key.
    pub fn check(&self) -> Result<(), ConfigurationError> {
        if self.listen.ip().is_loopback() || self.reachable_from_other_machines {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "admin.listen",
            format!("{} can be reached from other machines", self.listen),
            "listen at 127.0.0.1, or set admin.reachable_from_other_machines = true",
        ))
    }

    /// Checks that the world is served at another address.
    ///
    /// # Errors
    /// [`ConfigurationError::Refused`] naming the key.
    pub fn check_apart_from(&self, public: &PublicConfig) -> Result<(), ConfigurationError> {
        let (own, others) = (self.listen, public.listen);
        let of_all = own.ip().is_unspecified() || others.ip().is_unspecified();
        let is_one = own.ip() == others.ip() || of_all;
        if own.port() == 0 || own.port() != others.port() || !is_one {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "admin.listen",
            format!("{own} and public.listen, {others}, are one port"),
            "choose another port for one of them",
        ))
    }
}

/// `[log]`: what is written to standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// The least urgent kind of message that is written. Default: info.
    pub level: LogLevel,
    /// In which form. Default: auto.
    pub format: LogFormat,
}

/// Kinds of messages, most urgent first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// No messages at all.
    Off,
    /// The service cannot do what it is for.
    Error,
    /// Something that an operator should look at.
    Warn,
    /// Starts, stops, new keys.
    #[default]
    Info,
    /// Each step; still nothing about clients.
    Debug,
}

/// How messages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: &PublicConfig) -> String {
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn plain_http_stays_on_this_machine_unless_a_proxy_is_vouched_for() {
        let mut config = PublicConfig::plain("192.0.2.1:80".parse().unwrap());
        let said = refusal(&config);
        assert!(said.contains("public.listen"), "{said}");
        assert!(said.contains("public.behind_proxy = true"), "{said}");
        config.behind_proxy = true;
        assert_eq!(config.transport().unwrap(), Transport::Plain);
        let local = PublicConfig::plain("[::1]:80".parse().unwrap());
        assert_eq!(local.transport().unwrap(), Transport::Plain);
    }

    #[test]
    fn a_time_out_of_zero_is_refused_by_name() {
        let mut config = PublicConfig::plain("127.0.0.1:0".parse().unwrap());
        config.check().unwrap();
        config.limits.idle = Duration::ZERO;
        assert!(refusal(&config).contains("public.limits.idle"));
    }

    #[test]
    fn the_admin_page_stays_on_this_machine_unless_told_otherwise() {
        let mut config = AdminConfig {
            listen: "0.0.0.0:9000".parse().unwrap(),
            ..AdminConfig::default()
        };
        assert!(
            config
                .check()
                .unwrap_err()
                .to_string()
                .contains("admin.listen")
        );
        config.reachable_from_other_machines = true;
        config.check().unwrap();
        for (public, is_refused) in [
            ("127.0.0.1:9000", true),
            ("[::]:9000", true),
            ("127.0.0.1:9001", false),
        ] {
            let public = PublicConfig::plain(public.parse().unwrap());
            assert_eq!(config.check_apart_from(&public).is_err(), is_refused);
        }
        AdminConfig::default().check().unwrap();
    }
}
