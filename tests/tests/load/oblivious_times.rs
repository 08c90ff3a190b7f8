//! What the time of a sealed answer tells a relay of what was asked and how it ended. Each
//! request is in a pair with a look-up that finds nothing; all answers have one length.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, StatusCode};
use pennyblack_base::service_paths::{OHTTP_GATEWAY_PATH, OHTTP_REQUEST_MEDIA_TYPE};
use pennyblack_cps::ObliviousConfig;
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_ohttp::binary_http::Request;
use pennyblack_ohttp::encapsulation::encapsulated_response_size;
use pennyblack_ohttp::exchange::open_response;
use pennyblack_ohttp::key_config::KeyConfig;
use pennyblack_protocol::key_record::KEYS_PATH;
use pennyblack_protocol::store_request::MEDIA_TYPE;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::answer_times::AnswerTimes;
use pennyblack_tests::drawing::Spendable;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::sealed::{first_key, inner, inner_get, inner_store, padded_to, seal};
use pennyblack_tests::world::{FIRST_NUMBER, World};
use tokio::sync::Mutex;

use super::alone;
use super::observer::{Asked, Kind, runtime, told_apart};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// Requests under way at one time: most of them wait for the time at which they are answered.
const AT_ONCE: usize = 168;
/// Bytes of all answers inside the seal.
const CLASS: usize = 9_216;
/// Tokens that are drawn at a time.
const TOKENS: usize = 512;
/// The name of the kind that costs most: it waits for the disk.
const GRANTED: &str = "a store that is granted";

/// What stands at the relay's place.
struct Relay {
    world: World,
    key: KeyConfig,
    mailbox: Mailbox,
    tokens: Mutex<Vec<Spendable>>,
}

impl Relay {
    fn sealed(&self, request: Request, status: StatusCode) -> Asked {
        let (sealed, opener) = seal(&self.key, &padded_to(request, CLASS));
        let head = format!(
            "POST {OHTTP_GATEWAY_PATH} HTTP/1.1\r\nhost: cps\r\n\
             content-type: {OHTTP_REQUEST_MEDIA_TYPE}\r\ncontent-length: {}\r\n\r\n",
            sealed.len()
        );
        let size = encapsulated_response_size(self.key.kem(), CLASS);
        Asked::verified([head.into_bytes(), sealed].concat(), move |answer| {
            assert_eq!(answer.len(), size);
            assert_eq!(open_response(opener, answer).unwrap().status, status);
        })
    }

    fn look_up(&self, number: &str) -> Asked {
        let request = inner_get(&self.world, &format!("{KEYS_PATH}/{number}"));
        self.sealed(request, StatusCode::OK)
    }

    fn poll(&self) -> Asked {
        let path = format!("/v1/mailboxes/{}?slots=4", self.mailbox.id());
        self.sealed(inner_get(&self.world, &path), StatusCode::OK)
    }

    async fn granted(&self) -> Asked {
        let mut tokens = self.tokens.lock().await;
        if tokens.is_empty() {
            *tokens = self.world.draw(TOKENS).await;
        }
        let token = tokens.pop().unwrap();
        let signed = self.world.spend(&token, &self.mailbox, "a.b.c");
        self.sealed(inner_store(&self.world, &signed), StatusCode::CREATED)
    }

    fn without_token(&self) -> Asked {
        let mut request = inner(&self.world, Method::POST, STORE_PATH);
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        request.fields.insert("content-type", media_type);
        request.content = vec![0; 2_080];
        self.sealed(request, StatusCode::UNAUTHORIZED)
    }

    /// What is refused for its path.
    fn nowhere(&self) -> Asked {
        self.sealed(inner_get(&self.world, "/v2"), StatusCode::NOT_FOUND)
    }
}

fn kind(
    relay: &Arc<Relay>,
    name: &str,
    make: impl Fn(&Relay) -> Asked + Copy + Send + Sync + 'static,
) -> Kind {
    let relay = Arc::clone(relay);
    Kind::new(name, move || {
        let asked = make(&relay);
        async { asked }.boxed()
    })
}

fn granted(relay: &Arc<Relay>) -> Kind {
    let relay = Arc::clone(relay);
    Kind::new(GRANTED, move || -> BoxFuture<'static, Asked> {
        let relay = Arc::clone(&relay);
        async move { relay.granted().await }.boxed()
    })
}

/// The kinds, of those that `others` makes, that a relay tells from a look-up that finds
/// nothing, at a CPS with this delay.
async fn told(
    answer_delay: Duration,
    others: impl FnOnce(&Arc<Relay>) -> Vec<Kind>,
) -> Vec<String> {
    let mut world = World::new(Clock::system());
    world.cps.oblivious = Some(ObliviousConfig::default());
    world.cps.retrieval.answer_delay = answer_delay;
    world.issuer.quota.tokens = 1 << 20;
    let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    let relay = Arc::new(Relay {
        key: first_key(&world).await,
        mailbox: world.mailbox().await,
        tokens: Mutex::default(),
        world,
    });
    let mut kinds = vec![kind(&relay, "a number of nobody", |relay| {
        relay.look_up("19995550100")
    })];
    kinds.extend(others(&relay));
    let address = relay.world.cps_name().as_str().parse().unwrap();
    let different = told_apart(address, kinds, AT_ONCE).await;
    cps.kill();
    issuer.kill();
    different
}

/// A store that is granted is not among them: it waits for the disk, and what a disk does in
/// the longest of ten thousand times no delay covers (docs/decisions/0012-answer-times.md).
#[test]
fn a_relay_does_not_tell_by_time_what_was_asked_or_refused() {
    let _alone = alone();
    let others = |relay: &Arc<Relay>| {
        vec![
            // As the first: if these are told apart, the observer is wrong.
            kind(relay, "another of nobody", |relay| {
                relay.look_up("19995550101")
            }),
            kind(relay, "a number", |relay| relay.look_up(FIRST_NUMBER)),
            kind(relay, "a poll", Relay::poll),
            kind(relay, "a store without a token", Relay::without_token),
            kind(relay, "no such path", Relay::nowhere),
        ]
    };
    let different = runtime().block_on(told(Duration::from_millis(100), others));
    assert!(different.is_empty(), "{different:#?}");
}

#[test]
#[ignore = "measures, and asserts nothing: docs/decisions/0012-answer-times.md"]
fn how_well_a_relay_tells_a_store_that_is_granted() {
    let _alone = alone();
    let others = |relay: &Arc<Relay>| vec![granted(relay)];
    let different = runtime().block_on(told(Duration::from_millis(100), others));
    println!("told: {different:#?}");
}

#[test]
fn a_relay_tells_a_store_that_takes_longer_than_the_answers_wait() {
    let _alone = alone();
    let others = |relay: &Arc<Relay>| vec![granted(relay)];
    let different = runtime().block_on(told(AnswerTimes::SHORTEST, others));
    let is_found = different.iter().any(|line| line.starts_with(GRANTED));
    assert!(is_found, "{different:#?}");
}
