//! Many clients that nothing links, for services that send a request by each: the CAs are
//! read once, since a system's 146 certificates cost more than the request. Not here: what a
//! client does.

use std::sync::Arc;

use reqwest::Client;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::options::read_authorities;
use super::{HttpClient, HttpError, HttpOptions, TrustRoots};

/// Makes clients that have nothing in common but whom they trust.
#[derive(Debug, Clone)]
pub struct FreshClients {
    options: HttpOptions,
    tls: ClientConfig,
}

impl HttpOptions {
    /// Reads the CAs, for clients that are made by [`FreshClients::client`]. CAs that are
    /// renewed are read by the next call of this.
    ///
    /// # Errors
    /// [`HttpError::CaFile`] or [`HttpError::Tls`].
    pub fn fresh_clients(&self) -> Result<FreshClients, HttpError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(HttpError::Tls)?;
        let mut tls = match &self.trust_roots {
            TrustRoots::System => builder
                .dangerous()
                .with_custom_certificate_verifier(system_and(Vec::new(), provider)?)
                .with_no_client_auth(),
            TrustRoots::SystemAnd(file) => builder
                .dangerous()
                .with_custom_certificate_verifier(system_and(read_authorities(file)?, provider)?)
                .with_no_client_auth(),
            TrustRoots::Only(file) => builder
                .with_root_certificates(only(read_authorities(file)?)?)
                .with_no_client_auth(),
        };
        // **A session that is resumed says that two requests have one sender.**
        tls.resumption = Resumption::disabled();
        // One request: HTTP/2 would cost a round of settings first.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(FreshClients {
            options: self.clone(),
            tls,
        })
    }
}

/// The verifier that [`HttpOptions::client`] has, too.
fn system_and(
    ders: Vec<Vec<u8>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, HttpError> {
    let more = ders.into_iter().map(CertificateDer::from);
    let verifier = Verifier::new_with_extra_roots(more, provider).map_err(HttpError::Tls)?;
    Ok(Arc::new(verifier))
}

fn only(ders: Vec<Vec<u8>>) -> Result<RootCertStore, HttpError> {
    let mut roots = RootCertStore::empty();
    for der in ders {
        let added = roots.add(CertificateDer::from(der));
        added.map_err(HttpError::Tls)?;
    }
    Ok(roots)
}

impl FreshClients {
    /// A client with connections and TLS sessions of its own, for one request: it speaks
    /// HTTP/1.1.
    ///
    /// # Errors
    /// [`HttpError::Build`].
    pub fn client(&self) -> Result<HttpClient, HttpError> {
        let builder = Client::builder().tls_backend_preconfigured(self.tls.clone());
        self.options.build(builder.http1_only())
    }
}
