//! The CPS's resources. Decode, call, encode; decisions are elsewhere.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, RawQuery, State};
use axum::middleware::{from_fn_with_state, map_response_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use pennyblack_base::authority::Authority;
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_protocol::key_record::{
    KEY_RECORD_LIST_MEDIA_TYPE, KEY_RECORD_MEDIA_TYPE, KEYS_PATH, KeyRecordError,
    MAX_KEY_RECORD_SIZE, MAX_RECORDS_OF_NUMBER, PAGE_MAX_AGE,
};
use pennyblack_protocol::store_request::{self, StoreHeaders};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_sealing::envelope::{self, Cursor, Slots};
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::answer_room::AnswerRoom;
use pennyblack_service::answer_times::{self, AnswerTimes};
use pennyblack_service::headers::{at_most_one, content_type, has_tag};
use pennyblack_service::inner_requests::InnerRouter;
use pennyblack_service::public_router::PublicRouter;
use pennyblack_stir::telephone_number::TelephoneNumber;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::counts::{self, Counts};
use crate::double_spend_pages::DoubleSpendPages;
use crate::forwarding;
use crate::issuers::Issuers;
use crate::json_lines;
use crate::key_directory::{KeyDirectory, RecordPage, Registered, Registry};
use crate::large_answers::LargeAnswers;
use crate::log::CpsLog;
use crate::log::reported::{self, REPORT_PATH};
use crate::oblivious::{self, Gateway, OfferedKeys};
use crate::prefix_pages::{PrefixPages, encode};
use crate::record_feed::{self, RecordFeed};
use crate::refusal::Refusal;
use crate::retrieve::Retrieval;
use crate::rosters::{self, ServedRosters};
use crate::spend::{SpendOutcome, Spending};
use crate::store::Store;

/// What the handlers share.
pub(crate) struct Resources<S> {
    pub(crate) spending: Spending<S>,
    pub(crate) retrieval: Retrieval<S>,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) keys: Arc<KeyDirectory>,
    pub(crate) registry: Registry,
    pub(crate) log: Arc<CpsLog>,
    pub(crate) clock: Clock,
    pub(crate) counts: Arc<Counts>,
    pub(crate) prefixes: PrefixPages,
    pub(crate) double_spends: DoubleSpendPages,
    pub(crate) feed: Arc<RecordFeed>,
    pub(crate) answer_times: AnswerTimes,
    pub(crate) rosters: Option<Arc<FromFiles<ServedRosters>>>,
}

/// The CPS as an oblivious gateway.
pub(crate) struct ObliviousRole {
    pub(crate) service: Authority,
    pub(crate) keys: Arc<OfferedKeys>,
    pub(crate) large: Arc<LargeAnswers>,
    pub(crate) relays_only: bool,
}

/// What the resources are, for clients.
pub(crate) const OPENAPI: &str = include_str!("../../docs/openapi/cps.yaml");

/// How requests come to a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    /// Directly, and no store and no look-up: they would show from where they come.
    DirectForTheRest,
    /// Through the gateway, which has all answers leave at their times.
    Sealed,
}

/// The public router.
pub(crate) fn router<S: Store>(
    resources: Resources<S>,
    oblivious: Option<ObliviousRole>,
) -> PublicRouter {
    let described = PublicRouter::new().described_by(OPENAPI);
    let resources = Arc::new(resources);
    let Some(role) = oblivious else {
        return described.merge(requests(&resources, Way::Direct));
    };
    let direct = match role.relays_only {
        true => Way::DirectForTheRest,
        false => Way::Direct,
    };
    let gateway = oblivious::router(Gateway {
        service: role.service,
        keys: role.keys,
        inner: InnerRouter::new(requests(&resources, Way::Sealed).into_router()),
        large: role.large,
        clock: resources.clock.clone(),
        answer_times: resources.answer_times,
    });
    let counts = Arc::clone(&resources.counts);
    let gateway = gateway.layer(map_response_with_state(counts, counts::refusal));
    described.merge(requests(&resources, direct)).merge(gateway)
}

