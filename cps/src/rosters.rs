//! The rosters of the federation, for everybody who asks. They are files that somebody puts
//! there; that each follows the one before is checked, so that no broken one is handed on, and
//! nothing is believed by them. Not here: what makes a roster good.

use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path as PathOf, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use pennyblack_base::time::UnixTime;
use pennyblack_roster::{
    Chain, ROSTER_MEDIA_TYPE, ROSTER_PATH, RosterDirectoryError, Sequence, read_chain,
};
use pennyblack_runtime::reload::FromFiles;
use pennyblack_service::public_router::PublicRouter;
use pennyblack_service::start_error::{StartContext as _, StartError};

use crate::config::FederationConfig;

const ROSTER_DIRECTORY: &str = "federation.roster_directory";

/// Rosters as they are served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServedRosters {
    /// The oldest first, without gaps.
    texts: Vec<Bytes>,
    first: Sequence,
    until: UnixTime,
}

impl ServedRosters {
    fn read(directory: &Path) -> Result<Self, RosterDirectoryError> {
        let chain = read_chain(directory)?;
        let served = Self::of(&chain);
        #[allow(clippy::cast_precision_loss, reason = "seconds of this millennium")]
        metrics::gauge!("pennyblack_cps_roster_until_seconds").set(served.until.0 as f64);
        Ok(served)
    }

    fn of(chain: &Chain) -> Self {
        let texts = chain.rosters().map(|roster| roster.to_string().into());
        Self {
            texts: texts.collect(),
            first: chain.first().sequence(),
            until: chain.last().roster().validity.until(),
        }
    }

    /// When the newest ends.
    pub(crate) const fn until(&self) -> UnixTime {
        self.until
    }

    fn get(&self, sequence: Sequence) -> Option<Bytes> {
        let place = sequence.get().checked_sub(self.first.get())?;
        self.texts.get(usize::try_from(place).ok()?).cloned()
    }
}

/// Reads the rosters, which are read again when there are more of them.
pub(crate) fn open(
    section: Option<&FederationConfig>,
) -> Result<Option<Arc<FromFiles<ServedRosters>>>, StartError> {
    let Some(section) = section else {
        return Ok(None);
    };
    let directory = section.roster_directory.clone();
    let read = move || ServedRosters::read(&directory).context(ROSTER_DIRECTORY);
    FromFiles::open(ROSTER_DIRECTORY, read).map(Some)
}

/// Serves them; nothing without any.
pub(crate) fn router(rosters: Option<Arc<FromFiles<ServedRosters>>>) -> PublicRouter {
    let Some(rosters) = rosters else {
        return PublicRouter::new();
    };
    PublicRouter::new()
        .route(ROSTER_PATH, get(newest))
        .route(&format!("{ROSTER_PATH}/{{sequence}}"), get(one))
        .with_state(rosters)
}

async fn newest(State(rosters): State<Arc<FromFiles<ServedRosters>>>) -> Response {
    answer(rosters.current().texts.last().cloned())
}

async fn one(
    State(rosters): State<Arc<FromFiles<ServedRosters>>>,
    path: Result<PathOf<String>, PathRejection>,
) -> Response {
    let sequence = path.ok().and_then(|PathOf(text)| text.parse().ok());
    answer(sequence.and_then(|sequence| rosters.current().get(sequence)))
}

fn answer(text: Option<Bytes>) -> Response {
    let Some(text) = text else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(ROSTER_MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
