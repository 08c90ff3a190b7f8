//! Which kind of service a path belongs to, and which kind really answers at an
//! address: the two differ when a port or a name was mixed up.

use std::fmt;

use http::StatusCode;

use super::{HttpClient, HttpError, Refused, Request};
use pennyblack_base::service_paths::{
    HEALTH_PATH, HEALTHY, ISSUER_DIRECTORY_MEDIA_TYPE, ISSUER_DIRECTORY_PATH, STORE_PATH,
    TOKEN_REQUEST_PATH,
};

/// Most bytes of an answer by which a service is recognised: a directory is read in
/// full, since an answer that is too long is an error.
const MAX_ANSWER: usize = 64 * 1024;

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
    address: String,
    wanted: ServiceKind,
    found: Option<ServiceKind>,
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

/// Finds out what answers where `refused` came from, if it is not the kind of
/// service that has such a path.
pub(super) async fn mistaken(client: &HttpClient, refused: &Refused) -> Option<Mistaken> {
    if !refused.has_no_such_path() {
        return None;
    }
    let wanted = ServiceKind::asked_at(&refused.url)?;
    let base = refused.url.strip_suffix(path_and_query(&refused.url))?;
    let found = recognise(client, base).await;
    let address = base.split_once("://")?.1.to_owned();
    (found != Some(wanted)).then_some(Mistaken {
        address,
        wanted,
        found,
    })
}

/// Asks what each kind of service answers to anybody, and nothing else does.
async fn recognise(client: &HttpClient, base: &str) -> Option<ServiceKind> {
    let ask = async |path| {
        let request = Request::get(format!("{base}{path}"), MAX_ANSWER);
        client.send_once(&request).await
    };
    if let Ok(answer) = ask(ISSUER_DIRECTORY_PATH).await
        && answer.content(ISSUER_DIRECTORY_MEDIA_TYPE).is_ok()
    {
        return Some(ServiceKind::Issuer);
    }
    if let Err(HttpError::Refused(refused)) = ask(STORE_PATH).await
        && refused.status == StatusCode::METHOD_NOT_ALLOWED
    {
        return Some(ServiceKind::Cps);
    }
    let healthy = ask(HEALTH_PATH)
        .await
        .is_ok_and(|answer| answer.body == HEALTHY);
    healthy.then_some(ServiceKind::Admin)
}

fn path_of(url: &str) -> &str {
    let path = path_and_query(url);
    path.split_once('?').map_or(path, |(path, _)| path)
}

fn path_and_query(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let slash = after_scheme.find('/');
    slash
        .and_then(|at| after_scheme.get(at..))
        .unwrap_or_default()
}
