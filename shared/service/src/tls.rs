//! TLS of the public listener: TLS 1.2 and 1.3 with one certificate, which is read again
//! when it is renewed, HTTP/2 and HTTP/1.1, and no session resumption: a ticket that a
//! client shows again would tell that two anonymous requests come from one house.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use pennyblack_base::pem;
use pennyblack_runtime::config::TlsConfig;
use pennyblack_runtime::reload::{FromFiles, Reread};
use pennyblack_storage::atomic_file::{self, PrivateFileError};
use pennyblack_storage::limited_file;

/// Most bytes of a certificate chain's file.
const MAX_CHAIN_SIZE: usize = 1024 * 1024;

/// A certificate or key that TLS cannot be served with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The chain's file.
    #[error("public.tls.certificate: {}: {why}; put the chain into it, leaf first", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// What the operating system says, or what is wrong with the file.
        why: String,
    },
    /// The key's file is missing, not readable, or readable for others.
    #[error("public.tls.key: {0}")]
    KeyFile(#[from] PrivateFileError),
    /// The key's file holds something else.
    #[error(
        "public.tls.key: {}: it holds no private key: put PKCS #8, SEC 1 or PKCS #1 into it, in \
         PEM or DER, not encrypted",
        .0.display()
    )]
    Key(PathBuf),
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
    let key = private_key(&config.key)?;
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
    let refused = |why: String| TlsError::Certificate {
        path: path.to_owned(),
        why,
    };
    let file = limited_file::read(path, MAX_CHAIN_SIZE);
    let file = file.map_err(|error| refused(error.to_string()))?;
    let chain = pem::certificates(&file).map_err(|error| refused(error.to_string()))?;
    Ok(chain.into_iter().map(CertificateDer::from).collect())
}

/// In PEM or DER. Its group may read the file: several services of a machine have one
/// certificate.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let file = atomic_file::read_group_private(path)?;
    let block = str::from_utf8(&file).ok().and_then(pem::private_key);
    let key = match block {
        Some(block) => PrivateKeyDer::from_pem_slice(block.as_bytes()).ok(),
        None => PrivateKeyDer::try_from(file.as_slice())
            .ok()
            .map(|key| key.clone_key()),
    };
    key.ok_or_else(|| TlsError::Key(path.to_owned()))
}
