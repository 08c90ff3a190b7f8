//! TLS of clients that are made without reqwest: the CAs are read once, for many
//! connections. Not here: what a connection is used for.

use std::fmt;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::options::read_authorities;
use super::{HttpError, TrustRoots};

/// A client that trusts these CAs. Waits for the disk.
pub(super) fn trusting(
    roots: &TrustRoots,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, HttpError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(HttpError::Tls)?;
    let verified = |more| {
        let verifier = system_and(more, provider)?;
        let builder = builder.clone().dangerous();
        Ok(builder.with_custom_certificate_verifier(verifier))
    };
    match roots {
        TrustRoots::System => verified(Vec::new()),
        TrustRoots::SystemAnd(file) => verified(read_authorities(file)?),
        TrustRoots::Only(file) => {
            Ok(builder.with_root_certificates(only(read_authorities(file)?)?))
        }
    }
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

fn only(ders: Vec<Vec<u8>>) -> Result<RootCertStore, HttpError> {
    let mut roots = RootCertStore::empty();
    for der in ders {
        let added = roots.add(CertificateDer::from(der));
        added.map_err(HttpError::Tls)?;
    }
    Ok(roots)
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
pub struct TlsClient(pub(super) Arc<ClientConfig>);

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
        let builder = trusting(roots)?;
        let mut tls = match certificate {
            None => builder.with_no_client_auth(),
            Some(ClientCertificate { chain, key }) => builder
                .with_client_auth_cert(chain, key)
                .map_err(HttpError::Tls)?,
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(Arc::new(tls)))
    }
}
