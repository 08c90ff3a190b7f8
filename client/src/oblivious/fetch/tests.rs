mod next_keys;
mod timer;
mod witnesses;

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::Mutex;
use std::time::Duration;

use pennyblack_evidence::log_entry::{LogEntry, Minute, Statement};
use pennyblack_evidence::oblivious_keys::ObliviousKey;
use pennyblack_hpke::{Kem, PrivateKey};
use pennyblack_http::HttpOptions;
use pennyblack_ohttp::key_config::GatewayKey;
use pennyblack_tlog::edge::Edge;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{Checkpoint, NoteSigner};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(604_800);

fn config(key_id: u8) -> KeyConfig {
    config_of(Kem::DhkemX25519, key_id)
}

fn config_of(kem: Kem, key_id: u8) -> KeyConfig {
    let private = PrivateKey::generate(kem, &mut rand::rng());
    GatewayKey::new(key_id, private).unwrap().config().clone()
}

/// These for a week each, the second from a week after the first on.
fn weekly(announced: &[&KeyConfig]) -> Vec<ObliviousKey> {
    let begins = |week| NOW.minus(MINUTE).plus(WEEK * week);
    let weeks = (0..).zip(announced);
    weeks
        .map(|(week, config)| key(config, begins(week)))
        .collect()
}

fn key(config: &KeyConfig, begins: UnixTime) -> ObliviousKey {
    ObliviousKey {
        key_config: KeyConfigDigest(config.digest()),
        kem_id: config.kem().id(),
        not_before: begins,
        not_after: begins.plus(WEEK + Duration::from_secs(3_600)),
    }
}

/// A log that announces these, each at a time.
fn log(signer: &NoteSigner, announced: &[(UnixTime, ObliviousKey)]) -> BTreeMap<String, Vec<u8>> {
    let (mut edge, mut files) = (Edge::default(), Vec::new());
    for (at, key) in announced {
        let entry = LogEntry {
            minute: Minute::of(*at),
            statement: Statement::ObliviousKeyAnnounced(*key),
        };
        edge.push(&entry.to_bytes(), &mut files).unwrap();
    }
    files.extend(edge.partial(0));
    let checkpoint = Checkpoint::new(signer.verifier().name(), edge.head());
    let checkpoint = checkpoint.sign(signer).unwrap().to_string();
    let files = files.into_iter();
    let files = files.map(|file| (format!("/log/{}", file.tile), file.bytes));
    let texts = [
        (
            "/log/key".to_owned(),
            signer.verifier().to_string().into_bytes(),
        ),
        ("/log/checkpoint".to_owned(), checkpoint.into_bytes()),
    ];
    files.chain(texts).collect()
}

/// A CPS that serves files, and the wallet of a carrier that asks it.
struct Scene {
    cps: ServiceAddress,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    signer: NoteSigner,
    fetcher: KeyFetcher,
    home: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let files = Arc::new(Mutex::new(BTreeMap::new()));
        let served = Arc::clone(&files);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, Arc::clone(&served)));
            }
        });
        let home = tempfile::tempdir().unwrap();
        let name = "cps.example/log".parse().unwrap();
        Self {
            cps: format!("cps.example=http://{address}").parse().unwrap(),
            files,
            signer: NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng()),
            fetcher: KeyFetcher {
                wallet: Wallet::open(&home.path().join("wallet.db")).unwrap(),
                log_keys: Vec::new(),
                witnesses: WitnessPolicy::default(),
                retry: RetryPolicy::NONE,
                keys: TrustedKeys::default(),
            },
            home,
        }
    }

    /// What the CPS shows from now on.
    fn shows(&self, served: &[&KeyConfig], announced: &[&KeyConfig]) {
        self.shows_log(served, &weekly(announced));
    }

    /// The same, each announced a day before it begins.
    fn shows_log(&self, served: &[&KeyConfig], announced: &[ObliviousKey]) {
        let ahead = announced
            .iter()
            .map(|key| (key.not_before.minus(DAY), *key));
        self.shows_dated(served, &ahead.collect::<Vec<_>>());
    }

    fn shows_dated(&self, served: &[&KeyConfig], announced: &[(UnixTime, ObliviousKey)]) {
        let mut files = log(&self.signer, announced);
        let list = KeyConfig::encode_list(served.iter().copied());
        files.insert(OHTTP_GATEWAY_PATH.to_owned(), list);
        *self.files.lock().unwrap() = files;
    }

    async fn fetch_at(&self, now: UnixTime) -> Result<Arc<CpsKeys>, KeyFetchError> {
        let client = HttpOptions::default().client().unwrap();
        self.fetcher.fetch(&client, &self.cps, now).await
    }

    /// What another process finds in the wallet.
    async fn remembered(&self) -> Arc<CpsKeys> {
        let other = KeyFetcher {
            wallet: Wallet::open(&self.home.path().join("wallet.db")).unwrap(),
            keys: TrustedKeys::default(),
            ..self.fetcher.clone()
        };
        other.recall(self.cps.authority()).await.unwrap()
    }
}

