//! TLS of the public listener: TLS 1.2 and 1.3 with one certificate, which is read again
//! when it is renewed, HTTP/2 and HTTP/1.1, and no session resumption: a ticket that a
//! client shows again would tell that two anonymous requests come from one house.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use pennyblack_runtime::config::TlsConfig;
use pennyblack_runtime::reload::{FromFiles, Reread};

/// A certificate or key that TLS cannot be served with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file is missing, not readable, or not PEM of the expected kind.
    #[error("{key}: {} has no {kind} in PEM form: {source}; check path and permissions", path.display())]
    Unreadable {
        /// The configuration key.
        key: &'static str,
        /// What was looked for.
        kind: &'static str,
        /// The file.
        path: PathBuf,
        /// What the reader says.
        source: pem::Error,
    },
    /// The file has no certificate at all.
    #[error("public.tls.certificate: {} holds no certificate; put the chain into it, leaf first", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key do not belong together, or are of a kind not supported.
    #[error("public.tls: {0}; check that the key belongs to the first certificate of the chain")]
    Unusable(rustls::Error),
}

/// Certificate and key, as they were last read.
#[derive(Clone)]
pub(crate) struct TlsFiles(Arc<FromFiles<Pair>>);

impl TlsFiles {
    pub(crate) fn open(config: &TlsConfig) -> Result<Self, TlsError> {
        let config = config.clone();
        let files = FromFiles::open("public.tls", move || Pair::read(&config))?;
        Ok(Self(files))
    }

    /// What reads them again.
    pub(crate) fn files(&self) -> Arc<dyn Reread> {
        Arc::<FromFiles<Pair>>::clone(&self.0)
    }

    /// What accepts the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.current().server))
    }
}

/// A certificate with its key, ready for use.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    server: Arc<ServerConfig>,
}

/// The same chain has the same key: another one is refused.
impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain
    }
}

impl Pair {
    fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let chain = certificates(&config.certificate)?;
        let server = Arc::new(server_config(chain.clone(), config)?);
        Ok(Self { chain, server })
    }
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    config: &TlsConfig,
) -> Result<ServerConfig, TlsError> {
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|source| TlsError::Unreadable {
        key: "public.tls.key",
        kind: "private key",
        path: config.key.clone(),
        source,
    })?;
    let mut server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Unusable)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok(server)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable {
        key: "public.tls.certificate",
        kind: "certificate",
        path: path.to_owned(),
        source,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(chain)
}
