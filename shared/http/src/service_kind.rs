//! Which kind of service a path belongs to, and how it is said that another kind
//! answers there. Not here: finding that out (`recognise`).

use std::fmt;

use pennyblack_base::service_paths::{ISSUER_DIRECTORY_PATH, TOKEN_REQUEST_PATH};

/// A kind of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// Signs tokens.
    Issuer,
    /// Takes tokens and keeps PASSporTs.
    Cps,
    /// The admin address of either, with metrics and health.
    Admin,
}

impl ServiceKind {
    /// The kind that has the path of this URL; `None` where both have it.
    pub(super) fn asked_at(url: &str) -> Option<Self> {
        let path = path_of(url);
        if path == ISSUER_DIRECTORY_PATH || path == TOKEN_REQUEST_PATH {
            Some(Self::Issuer)
        } else if path.starts_with("/v1/") {
            Some(Self::Cps)
        } else {
            None
        }
    }

    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Cps => "CPS",
            Self::Admin => "admin address",
        }
    }
}

impl fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issuer => "an issuer",
            Self::Cps => "a CPS",
            Self::Admin => "the admin address of a service",
        })
    }
}

/// An address at which something answers that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistaken {
    pub(super) address: String,
    pub(super) wanted: ServiceKind,
    pub(super) found: Option<ServiceKind>,
}

impl fmt::Display for Mistaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            wanted,
            found,
        } = self;
        match found {
            Some(found) => write!(f, "{address} answers, but it is {found}, not {wanted}")?,
            None => write!(f, "{address} answers, but it is not {wanted}")?,
        }
        f.write_str(": check host and port")
    }
}

fn path_of(url: &str) -> &str {
    let path = path_and_query(url);
    path.split_once('?').map_or(path, |(path, _)| path)
}

pub(super) fn path_and_query(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let slash = after_scheme.find('/');
    slash
        .and_then(|at| after_scheme.get(at..))
        .unwrap_or_default()
}