async fn serve(mut socket: TcpStream, files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>) {
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
        let path = text.split(' ').nth(1).unwrap().to_owned();
        let found = files.lock().unwrap().get(&path).cloned();
        let status = found.as_ref().map_or("404 Not Found", |_| "200 OK");
        let (body, media_type) = (found.unwrap_or_default(), OHTTP_KEYS_MEDIA_TYPE);
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
        );
        // At once: a paused clock does not wait for what the system holds back.
        let answer = [head.as_bytes(), &body].concat();
        socket.write_all(&answer).await.unwrap();
    }
}

fn used(keys: &CpsKeys, now: UnixTime) -> Option<u8> {
    keys.newest(now).map(|key| key.config().key_id())
}

#[tokio::test]
async fn an_announced_key_is_used_and_another_process_finds_it_without_asking() {
    let scene = Scene::new().await;
    let (first, second) = (config(2), config(4));
    scene.shows(&[&first], &[&first, &second]);
    assert_eq!(used(&scene.fetch_at(NOW).await.unwrap(), NOW), Some(2));
    scene.files.lock().unwrap().clear();
    assert_eq!(used(&*scene.remembered().await, NOW), Some(2));
    // A week later the next one is served, and the first is accepted for an hour more.
    let later = NOW.plus(WEEK);
    scene.shows(&[&second, &first], &[&first, &second]);
    let both = scene.fetch_at(later).await.unwrap();
    assert_eq!((both.keys.len(), used(&both, later)), (2, Some(4)));
}

#[tokio::test]
async fn a_key_is_used_for_an_hour_after_the_last_good_reading() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let second = Duration::from_secs(1);
    let scene = Scene::new().await;
    let first = config(2);
    scene.shows(&[&first], &[&first]);
    scene.fetch_at(NOW).await.unwrap();
    for (now, key) in [
        (NOW.plus(HOUR), Some(2)),
        (NOW.plus(HOUR).plus(second), None),
        // A clock that was set back makes nothing younger.
        (NOW.minus(HOUR).minus(second), None),
    ] {
        assert_eq!(used(&*scene.remembered().await, now), key, "{now}");
    }
    // A reading that was not good is none.
    let later = NOW.plus(HOUR / 2);
    scene.shows(&[&config(2)], &[&first]);
    assert!(scene.fetch_at(later).await.is_err());
    assert_eq!(used(&*scene.remembered().await, NOW.plus(HOUR)), Some(2));
    assert_eq!(used(&*scene.remembered().await, later.plus(HOUR)), None);
    scene.shows(&[&first], &[&first]);
    scene.fetch_at(later).await.unwrap();
    assert_eq!(used(&*scene.remembered().await, later.plus(HOUR)), Some(2));
}

