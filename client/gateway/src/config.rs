//! The gateway's configuration. Every key stands, with an explanation and its default, in
//! `client/gateway/gateway.example.toml` too, which a test reads.

mod oblivious;
mod sides;
pub mod sip;
mod trunk;

use std::path::PathBuf;

use ipnet::IpNet;
use pennyblack_engine::SigningConfig;
use pennyblack_http::{HttpError, HttpOptions, RenewedAuthorities, TrustRoots};
use pennyblack_runtime::config::{
    AdminConfig, Configuration, ConfigurationError, LogConfig, PublicConfig,
};
use pennyblack_runtime::reload::Reload;
use pennyblack_service::start::{CommonSections, ServiceConfig};
use pennyblack_sip::answer::ReasonProtocol;
use serde::{Deserialize, Serialize};

pub use oblivious::ObliviousSection;
pub use sides::{SpcTrust, StoreSection, TrustSection, VerifySection};
pub use sip::SipSection;
pub use trunk::{Attest, OrigFrom, TrunkSection};

/// Everything that a gateway is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[gateway]`.
    pub gateway: GatewaySection,
    /// `[public]`: where switches ask over HTTP.
    pub public: PublicConfig,
    /// `[http]`: who may ask there, and below which path.
    #[serde(default)]
    pub http: HttpSection,
    /// `[admin]`.
    #[serde(default)]
    pub admin: AdminConfig,
    /// `[log]`.
    #[serde(default)]
    pub log: LogConfig,
    /// `[calls]`: a line for each call.
    #[serde(default)]
    pub calls: CallsSection,
    /// `[network]`: how CPSs are reached.
    #[serde(default)]
    pub network: NetworkSection,
    /// `[oblivious]`: relays that requests go through.
    #[serde(default)]
    pub oblivious: ObliviousSection,
    /// `[trust]`: whose certificates count.
    pub trust: TrustSection,
    /// `[signing]`: how long a switch waits.
    #[serde(default)]
    pub signing: SigningConfig,
    /// `[store]`: where calls are stored; for the roles `sign` and `both`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSection>,
    /// `[verify]`: which mailboxes are followed; for the roles `verify` and `both`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifySection>,
    /// `[sip]`: where switches ask by SIP.
    #[serde(default)]
    pub sip: SipSection,
    /// `[policy]`.
    #[serde(default)]
    pub policy: PolicySection,
    /// `[[trunk]]`: the switches, first match first. Read again on SIGHUP.
    #[serde(default)]
    pub trunk: Vec<TrunkSection>,
}

/// `[gateway]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySection {
    /// What it does.
    #[serde(default)]
    pub role: Role,
}

/// Which side of calls a gateway is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Outgoing calls: the OOB-AS.
    Sign,
    /// Incoming calls: the OOB-VS.
    Verify,
    /// Both.
    #[default]
    Both,
}

impl Role {
    /// Whether outgoing calls are signed and stored.
    #[must_use]
    pub const fn signs(self) -> bool {
        matches!(self, Self::Sign | Self::Both)
    }

    /// Whether incoming calls are verified.
    #[must_use]
    pub const fn verifies(self) -> bool {
        matches!(self, Self::Verify | Self::Both)
    }
}

/// `[http]`. Read again on SIGHUP, but for `root`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSection {
    /// What stands before `/stir/v1/signing` and `/stir/v1/verification`, such as `/pb`.
    /// Default: nothing.
    pub root: String,
    /// The networks that requests may come from. Default: all.
    pub allow: Vec<IpNet>,
    /// A file of API keys, one of which a request must have. Default: none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_keys: Option<PathBuf>,
}

/// `[policy]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySection {
    /// The form of the `Reason` header of a call that failed. Default: SIP.
    pub reason_header: ReasonHeader,
    /// Whether a call of SIP whose verification failed is answered 603, which ends it.
    /// Default: false.
    pub block_failed: bool,
}

/// How `Reason` tells why verification failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReasonHeader {
    /// `SIP;cause=438` (RFC 3326).
    #[default]
    #[serde(rename = "SIP")]
    Sip,
    /// `STIR;cause=438` (RFC 9410).
    #[serde(rename = "STIR")]
    Stir,
    /// No such header.
    #[serde(rename = "off")]
    Off,
}

