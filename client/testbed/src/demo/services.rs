//! Issuer, CPS and relay, each a process of its own on this machine. CPS and relay stand
//! behind doors, and are reached by lines. Not here: telephone gateways (`gateways`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::service_paths::OHTTP_GATEWAY_PATH;
use pennyblack_client::oblivious::RelayAddress;
use pennyblack_cps::ObliviousConfig;
use pennyblack_evidence::key_log_view::Demand;
use pennyblack_http::ServiceAddress;
use pennyblack_issuer::signer::KeyType;
use pennyblack_pki::PkiDirectory;
use serde_json::json;

use super::network::{Door, Host, Kept, Network};
use super::service::{Service, free_address};
use super::{DemoError, WhileDoing as _};

/// The SPC that may draw few tokens, and how many.
pub(super) const SMALL_QUOTA: (&str, u64) = ("1000", 64);

/// What the services are called.
const ISSUER: &str = "issuer.example";
const CPS: &str = "cps.example";
const RELAY: &str = "relay.example";
/// The relay's name for the CPS.
const CPS_AT_RELAY: &str = "cps";

const NAMING: &str = "naming a service";

/// Issuer, CPS and relay.
pub(super) struct Services {
    issuer: Service,
    cps: Service,
    relay: Service,
    pub(super) issuer_address: ServiceAddress,
    pub(super) cps_door: Door,
    pub(super) relay_door: Door,
}

impl Services {
    /// Starts the issuer, then the CPS, and beside them the relay.
    pub(super) async fn start(
        directory: &Path,
        tokens: KeyType,
        pki: &PkiDirectory,
        network: &Network,
    ) -> Result<Self, DemoError> {
        let (issuer, cps, relay) = (free_address()?, free_address()?, free_address()?);
        let cps_door = network.door(cps, Kept::Requests).await?;
        let relay_door = network.door(relay, Kept::RequestsAndAnswers).await?;
        let gateway = network.line(Host::Relay, cps_door.address).await?;
        let issuer_config = issuer_config(directory, tokens, pki, issuer)?;
        let cps_config = cps_config(directory, pki, cps, issuer)?;
        let mut services = Self {
            issuer: Service::new("issuer", "issuer", directory, &issuer_config)?,
            cps: Service::new("cps", "cps", directory, &cps_config)?,
            relay: Service::new("relay", "relay", directory, &relay_config(relay, gateway)?)?,
            issuer_address: address(ISSUER, issuer)?,
            cps_door,
            relay_door,
        };
        let Self {
            issuer, cps, relay, ..
        } = &mut services;
        let issuer_and_cps = async {
            issuer.start().await?;
            cps.start().await
        };
        tokio::try_join!(issuer_and_cps, relay.start())?;
        Ok(services)
    }

    /// The CPS, as it is reached from `host`.
    pub(super) async fn cps_from(
        &self,
        host: Host,
        network: &Network,
    ) -> Result<ServiceAddress, DemoError> {
        address(CPS, network.line(host, self.cps_door.address).await?)
    }

    /// The relay, as it is reached from `host`.
    pub(super) async fn relay_from(
        &self,
        host: Host,
        network: &Network,
    ) -> Result<RelayAddress, DemoError> {
        let relay = network.line(host, self.relay_door.address).await?;
        let relay = format!("http://{relay}/{CPS_AT_RELAY}");
        relay.parse().during(NAMING)
    }

    /// Kills the CPS in the middle of whatever it does.
    pub(super) fn kill_cps(&mut self) {
        self.cps.kill();
    }

    /// Starts it again, on what its disk holds.
    pub(super) async fn restart_cps(&mut self) -> Result<(), DemoError> {
        self.cps.start().await
    }

    /// What the CPS shows its operator.
    pub(super) async fn shown_by_cps(&self) -> Result<Shown, DemoError> {
        let metrics = self.cps.admin_page("/metrics").await?;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("pennyblack_cps_stored_total"));
        let value = line.and_then(|line| line.rsplit(' ').next());
        let spent = value.and_then(|value| value.parse().ok()).unwrap_or(0);
        let mut pages = vec![metrics.into_bytes()];
        for path in ["/", "/status.json", "/double-spends.json"] {
            pages.push(self.cps.admin_page(path).await?.into_bytes());
        }
        Ok(Shown { spent, pages })
    }

    /// What the relay shows its operator.
    pub(super) async fn shown_by_relay(&self) -> Result<Vec<Vec<u8>>, DemoError> {
        let metrics = self.relay.admin_page("/metrics").await?;
        Ok(vec![metrics.into_bytes()])
    }

    /// Stops all.
    pub(super) fn stop(&mut self) {
        self.issuer.kill();
        self.cps.kill();
        self.relay.kill();
    }
}

/// What the CPS shows its operator.
pub(super) struct Shown {
    /// Tokens that the CPS took since it was last started, by its own metrics.
    pub(super) spent: u64,
    pub(super) pages: Vec<Vec<u8>>,
}

/// A service by its name, at this address.
fn address(name: &str, at: SocketAddr) -> Result<ServiceAddress, DemoError> {
    format!("{name}=http://{at}").parse().during(NAMING)
}

/// The CPS's name.
pub(super) fn cps_name() -> Result<Authority, DemoError> {
    CPS.parse().during(NAMING)
}

/// Where the issuer keeps its token keys.
pub(super) fn issuer_keys(directory: &Path) -> PathBuf {
    directory.join("issuer").join("keys")
}

fn issuer_config(
    directory: &Path,
    tokens: KeyType,
    pki: &PkiDirectory,
    listen: SocketAddr,
) -> Result<pennyblack_issuer::Config, DemoError> {
    let mut config = pennyblack_issuer::Config::local(
        ISSUER.parse().during(NAMING)?,
        directory.join("issuer"),
        pki.roots_path(),
    );
    config.public.listen = listen;
    config.token_keys.token_type = tokens;
    config.trust.revocation_lists = Some(pki.revocation_path());
    config.trust.reload = Duration::from_secs(1);
    let (spc, tokens) = SMALL_QUOTA;
    config
        .quota
        .subject
        .push(pennyblack_issuer::config::SubjectQuota {
            name: format!("spc:{spc}"),
            tokens,
        });
    Ok(config)
}

fn cps_config(
    directory: &Path,
    pki: &PkiDirectory,
    listen: SocketAddr,
    issuer: SocketAddr,
) -> Result<pennyblack_cps::Config, DemoError> {
    let issuer = pennyblack_cps::IssuerConfig {
        authority: ISSUER.parse().during(NAMING)?,
        url: Some(format!("http://{issuer}")),
        tls_roots: None,
        // One operator runs both here; of no use to blind RSA.
        voprf_keys: Some(issuer_keys(directory)),
        log: Demand::Required,
        log_key: None,
    };
    let mut config =
        pennyblack_cps::Config::local(cps_name()?, directory.join("cps"), pki.roots_path(), issuer);
    config.public.listen = listen;
    config.trust.revocation_lists = Some(pki.revocation_path());
    config.oblivious = Some(ObliviousConfig::default());
    Ok(config)
}

/// `gateway` is the CPS, by the relay's line.
fn relay_config(
    listen: SocketAddr,
    gateway: SocketAddr,
) -> Result<pennyblack_relay::Config, DemoError> {
    let sections = json!({
        "relay": {"authority": RELAY},
        "public": {"listen": listen},
        "gateway": [{
            "name": CPS_AT_RELAY,
            "url": format!("http://{gateway}{OHTTP_GATEWAY_PATH}"),
        }],
    });
    serde_json::from_value(sections).during("configuring the relay")
}