/// All but the gateway.
fn requests<S: Store>(resources: &Arc<Resources<S>>, way: Way) -> PublicRouter {
    let log = resources.log.router();
    let counts = Arc::clone(&resources.counts);
    // Around all that a poll does, its refusals included.
    let delayed = from_fn_with_state(resources.answer_times, answer_times::delayed);
    let polls = match way {
        Way::Direct | Way::DirectForTheRest => get(poll::<S>).layer(delayed),
        Way::Sealed => get(poll::<S>),
    };
    let has_look_ups = way != Way::DirectForTheRest;
    let (stores, lists, look_ups) = match way {
        Way::Direct | Way::Sealed => (
            post(store::<S>),
            get(list_keys::<S>),
            get(keys_of_number::<S>),
        ),
        Way::DirectForTheRest => (
            post(store_of_node::<S>),
            get(relay_required),
            get(relay_required),
        ),
    };
    PublicRouter::new()
        .route(STORE_PATH, stores)
        .route("/v1/mailboxes/{mailbox}", polls)
        .route(KEYS_PATH, lists.put(register_key::<S>))
        .route(&format!("{KEYS_PATH}/{{number}}"), look_ups)
        .route("/v1/double-spends", get(double_spends::<S>))
        .route(REPORT_PATH, post(report_double_spend::<S>))
        .with_state(Arc::clone(resources))
        .merge(record_feed::router(
            Arc::clone(&resources.feed),
            has_look_ups,
        ))
        .layer(map_response_with_state(counts, counts::refusal))
        .merge(log)
        .merge(rosters::router(resources.rosters.clone()))
}

async fn relay_required() -> Refusal {
    Refusal::RelayRequired
}

/// Where stores come through relays only: those that another node sends on, which has them
/// from one.
async fn store_of_node<S: Store>(
    state: State<Arc<Resources<S>>>,
    query: RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let has_nodes = state.spending.forwarding.is_some();
    if has_nodes && headers.contains_key(forwarding::NODES_HEADER) {
        return store(state, query, headers, body).await;
    }
    Refusal::RelayRequired.into_response()
}

async fn store<S: Store>(
    State(resources): State<Arc<Resources<S>>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let stored = async {
        no_query(query)?;
        content_type(&headers, &[(store_request::MEDIA_TYPE, ())])?;
        let fields = StoreHeaders {
            authorization: at_most_one(&headers, "Authorization")?,
            content_digest: at_most_one(&headers, "Content-Digest")?,
            signature_input: at_most_one(&headers, "Signature-Input")?,
            signature: at_most_one(&headers, "Signature")?,
        };
        let by = at_most_one(&headers, forwarding::NODES_HEADER)?;
        resources.spending.spend(&fields, &body, by).await
    };
    match stored.await {
        Ok(SpendOutcome::Local) => StatusCode::CREATED.into_response(),
        Ok(SpendOutcome::Forwarded(answer)) => answer,
        Err(refusal) => refusal.with_challenges(&resources.issuers.challenges()),
    }
}

/// Refuses a query, an empty one too: what is signed names the path alone.
fn no_query(query: Option<String>) -> Result<(), Refusal> {
    query.map_or(Ok(()), |_| Err(Refusal::UnsignedQuery))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    slots: Option<String>,
    after: Option<String>,
    /// Of the client, to give all its requests one length.
    #[serde(rename = "pad")]
    _pad: Option<IgnoredAny>,
}

async fn poll<S: Store>(
    State(resources): State<Arc<Resources<S>>>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<PageQuery>, QueryRejection>,
    room: AnswerRoom,
) -> Result<Response, Refusal> {
    let mailbox: MailboxId = text(path)?.parse()?;
    let Query(query) = query.map_err(|_| Refusal::Query)?;
    let slots: Slots = query.slots.as_deref().unwrap_or("16").parse()?;
    let after = query.after.map_or(Ok(Cursor::START), |text| text.parse())?;
    let envelope = resources.retrieval.envelope(mailbox, slots, after, &room);
    Ok(answer(envelope::MEDIA_TYPE, envelope.await?))
}

/// What a path has in the place of its one parameter.
fn text(path: Result<Path<String>, PathRejection>) -> Result<String, Refusal> {
    path.map(|Path(text)| text).map_err(|_| Refusal::PathText)
}