#[tokio::test]
async fn a_key_that_is_not_in_the_log_is_refused_and_what_was_trusted_stays() {
    let scene = Scene::new().await;
    let (first, marked) = (config(2), config(2));
    scene.shows(&[&marked], &[&first]);
    let refused = scene.fetch_at(NOW).await.unwrap_err();
    assert!(refused.is_untrusted(), "{refused}");
    let known = scene.remembered().await;
    assert_eq!(used(&known, NOW), None);
    assert!(known.refused.as_ref().unwrap().contains("not in the log"));
    // One that is honest beside it does not save the other.
    scene.shows(&[&first, &marked], &[&first]);
    assert!(scene.fetch_at(NOW).await.unwrap_err().is_untrusted());
    assert_eq!(used(&*scene.remembered().await, NOW), None);
    scene.shows(&[&first], &[&first]);
    assert_eq!(scene.fetch_at(NOW).await.unwrap().refused, None);
    scene.shows(&[&marked], &[&first]);
    assert!(scene.fetch_at(NOW).await.is_err());
    let known = scene.remembered().await;
    assert_eq!(
        known
            .keys
            .iter()
            .map(|key| key.config())
            .collect::<Vec<_>>(),
        [&first]
    );
}

#[tokio::test]
async fn only_a_good_answer_clears_a_contradiction() {
    let scene = Scene::new().await;
    let (first, marked) = (config(2), config(2));
    scene.shows(&[&marked], &[&first]);
    assert!(scene.fetch_at(NOW).await.unwrap_err().is_untrusted());
    // Its list is away, or has nothing to use.
    scene.files.lock().unwrap().remove(OHTTP_GATEWAY_PATH);
    assert!(!scene.fetch_at(NOW).await.unwrap_err().is_untrusted());
    assert!(scene.remembered().await.refused.is_some());
    scene.shows(&[&first], &[&first]);
    let early = scene.fetch_at(NOW.minus(WEEK)).await.unwrap_err();
    assert!(matches!(early, KeyFetchError::NoneGood { .. }), "{early}");
    assert!(scene.remembered().await.refused.is_some());
    scene.fetch_at(NOW).await.unwrap();
    assert_eq!(scene.remembered().await.refused, None);
}

#[tokio::test]
async fn a_log_that_takes_back_what_it_showed_brings_no_new_key() {
    let scene = Scene::new().await;
    let (first, second) = (config(2), config(4));
    scene.shows(&[&first], &[&first, &second]);
    scene.fetch_at(NOW).await.unwrap();
    scene.shows(&[&first], &[&first]);
    let rolled_back = scene.fetch_at(NOW).await.unwrap_err();
    assert!(rolled_back.is_untrusted(), "{rolled_back}");
    let marked = config(6);
    scene.shows(&[&marked], &[&first, &marked]);
    let forked = scene.fetch_at(NOW).await.unwrap_err();
    assert!(forked.is_untrusted(), "{forked}");
    assert_eq!(used(&*scene.remembered().await, NOW), Some(2));
}

#[tokio::test]
async fn an_older_key_than_the_log_has_is_refused() {
    let scene = Scene::new().await;
    let (first, second) = (config(2), config(4));
    scene.shows(&[&first], &[&first, &second]);
    let begun = NOW.plus(WEEK);
    let refused = scene.fetch_at(begun).await.unwrap_err();
    assert!(refused.is_untrusted(), "{refused}");
    assert!(refused.to_string().contains("does not serve"), "{refused}");
}

/// A CPS that announces many keys for the same time could serve each client another.
#[tokio::test]
async fn two_keys_of_a_kem_for_one_time_and_a_key_of_a_wrong_kem_are_refused() {
    let begins = NOW.minus(MINUTE);
    let (first, marked) = (config(2), config(4));
    let twice = [key(&first, begins), key(&marked, begins)];
    let disguised = ObliviousKey {
        kem_id: 0x10,
        ..twice[1]
    };
    for second in [twice[1], disguised] {
        for served in [vec![&first], vec![&marked], vec![&first, &marked]] {
            let scene = Scene::new().await;
            scene.shows_log(&served, &[twice[0], second]);
            let refused = scene.fetch_at(NOW).await.unwrap_err();
            assert!(refused.is_untrusted(), "{refused}");
            assert_eq!(used(&*scene.remembered().await, NOW), None);
        }
    }
}

