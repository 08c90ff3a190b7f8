//! TLS of the public listener: TLS 1.2 and 1.3 with one certificate, which is read again
//! when it is renewed, asking for none of clients unless some are known by it, HTTP/2 and HTTP/1.1, and no session resumption: a ticket that a
//! client shows again would tell that two anonymous requests come from one house.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::known_clients::KnownClients;
use pennyblack_base::pem;
use pennyblack_runtime::config::TlsConfig;
use pennyblack_runtime::reload::{FromFiles, Reread};
use pennyblack_storage::atomic_file::{self, PrivateFileError};
use pennyblack_storage::limited_file;

/// Most bytes of a certificate chain's file.
const MAX_CHAIN_SIZE: usize = 1024 * 1024;

/// A certificate chain, leaf first, and its key.
pub type CertifiedKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a certificate and its key, of a server or of a client.
///
/// # Errors
/// [`TlsError`].
pub fn read(config: &TlsConfig, settings: TlsSettings) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&config.certificate, settings)?;
    Ok((chain, private_key(&config.key, settings)?))
}

/// How a program is told of certificate and key: what messages name.
#[derive(Debug, Clone, Copy)]
pub struct TlsSettings {
    /// Of the certificate.
    pub certificate: &'static str,
    /// Of the key.
    pub key: &'static str,
}

impl TlsSettings {
    /// Of a program with a configuration.
    pub const CONFIGURED: Self = Self {
        certificate: "public.tls.certificate",
        key: "public.tls.key",
    };
}

/// A certificate or key that TLS cannot be served with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The chain's file.
    #[error("{setting}: {}: {why}; put the chain into it, leaf first", path.display())]
    Certificate {
        /// What names the file.
        setting: &'static str,
        /// Which.
        path: PathBuf,
        /// What the operating system says, or what is wrong with the file.
        why: String,
    },
    /// The key's file is missing, not readable, or readable for others.
    #[error("{setting}: {error}")]
    KeyFile {
        /// What names the file.
        setting: &'static str,
        /// What is wrong.
        error: PrivateFileError,
    },
    /// The key's file holds something else.
    #[error(
        "{setting}: {}: it holds no private key: put PKCS #8, SEC 1 or PKCS #1 into it, in PEM or \
         DER, not encrypted",
        path.display()
    )]
    Key {
        /// What names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or are of a kind not supported.
    #[error(
        "{}, {}: {error}; check that the key belongs to the first certificate of the chain",
        settings.certificate,
        settings.key
    )]
    Unusable {
        /// What names the files.
        settings: TlsSettings,
        /// What is wrong.
        error: rustls::Error,
    },
}

/// Certificate and key, as they were last read.
#[derive(Clone)]
pub(crate) struct TlsFiles(Arc<FromFiles<Pair>>);

impl TlsFiles {
    pub(crate) fn open(
        config: &TlsConfig,
        settings: TlsSettings,
        known: &KnownClients,
    ) -> Result<Self, TlsError> {
        let (config, known) = (config.clone(), known.clone());
        let read = move || Pair::read(&config, settings, &known);
        let files = FromFiles::open(settings.certificate, read)?;
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
    fn read(
        config: &TlsConfig,
        settings: TlsSettings,
        known: &KnownClients,
    ) -> Result<Self, TlsError> {
        let (chain, key) = read(config, settings)?;
        let server = Arc::new(server_config(chain.clone(), key, settings, known)?);
        Ok(Self { chain, server })
    }
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    settings: TlsSettings,
    known: &KnownClients,
) -> Result<ServerConfig, TlsError> {
    let unusable = |error| TlsError::Unusable { settings, error };
    let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let server = match known.verifier() {
        Some(verifier) => server.with_client_cert_verifier(verifier),
        None => server.with_no_client_auth(),
    };
    let mut server = server.with_single_cert(chain, key).map_err(unusable)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok(server)
}

fn certificates(
    path: &Path,
    settings: TlsSettings,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refused = |why: String| TlsError::Certificate {
        setting: settings.certificate,
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
fn private_key(path: &Path, settings: TlsSettings) -> Result<PrivateKeyDer<'static>, TlsError> {
    let setting = settings.key;
    let file = atomic_file::read_group_private(path)
        .map_err(|error| TlsError::KeyFile { setting, error })?;
    let block = str::from_utf8(&file).ok().and_then(pem::private_key);
    let key = match block {
        Some(block) => PrivateKeyDer::from_pem_slice(block.as_bytes()).ok(),
        None => PrivateKeyDer::try_from(file.as_slice())
            .ok()
            .map(|key| key.clone_key()),
    };
    let path = path.to_owned();
    key.ok_or(TlsError::Key { setting, path })
}
