//! What can go wrong with a Redis, in two enums: before anything is sent, and with
//! one request.

use std::path::PathBuf;
use std::time::Duration;

use pennyblack_storage::atomic_file::PrivateFileError;

use super::breaker::LONGEST_PAUSE;

/// The options do not make a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetUpError {
    /// The file with the password.
    #[error("store.password_file: {0}")]
    Password(#[from] PrivateFileError),
    /// The file with the password is not text.
    #[error("store.password_file: {} is not UTF-8 text of one line", .0.display())]
    PasswordText(PathBuf),
    /// The file with root certificates.
    #[error("store.ca_file: {}: {why}", path.display())]
    Roots {
        /// Which.
        path: PathBuf,
        /// What the operating system says, or what is wrong with the certificates.
        why: String,
    },
    /// A CA file without TLS.
    #[error("store.ca_file is for TLS: begin the store's URL with rediss")]
    RootsWithoutTls,
    /// What the client library does not take: a certificate that is none, a name.
    #[error("the store's address cannot be used: {0}")]
    Client(String),
    /// A namespace of other characters, or too long.
    #[error("store.namespace: up to 32 letters, digits, - and _")]
    Namespace,
    /// `replicated` with no replica to wait for.
    #[error("store.replicas: at the level replicated at least one replica must have each write")]
    NoReplicas,
}

/// A request that was not carried out, or may not have been. Every request must be safe
/// to send again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The circuit breaker is open; nothing was sent.
    // Without the time until then: each moment would be another cause for the log lines.
    #[error("Redis did not answer before: it is tried again within {} s", LONGEST_PAUSE.as_secs())]
    Away,
    /// No connection, or it was cut off; the request may have been carried out.
    #[error("no connection to Redis: {0}")]
    Connection(String),
    /// No answer in time; the request may have been carried out.
    #[error("Redis did not answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The server refused, with its own words.
    #[error("Redis refused: {0}")]
    Refused(String),
    /// Carried out, and not yet on as many replicas as promised.
    #[error("only {actual} of {wanted} replicas have the write so far")]
    Replicas {
        /// Replicas that have it.
        actual: u64,
        /// Replicas that the level of durability asks for.
        wanted: u8,
    },
    /// An answer of another form than asked for: another program's data?
    #[error("Redis answered in an unexpected form: {0}")]
    Form(String),
}