/// Keys that begin one after another in a minute, of which each client is shown another.
#[tokio::test]
async fn a_key_that_is_not_the_newest_of_the_log_is_not_used_though_it_was_served() {
    let begins = NOW.plus(MINUTE);
    let (today, first, second) = (config(2), config(4), config(6));
    let announced = [
        key(&today, NOW.minus(WEEK)),
        key(&first, begins),
        key(&second, begins.plus(MINUTE / 60)),
    ];
    let scene = Scene::new().await;
    scene.shows_log(&[&today, &first], &announced);
    let known = scene.fetch_at(NOW).await.unwrap();
    assert_eq!(used(&known, NOW), Some(2));
    assert_eq!(used(&known, begins), Some(4));
    assert_eq!(used(&known, begins.plus(MINUTE / 60)), None);
    scene.shows_log(&[&today, &first, &second], &announced);
    let known = scene.fetch_at(NOW).await.unwrap();
    assert_eq!(used(&known, begins.plus(MINUTE / 60)), Some(6));
}

#[tokio::test]
async fn a_kem_is_left_out_for_nobody_and_the_order_of_a_list_says_nothing() {
    let begins = NOW.minus(MINUTE);
    let (x25519, p256) = (config(2), config_of(Kem::DhkemP256, 4));
    let announced = [key(&x25519, begins), key(&p256, begins)];
    let mut all = Vec::new();
    for served in [[&x25519, &p256], [&p256, &x25519]] {
        let scene = Scene::new().await;
        scene.shows_log(&served[..1], &announced);
        let refused = scene.fetch_at(NOW).await.unwrap_err();
        assert!(refused.is_untrusted(), "{refused}");
        scene.shows_log(&served, &announced);
        all.push(used(&scene.fetch_at(NOW).await.unwrap(), NOW));
    }
    assert_eq!(all[0], all[1]);
}

#[tokio::test]
async fn a_cps_without_a_gateway_and_one_whose_log_is_away_are_not_suspected() {
    let scene = Scene::new().await;
    let absent = scene.fetch_at(NOW).await.unwrap_err();
    assert!(matches!(absent, KeyFetchError::NotOffered(_)), "{absent}");
    let first = config(2);
    scene.shows(&[&first], &[&first]);
    scene.fetch_at(NOW).await.unwrap();
    let nobody = ServiceAddress::from_str("cps.example=http://127.0.0.1:1").unwrap();
    let client = HttpOptions::default().client().unwrap();
    let away = scene
        .fetcher
        .fetch(&client, &nobody, NOW)
        .await
        .unwrap_err();
    assert!(!away.is_untrusted(), "{away}");
    let known = scene.remembered().await;
    assert_eq!((used(&known, NOW), &known.refused), (Some(2), &None));
    // Long after its end nothing is left.
    assert_eq!(used(&known, NOW.plus(2 * WEEK)), None);
}

#[tokio::test]
async fn a_log_key_that_is_configured_is_the_only_one() {
    let mut scene = Scene::new().await;
    let first = config(2);
    scene.shows(&[&first], &[&first]);
    let name = "cps.example/log".parse().unwrap();
    let other = NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng());
    scene.fetcher.log_keys = vec![other.verifier().clone()];
    assert!(scene.fetch_at(NOW).await.unwrap_err().is_untrusted());
    scene.fetcher.log_keys = vec![scene.signer.verifier().clone()];
    assert_eq!(used(&scene.fetch_at(NOW).await.unwrap(), NOW), Some(2));
}
