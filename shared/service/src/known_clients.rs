//! Clients that the operator knows by the key of their TLS certificate, such as relays that
//! bring the requests of many: their connections last, and have room for more at one time.
//! **Only the key decides.** No CA is asked, and nothing in the certificate is read beside it.
//! A client with another certificate, or none, is a stranger, and is served like all others;
//! only a chain that is too long is refused.
//! Where nobody is known, no certificate is asked for.

use std::fmt;
use std::sync::Arc;

use pennyblack_runtime::config::Limits;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::turns::Turns;

/// Connections of one known client that have its bounds at one time: the one in use, and
/// those that it takes the place of. A further one is like a stranger's.
const CONNECTIONS: usize = 8;

/// All known clients together have at most one in this many of all places for work.
const SHARES: usize = 2;
/// And each alone one in this many.
const SHARES_OF_ONE: usize = 8;

/// Certificates behind a client's own, and bytes of all. **They are kept as long as the
/// connection**, of strangers too, and no limit of the listener counts them.
const MOST_ISSUERS: usize = 4;
const MOST_CHAIN_BYTES: usize = 16 * 1024;

/// So many times as many streams as a stranger's connection has.
const STREAMS: u32 = 8;

/// SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 5280 section 4.1), in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpkiDigest(pub [u8; 32]);

impl SpkiDigest {
    /// Of a certificate; nothing if it is none.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let spki = parsed.subject_public_key_info();
        Some(Self(Sha256::digest(&spki).into()))
    }
}

/// One of them.
#[derive(Debug)]
pub(crate) struct KnownClient {
    name: String,
    spki: SpkiDigest,
    /// The requests that are worked on, of all its connections.
    turns: Turns,
    connections: Arc<Semaphore>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct KnownClients(Arc<[Arc<KnownClient>]>);

impl KnownClients {
    /// Clients with these names, which metrics have, and keys, at a listener with these limits.
    #[must_use]
    pub fn new<'a>(
        clients: impl ExactSizeIterator<Item = (&'a str, SpkiDigest)>,
        limits: &Limits,
    ) -> Self {
        let shares = (SHARES * clients.len()).max(SHARES_OF_ONE);
        let turns = (limits.requests / shares).max(1);
        let known = clients.map(|(name, spki)| {
            connections_of(name).absolute(0);
            Arc::new(KnownClient {
                name: name.to_owned(),
                spki,
                turns: Turns::new(turns),
                connections: Arc::new(Semaphore::new(CONNECTIONS)),
            })
        });
        Self(known.collect())
    }

    /// What asks for certificates and verifies them; nothing where nobody is known.
    pub(crate) fn verifier(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        let verifier = || -> Arc<dyn ClientCertVerifier> {
            Arc::new(Verifier {
                known: self.clone(),
                algorithms: aws_lc_rs::default_provider().signature_verification_algorithms,
            })
        };
        (!self.0.is_empty()).then(verifier)
    }

    /// A connection of a client that has shown these certificates, if one of them with room
    /// for a further connection has.
    pub(crate) fn recognise(
        &self,
        shown: Option<&[CertificateDer<'static>]>,
    ) -> Option<KnownConnection> {
        let client = self.find(shown?.first()?)?;
        let place = Arc::clone(&client.connections).try_acquire_owned().ok()?;
        connections_of(&client.name).increment(1);
        Some(KnownConnection {
            client: Arc::clone(client),
            _place: place,
        })
    }

    fn find(&self, certificate: &CertificateDer<'_>) -> Option<&Arc<KnownClient>> {
        if self.0.is_empty() {
            return None;
        }
        let spki = SpkiDigest::of(certificate)?;
        self.0.iter().find(|client| client.spki == spki)
    }
}

fn connections_of(client: &str) -> metrics::Counter {
    let client = client.to_owned();
    metrics::counter!("pennyblack_known_connections_total", "client" => client)
}

/// A connection of a known client, among as many as it may have.
#[derive(Debug)]
pub(crate) struct KnownConnection {
    client: Arc<KnownClient>,
    _place: OwnedSemaphorePermit,
}

impl KnownConnection {
    /// The turns of the client's requests.
    pub(crate) fn turns(&self) -> &Turns {
        &self.client.turns
    }

    /// How many streams it has at one time where others have so many.
    pub(crate) const fn streams(of_strangers: u32) -> u32 {
        of_strangers.saturating_mul(STREAMS)
    }
}

/// Accepts every certificate, in a chain of a reasonable size. TLS proves that the client has the key of it, where that is the
/// key of one who is known; of a stranger nothing is verified, since nothing follows from it.
struct Verifier {
    known: KnownClients,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    fn proven(
        &self,
        certificate: &CertificateDer<'_>,
        prove: impl FnOnce() -> Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.known.find(certificate) {
            Some(_) => prove(),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bytes = issuers.iter().fold(own.len(), |sum, one| sum + one.len());
        match issuers.len() <= MOST_ISSUERS && bytes <= MOST_CHAIN_BYTES {
            true => Ok(ClientCertVerified::assertion()),
            false => Err(Error::General(format!(
                "the client's certificate chain is too long: at most {MOST_ISSUERS} behind its own \
                 and {MOST_CHAIN_BYTES} bytes are taken"
            ))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let prove = || verify_tls12_signature(message, certificate, signed, &self.algorithms);
        self.proven(certificate, prove)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let prove = || verify_tls13_signature(message, certificate, signed, &self.algorithms);
        self.proven(certificate, prove)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub(crate) mod tests;
