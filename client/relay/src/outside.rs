//! What a relay reads of the world: for each gateway, whom it trusts and who it is itself. A
//! start and `--check-config` do it here alike, and it is read again each minute and on
//! SIGHUP.

use std::sync::Arc;

use pennyblack_http::{ClientCertificate, HttpError, TlsClient, TrustRoots};
use pennyblack_runtime::reload::FromFiles;
use pennyblack_service::examination::examine;
use pennyblack_service::findings::Findings;
use pennyblack_service::start_error::{StartContext as _, StartError, blocking};
use pennyblack_service::tls::{self, TlsError, TlsSettings};

use crate::config::{Config, GatewaySection};

/// How messages name certificate and key.
const SETTINGS: TlsSettings = TlsSettings {
    certificate: "gateway.client_certificate",
    key: "gateway.client_key",
};

/// TLS towards a gateway, as it was read last.
pub(crate) type GatewayFiles = Arc<FromFiles<TlsClient>>;

/// Why the files of a gateway cannot be used.
#[derive(Debug, thiserror::Error)]
enum FilesError {
    #[error(transparent)]
    Identity(#[from] TlsError),
    #[error("gateway.tls_roots, gateway.client_certificate: {0}")]
    Client(#[from] HttpError),
}

/// Those of each gateway, in their order; nothing if some cannot be used.
pub(crate) async fn load(config: &Config, findings: &mut Findings) -> Option<Vec<GatewayFiles>> {
    let gateways = config.gateway.clone();
    let read = blocking(move || Ok(gateways.into_iter().map(open).collect::<Vec<_>>()));
    let files = findings.keep(read.await)?;
    let files: Vec<_> = files.into_iter().map(|read| findings.keep(read)).collect();
    files.into_iter().collect()
}

fn open(gateway: GatewaySection) -> Result<GatewayFiles, StartError> {
    let name = format!("the gateway {:?}", gateway.name);
    FromFiles::open("gateway", move || read(&gateway)).context(name)
}

fn read(gateway: &GatewaySection) -> Result<TlsClient, FilesError> {
    let identity = gateway.identity().map(|files| tls::read(&files, SETTINGS));
    let identity = identity.transpose()?;
    let certificate = identity.map(|(chain, key)| ClientCertificate { chain, key });
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
    findings
}
