//! What a relay reads of the world: for each gateway, whom it trusts and who it is itself. A
//! start and `--check-config` do it here alike, and it is read again each minute and on
//! SIGHUP.

use std::error::Error;
use std::sync::Arc;

use pennyblack_http::{ClientCertificate, TlsClient, TrustRoots};
use pennyblack_runtime::reload::FromFiles;
use pennyblack_service::examination::examine;
use pennyblack_service::findings::Findings;
use pennyblack_service::start_error::{StartContext as _, StartError, blocking};
use pennyblack_service::tls::{self, TlsSettings};

use crate::config::{Config, GatewaySection};

/// How messages name certificate and key.
const SETTINGS: TlsSettings = TlsSettings {
    certificate: "gateway.client_certificate",
    key: "gateway.client_key",
};

/// TLS towards each gateway, in their order, as it was read last. **One file that cannot be
/// used keeps all as they were.**
pub(crate) type GatewayFiles = Arc<FromFiles<Vec<TlsClient>>>;

/// Why the files of a gateway cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the gateway {name:?}: {why}")]
struct FilesError {
    name: String,
    why: Box<dyn Error + Send + Sync>,
}

/// Reads them; nothing if some cannot be used.
pub(crate) async fn load(config: &Config, findings: &mut Findings) -> Option<GatewayFiles> {
    let gateways = config.gateway.clone();
    let read = blocking(move || {
        let each: Vec<_> = gateways.iter().map(|one| read(one).map(drop)).collect();
        let all = FromFiles::open("gateway", move || gateways.iter().map(read).collect());
        Ok((each, all.context("[[gateway]]")))
    });
    let (each, all) = findings.keep(read.await)?;
    let faults: Vec<_> = each.into_iter().filter_map(Result::err).collect();
    if faults.is_empty() {
        return findings.keep(all);
    }
    for fault in faults {
        findings.keep::<()>(Err(StartError::new("[[gateway]]", fault)));
    }
    None
}

fn read(gateway: &GatewaySection) -> Result<TlsClient, FilesError> {
    read_files(gateway).map_err(|why| FilesError {
        name: gateway.name.clone(),
        why,
    })
}

fn read_files(gateway: &GatewaySection) -> Result<TlsClient, Box<dyn Error + Send + Sync>> {
    let identity = gateway.identity().map(|files| tls::read(&files, SETTINGS));
    let certificate = identity.transpose()?;
    let certificate = certificate.map(|(chain, key)| ClientCertificate { chain, key });
    let roots = TrustRoots::only_or_system(gateway.tls_roots.clone());
    Ok(TlsClient::http2(&roots, certificate)?)
}

/// All that `--check-config` finds out. No gateway is asked.
pub(crate) async fn check(config: &Config) -> Findings {
    let mut findings = Findings::new();
    examine(config, &mut findings);
    let _ = load(config, &mut findings).await;
    if config.public.behind_proxy {
        findings.note(
            "public.behind_proxy: the proxy in front is one client for [clients], and it sees \
             who asks: end TLS here, if you can",
        );
    }
    let of_network = config
        .clients
        .at_once
        .saturating_mul(config.clients.network_times);
    if of_network as usize >= config.public.limits.requests {
        findings.note("clients.network_times: one network can take all of public.limits.requests");
    }
    findings
}
