//! Whose certificates a service trusts: roots and revocation lists from two
//! directories, read again while it runs, and the verdict on a certificate. The
//! verification itself is `pennyblack_stir`.

mod config;
mod error;
mod examination;
mod files;
mod keeper;
mod list_marks;
mod lists;
mod older_lists;
mod roots;
#[cfg(test)]
mod tests;
mod trust;
mod verdict;
mod verification_pool;

pub use config::TrustConfig;
pub use error::TrustError;
pub use examination::examine;
pub use keeper::keep_current;
pub use older_lists::accept_older_lists;
pub use trust::Trust;
pub use verdict::CertificateError;
pub use verification_pool::VerificationPool;
