//! TLS of clients that are made without reqwest: the CAs are read once, for many
//! connections. Not here: what a connection is used for.

use std::fmt;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder};
use rustls_platform_verifier::Verifier;

use super::authorities::only;
use super::{HttpError, TrustRoots};

/// A client that trusts these CAs, of which a file has `named`.
pub(super) fn trusting(
    roots: &TrustRoots,
    named: Vec<Vec<u8>>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, HttpError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(HttpError::Tls)?;
    Ok(match roots {
        TrustRoots::System | TrustRoots::SystemAnd(_) | TrustRoots::SystemAndRenewed(_) => {
            let verifier = system_and(named, provider)?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        }
        TrustRoots::Only(_) => builder.with_root_certificates(only(named)?),
    })
}

/// The verifier that [`HttpOptions::client`](super::HttpOptions::client) has, too.
fn system_and(
    ders: Vec<Vec<u8>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, HttpError> {
    let more = ders.into_iter().map(CertificateDer::from);
    let verifier = Verifier::new_with_extra_roots(more, provider).map_err(HttpError::Tls)?;
    Ok(Arc::new(verifier))
}

/// A certificate by which a client shows who it is, and its key.
pub struct ClientCertificate {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the leaf.
    pub key: PrivateKeyDer<'static>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// Whom a client of HTTP/2 trusts, and who it is.
#[derive(Clone)]
pub struct TlsClient {
    pub(super) config: Arc<ClientConfig>,
    /// The CAs of the file, and the chain. The same chain has the same key: another one is
    /// refused.
    read: (Vec<Vec<u8>>, Vec<CertificateDer<'static>>),
}

impl PartialEq for TlsClient {
    fn eq(&self, other: &Self) -> bool {
        self.read == other.read
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Reads the CAs. Waits for the disk.
    ///
    /// # Errors
    /// [`HttpError::CaFile`]; [`HttpError::Tls`], also when key and certificate do not belong
    /// together.
    pub fn http2(
        roots: &TrustRoots,
        certificate: Option<ClientCertificate>,
    ) -> Result<Self, HttpError> {
        let named = roots.read()?;
        let builder = trusting(roots, named.clone())?;
        let (mut config, chain) = match certificate {
            None => (builder.with_no_client_auth(), Vec::new()),
            Some(ClientCertificate { chain, key }) => {
                let config = builder.with_client_auth_cert(chain.clone(), key);
                (config.map_err(HttpError::Tls)?, chain)
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            read: (named, chain),
        })
    }
}