impl ReasonHeader {
    /// The protocol that it names.
    #[must_use]
    pub const fn protocol(self) -> Option<ReasonProtocol> {
        match self {
            Self::Sip => Some(ReasonProtocol::Sip),
            Self::Stir => Some(ReasonProtocol::Stir),
            Self::Off => None,
        }
    }
}

/// `[calls]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallsSection {
    /// A file that gets a line of JSON for each call, opened again on SIGHUP. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// What of telephone numbers is in it. Default: never.
    pub numbers: Numbers,
}

/// How much of a telephone number is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// Nothing.
    #[default]
    Never,
    /// The last four digits.
    Last4,
    /// All of it.
    Full,
}

/// `[network]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSection {
    /// PEM file of certification authorities to trust besides the system's. Read again each
    /// minute and on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Proxy to go through: `http://` and a host with its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

impl NetworkSection {
    /// How services are reached, with CAs that `reload` reads again. Waits for the disk.
    ///
    /// # Errors
    /// [`HttpError::CaFile`].
    pub fn open(&self, reload: &Reload) -> Result<HttpOptions, HttpError> {
        let file = self.ca_file.clone();
        let renewed = file.map(|file| RenewedAuthorities::open("network.ca_file", file, reload));
        Ok(HttpOptions {
            trust_roots: renewed
                .transpose()?
                .map_or(TrustRoots::System, TrustRoots::SystemAndRenewed),
            proxy: self.proxy.clone(),
            ..HttpOptions::default()
        })
    }
}

impl Configuration for Config {
    const SERVICE: &'static str = "gateway";
    // A request is small, and a switch keeps its connections for the next call.
    const DEFAULTS: &'static str = "public.limits.body_bytes = 65536\npublic.limits.idle = \"60s\"";

    fn check(&self) -> Result<(), ConfigurationError> {
        self.public.check()?;
        self.admin.check()?;
        self.check_root()?;
        self.check_openness()?;
        self.check_sides()?;
        sides::check_signing(&self.signing)?;
        self.oblivious.check(self.storing())?;
        self.sip.check()?;
        trunk::check(&self.trunk, self.http.api_keys.is_some())
    }
}

impl ServiceConfig for Config {
    const SHOWS_CLIENTS: bool = true;

    fn common(&self) -> CommonSections<'_> {
        CommonSections {
            authority: None,
            data_directory: None,
            public: &self.public,
            admin: &self.admin,
            log: &self.log,
        }
    }
}

impl Config {
    /// `[store]`, if calls are signed and stored.
    #[must_use]
    pub fn storing(&self) -> Option<&StoreSection> {
        self.store.as_ref().filter(|_| self.gateway.role.signs())
    }

    /// `[verify]`, if calls are verified.
    #[must_use]
    pub fn verifying(&self) -> Option<&VerifySection> {
        self.verify
            .as_ref()
            .filter(|_| self.gateway.role.verifies())
    }

    fn check_root(&self) -> Result<(), ConfigurationError> {
        let root = &self.http.root;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let is_path = root.starts_with('/') && !root.ends_with('/') && root.bytes().all(is_plain);
        if root.is_empty() || is_path {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "http.root",
            format!("{root:?} is no beginning of a path"),
            "write it as \"/carrier-a\", with letters, digits and -._~ only, or leave it out",
        ))
    }

    /// **A switch that may ask spends tokens.** So a gateway that others reach says who may.
    fn check_openness(&self) -> Result<(), ConfigurationError> {
        let is_local = self.public.listen.ip().is_loopback();
        let says_who = !self.http.allow.is_empty() || self.http.api_keys.is_some();
        if is_local || says_who {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "http.allow",
            format!(
                "anyone who reaches {} could spend the tokens",
                self.public.listen
            ),
            "name the networks of your switches, such as [\"10.0.0.0/8\"], or set http.api_keys",
        ))
    }

    fn check_sides(&self) -> Result<(), ConfigurationError> {
        let role = self.gateway.role;
        let refused = |key: &str, side: &str| {
            Err(ConfigurationError::refused(
                key,
                format!("there is no [{key}], and the role is to {side}"),
                format!("add [{key}], or change gateway.role"),
            ))
        };
        match (&self.store, &self.verify) {
            (None, _) if role.signs() => refused("store", "sign and store calls"),
            (_, None) if role.verifies() => refused("verify", "verify calls"),
            (store, verify) => {
                if let Some(store) = store {
                    store.check()?;
                }
                verify
                    .as_ref()
                    .map_or(Ok(()), |verify| verify.check(store.as_ref()))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
