//! Issuer, CPSs and relay, each a process of its own on this machine. CPSs and relay stand
//! behind doors, and are reached by lines. Not here: telephone gateways (`gateways`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::try_join_all;
use pennyblack_base::service_paths::OHTTP_GATEWAY_PATH;
use pennyblack_client::oblivious::RelayAddress;
use pennyblack_cps::IssuerConfig;
use pennyblack_evidence::key_log_view::Demand;
use pennyblack_http::ServiceAddress;
use pennyblack_issuer::signer::KeyType;
use pennyblack_pki::PkiDirectory;
use serde_json::json;

use super::cps::{CPSS, Cps, KILLED, NAMING, Shown};
use super::network::{Door, Host, Kept, Network};
use super::service::{Service, free_address};
use super::{DemoError, WhileDoing as _};

/// The SPC that may draw few tokens, and how many.
pub(super) const SMALL_QUOTA: (&str, u64) = ("1000", 64);

/// What the issuer is called.
const ISSUER: &str = "issuer.example";
/// The relay's own name, which nobody asks for.
const RELAY: &str = "relay.example";

/// An issuer, three CPSs and a relay.
pub(super) struct Services {
    issuer: Service,
    pub(super) cpss: Vec<Cps>,
    relay: Service,
    pub(super) issuer_address: ServiceAddress,
    pub(super) relay_door: Door,
}

impl Services {
    /// Starts the issuer, then the CPSs, and beside them the relay.
    pub(super) async fn start(
        directory: &Path,
        tokens: KeyType,
        pki: &PkiDirectory,
        network: &Network,
    ) -> Result<Self, DemoError> {
        let (issuer, relay) = (free_address()?, free_address()?);
        let issuer_address: ServiceAddress =
            format!("{ISSUER}=http://{issuer}").parse().during(NAMING)?;
        let (mut cpss, mut gateways) = (Vec::new(), Vec::new());
        for names in &CPSS {
            let issuer = taken_issuer(directory, &issuer_address);
            let cps = Cps::prepare(names, directory, pki, issuer, network).await?;
            let way = network.line(Host::Relay, cps.door.address).await?;
            gateways.push((names.short, way));
            cpss.push(cps);
        }
        let issuer_config = issuer_config(directory, tokens, pki, issuer)?;
        let relay_config = relay_config(relay, &gateways)?;
        let mut services = Self {
            issuer: Service::new("issuer", "issuer", directory, &issuer_config)?,
            cpss,
            relay: Service::new("relay", "relay", directory, &relay_config)?,
            issuer_address,
            relay_door: network.door(relay, Kept::RequestsAndAnswers).await?,
        };
        let Self {
            issuer,
            cpss,
            relay,
            ..
        } = &mut services;
        let issuer_and_cpss = async {
            issuer.start().await?;
            try_join_all(cpss.iter_mut().map(Cps::start)).await
        };
        tokio::try_join!(issuer_and_cpss, relay.start())?;
        Ok(services)
    }

    /// All CPSs, as they are reached from `host`.
    pub(super) async fn cpss_from(
        &self,
        host: Host,
        network: &Network,
    ) -> Result<Vec<ServiceAddress>, DemoError> {
        let mut addresses = Vec::new();
        for cps in &self.cpss {
            addresses.push(cps.from(host, network).await?);
        }
        Ok(addresses)
    }

    /// The first of them, as it is reached from `host`.
    pub(super) async fn first_cps_from(
        &self,
        host: Host,
        network: &Network,
    ) -> Result<ServiceAddress, DemoError> {
        let first = self.cpss.first().ok_or(DemoError::Never("the start"))?;
        first.from(host, network).await
    }

    /// The way to each CPS through the relay, as that is reached from `host`.
    pub(super) async fn relays_from(
        &self,
        host: Host,
        network: &Network,
    ) -> Result<Vec<RelayAddress>, DemoError> {
        relays_at(network.line(host, self.relay_door.address).await?)
    }

    /// The same as those know the relay who have no line to it.
    pub(super) fn public_relays(&self) -> Result<Vec<RelayAddress>, DemoError> {
        relays_at(self.relay_door.address)
    }

    /// The CPS that is killed.
    pub(super) fn killed(&mut self) -> Result<&mut Cps, DemoError> {
        let killed = self.cpss.iter_mut().find(|cps| *cps.names == KILLED);
        killed.ok_or(DemoError::Never("the start"))
    }

    /// What each CPS shows its operator.
    pub(super) async fn shown_by_cpss(&self) -> Result<Vec<Shown>, DemoError> {
        try_join_all(self.cpss.iter().map(Cps::shown)).await
    }

    /// What the relay shows its operator.
    pub(super) async fn shown_by_relay(&self) -> Result<Vec<Vec<u8>>, DemoError> {
        let metrics = self.relay.admin_page("/metrics").await?;
        Ok(vec![metrics.into_bytes()])
    }

    /// Stops all.
    pub(super) fn stop(&mut self) {
        self.issuer.kill();
        self.cpss.iter_mut().for_each(Cps::kill);
        self.relay.kill();
    }
}

fn relays_at(relay: SocketAddr) -> Result<Vec<RelayAddress>, DemoError> {
    let each = CPSS.iter().map(|cps| {
        let relay = format!("{}=http://{relay}/{}", cps.authority()?, cps.short);
        relay.parse().during(NAMING)
    });
    each.collect()
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

/// The issuer, as each CPS takes its tokens.
fn taken_issuer(directory: &Path, issuer: &ServiceAddress) -> IssuerConfig {
    IssuerConfig {
        authority: issuer.authority().clone(),
        url: Some(issuer.url("")),
        tls_roots: None,
        // Of no use to blind RSA. With other tokens one operator must run issuer and CPSs.
        voprf_keys: Some(issuer_keys(directory)),
        log: Demand::Required,
        log_key: None,
        tokens: pennyblack_cps::AcceptedTokens::Own,
    }
}

/// The gateways are the CPSs, by the relay's names and lines.
fn relay_config(
    listen: SocketAddr,
    gateways: &[(&str, SocketAddr)],
) -> Result<pennyblack_relay::Config, DemoError> {
    let gateways = gateways
        .iter()
        .map(|(name, at)| json!({"name": name, "url": format!("http://{at}{OHTTP_GATEWAY_PATH}")}));
    let sections = json!({
        "relay": {"authority": RELAY},
        "public": {"listen": listen},
        "gateway": gateways.collect::<Vec<_>>(),
    });
    serde_json::from_value(sections).during("configuring the relay")
}
