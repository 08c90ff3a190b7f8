//! Which kind of service really answers at an address: another than was asked when a
//! port or a name was mixed up.

use http::StatusCode;
use pennyblack_base::service_paths::{
    HEALTH_PATH, HEALTHY, ISSUER_DIRECTORY_MEDIA_TYPE, ISSUER_DIRECTORY_PATH, STORE_PATH,
};

use super::service_kind::{Mistaken, ServiceKind, path_and_query};
use super::{HttpClient, HttpError, Refused, Request};

/// Most bytes of an answer by which a service is recognised: a directory is read in
/// full, since an answer that is too long is an error.
const MAX_ANSWER: usize = 64 * 1024;

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
