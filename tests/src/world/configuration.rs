//! Configurations of an issuer and a CPS on free ports of this machine.

use std::path::Path;

use pennyblack_base::authority::Authority;
use pennyblack_cps::{AcceptedTokens, IssuerConfig};
use pennyblack_evidence::key_log_view::Demand;
use pennyblack_pki::PkiDirectory;
use pennyblack_runtime::config::PublicConfig;

use crate::port::free_port;

fn authority() -> Authority {
    format!("127.0.0.1:{}", free_port()).parse().unwrap()
}

/// Only the address differs from what a service has by default.
fn listen_at(name: &Authority, public: &mut PublicConfig) {
    public.listen = name.as_str().parse().unwrap();
}

pub(super) fn issuer_config(home: &Path, pki: &PkiDirectory) -> pennyblack_issuer::Config {
    let name = authority();
    let data = home.join("issuer-data");
    let mut config = pennyblack_issuer::Config::local(name.clone(), data, pki.roots_path());
    listen_at(&name, &mut config.public);
    config
}

pub(super) fn cps_config(
    home: &Path,
    pki: &PkiDirectory,
    issuer: &Authority,
) -> pennyblack_cps::Config {
    let name = authority();
    let issuer = IssuerConfig {
        authority: issuer.clone(),
        url: Some(format!("http://{issuer}")),
        tls_roots: None,
        voprf_keys: None,
        log: Demand::Published,
        log_key: None,
        tokens: AcceptedTokens::Own,
    };
    let data = home.join("cps-data");
    let mut config = pennyblack_cps::Config::local(name.clone(), data, pki.roots_path(), issuer);
    listen_at(&name, &mut config.public);
    config
}
