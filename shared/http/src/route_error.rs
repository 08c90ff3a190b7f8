//! Why a request did not come through by its route, and what became of it. Not here: routes.

use std::time::Duration;

/// Why a route brought no answer of the service.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{sentence}")]
pub struct RouteError {
    /// Who was to be asked.
    pub url: String,
    /// What is wrong, and what to do.
    pub sentence: String,
    /// What became of the request.
    pub fault: RouteFault,
}

/// What became of a request that got no answer by its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteFault {
    /// It did not leave: something is missing that no other try brings.
    NoWay,
    /// It did not leave: who speaks for the service contradicts itself.
    Untrusted,
    /// It did not leave: nobody who could carry it was reached.
    NoRelay,
    /// Somebody on the way refused it. The service has not read it.
    NotTaken {
        /// Whether another try may go well.
        is_passing: bool,
        /// When to come back, if that was said.
        retry_after: Option<Duration>,
    },
    /// It left, and no answer came that can be read: the service may have done what it was
    /// asked.
    NoAnswer,
}

impl RouteFault {
    /// Whether nobody who could carry it was reached, which alone is a reason for another way.
    /// **That something is missing is none**: the service itself can bring that about, such as
    /// by failing who fetches its keys, and would see the sender for it.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::NoRelay)
    }

    /// Whether nothing of it left.
    #[must_use]
    pub const fn has_not_left(self) -> bool {
        matches!(self, Self::NoWay | Self::Untrusted | Self::NoRelay)
    }

    /// Whether the service has not read the request, so that it has done nothing of it.
    #[must_use]
    pub const fn is_unread(self) -> bool {
        !matches!(self, Self::NoAnswer)
    }

    pub(super) const fn is_passing(self) -> bool {
        match self {
            Self::NoWay | Self::Untrusted => false,
            Self::NoRelay | Self::NoAnswer => true,
            Self::NotTaken { is_passing, .. } => is_passing,
        }
    }

    pub(super) const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::NotTaken { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}
