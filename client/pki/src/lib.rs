//! A development STI certification authority, in the manner of mkcert: root,
//! intermediate, leaves with a TNAuthList, delegate certificates (RFC 9060) and
//! an indirect CRL, shaped like those in the field. Not here: judging
//! certificates (`pennyblack_stir`), and anything fit for production.

mod authority;
mod credential;
mod directory;
mod profile;
mod register;
mod request;
mod revocation_list;
mod tn_auth_list;

pub use authority::DevelopmentCa;
pub use credential::{Credential, Serial};
pub use directory::PkiDirectory;
pub use register::{IssuedRecord, Register, RevocationRecord};
pub use request::{CaNames, CpsUris, LeafRequest};
pub use revocation_list::{RevocationReason, RevokedCertificate};
pub use tn_auth_list::{TnAuthEntry, TnAuthEntryError};

use std::io;
use std::path::PathBuf;

/// Why the development PKI could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// A certificate that speaks for nobody.
    #[error("a STIR certificate needs at least one SPC, number or range (--spc, --tn, --range)")]
    EmptyTnAuthList,
    /// A delegate certificate for a parent that may not sign certificates
    /// (RFC 9060 section 4).
    #[error("{0:?} may not issue delegate certificates: issue the parent with --may-delegate")]
    ParentCannotDelegate(String),
    /// The directory already holds a PKI.
    #[error("{} already holds a PKI; choose another directory, or issue from this one", .0.display())]
    AlreadyInitialized(PathBuf),
    /// The directory holds no PKI.
    #[error("{} holds no PKI: run `pennyblack pki init {}` first", .0.display(), .0.display())]
    NotInitialized(PathBuf),
    /// A name that cannot be a file name.
    #[error(
        "{0:?} cannot name a certificate: use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first"
    )]
    Name(String),
    /// Another certificate of this name exists.
    #[error("a certificate named {0:?} exists already: choose another --name")]
    NameTaken(String),
    /// No certificate of this name.
    #[error("no certificate named {0:?} was issued here: see `pennyblack pki list`")]
    UnknownName(String),
    /// A validity that is not a span of time, or one past the year 9999.
    #[error("the validity must be between one second and 100 years")]
    Validity,
    /// The certificate library refused.
    #[error("making the certificate failed: {0}")]
    Certificate(#[from] rcgen::Error),
    /// What was made, or what lies in the directory, does not parse.
    #[error("{what} is damaged: {why}")]
    Damaged {
        /// The file or structure.
        what: String,
        /// What the parser said.
        why: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