async fn register_key<S: Store>(
    State(resources): State<Arc<Resources<S>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    content_type(&headers, &[(KEY_RECORD_MEDIA_TYPE, ())])?;
    if body.len() > MAX_KEY_RECORD_SIZE {
        return Err(KeyRecordError::TooLong(body.len()).into());
    }
    let token = String::from_utf8(body.to_vec()).map_err(|_| Refusal::RecordText)?;
    let now = resources.clock.now();
    match resources.registry.register(token, now).await? {
        Registered::Stored => Ok(StatusCode::CREATED),
        Registered::Unchanged => Ok(StatusCode::OK),
    }
}

async fn keys_of_number<S: Store>(
    State(resources): State<Arc<Resources<S>>>,
    path: Result<Path<String>, PathRejection>,
    room: AnswerRoom,
) -> Result<Response, Refusal> {
    let number = TelephoneNumber::from_canonical(&text(path)?)?;
    resources.keys.check_complete()?;
    let records = resources.keys.of_number(&number, resources.clock.now());
    let size: usize = records.iter().map(|record| record.as_str().len()).sum();
    let padded = (size + LIST_OVERHEAD).next_power_of_two();
    let padded = padded.max(SHORTEST_LIST);
    room.reserve(padded, size).await?;
    let found = RecordPage {
        records,
        next: None,
    };
    let mut list = encode(found)?;
    list.resize(padded, b' ');
    Ok(key_list(list))
}

/// What JSON adds to the records of a number at the most: three bytes for each and the rest.
const LIST_OVERHEAD: usize = 3 * MAX_RECORDS_OF_NUMBER + 32;

/// Shortest answer for a number: two records of common size fit. Anybody can list the
/// directory, so on the way its own length would tell whose records were looked up.
const SHORTEST_LIST: usize = 8 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrefixQuery {
    prefix: String,
    after: Option<String>,
    /// Of the client, to give all its requests one length.
    #[serde(rename = "pad")]
    _pad: Option<IgnoredAny>,
}

async fn list_keys<S: Store>(
    State(resources): State<Arc<Resources<S>>>,
    query: Result<Query<PrefixQuery>, QueryRejection>,
    headers: HeaderMap,
    room: AnswerRoom,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|_| Refusal::Prefix {
        min: crate::key_directory::SHORTEST_PREFIX,
        actual: 0,
    })?;
    let prefix = TelephoneNumber::from_canonical(&query.prefix)?;
    resources.keys.check_complete()?;
    let now = resources.clock.now();
    let page = resources.prefixes.page(prefix, query.after, now, &room);
    let page = page.await?;
    let mut response = match has_tag(&headers, &page.etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => key_list(page.body),
    };
    let max_age = HeaderValue::from_str(&format!("max-age={PAGE_MAX_AGE}"));
    let (max_age, etag) = (max_age.ok(), HeaderValue::from_str(&page.etag).ok());
    let fields = [(CACHE_CONTROL, max_age), (ETAG, etag)];
    for (name, value) in fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn key_list(encoded: Vec<u8>) -> Response {
    answer(KEY_RECORD_LIST_MEDIA_TYPE, encoded)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    after: Option<String>,
}

/// The double spends from a place in the log on, as JSON lines.
async fn double_spends<S: Store>(
    State(resources): State<Arc<Resources<S>>>,
    query: Result<Query<LogQuery>, QueryRejection>,
    headers: HeaderMap,
    room: AnswerRoom,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|_| Refusal::Query)?;
    let after: Cursor = query.after.map_or(Ok(Cursor::START), |text| text.parse())?;
    let Some(lines) = resources.double_spends.page(after, &room).await? else {
        let path = format!("/v1/double-spends?after={}", after.0);
        return Ok(resources.log.pass_on(&path, &headers).await);
    };
    Ok(answer(json_lines::MEDIA_TYPE, lines))
}

/// A double spend that another node has seen.
async fn report_double_spend<S: Store>(
    State(resources): State<Arc<Resources<S>>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Resources {
        log,
        issuers,
        clock,
        ..
    } = &*resources;
    reported::take(log, issuers, clock, &headers, &body).await
}

fn answer(media_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    no_store(response)
}

fn no_store(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}
