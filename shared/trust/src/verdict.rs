//! Why a certificate is not trusted, and which problem document says so.

use pennyblack_base::problem::ProblemType;
use pennyblack_stir::ChainError;

/// A certificate that is not trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Its chain does not hold.
    #[error("{0}")]
    Untrusted(ChainError),
    /// There are no roots here.
    #[error("this service has no root certificates yet")]
    NoRoots,
    /// It, or one above it, is revoked.
    #[error("{0}")]
    Revoked(ChainError),
    /// Only a reference to it was sent.
    #[error("the certificate is at {0}, and this service fetches none: send x5c")]
    NotSent(String),
    /// The list that would tell is out of date.
    #[error("{0}")]
    StaleRevocation(ChainError),
    /// No list tells of it, or of one above it.
    #[error("{0}")]
    NotCovered(ChainError),
    /// There are no lists here.
    #[error("this service has no revocation list yet")]
    NoRevocationList,
}

impl CertificateError {
    /// The type of problem document that says so.
    #[must_use]
    pub const fn problem_type(&self) -> ProblemType {
        match self {
            Self::Untrusted(_) | Self::NoRoots => ProblemType::CertificateUntrusted,
            Self::Revoked(_) => ProblemType::CertificateRevoked,
            Self::NotSent(_) => ProblemType::CertificateUnavailable,
            Self::StaleRevocation(_) | Self::NotCovered(_) | Self::NoRevocationList => {
                ProblemType::RevocationUnavailable
            }
        }
    }
}

impl From<ChainError> for CertificateError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Revoked(_) => Self::Revoked(error),
            ChainError::StaleRevocation { .. } => Self::StaleRevocation(error),
            ChainError::NoRevocationList { .. } => Self::NotCovered(error),
            error => Self::Untrusted(error),
        }
    }
}
