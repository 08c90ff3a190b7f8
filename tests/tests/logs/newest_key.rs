//! An issuer that has all its keys in the log and shows one carrier an old one, to know its
//! tokens again: the carrier draws nothing of it, CPS and auditor report what the log shows.
//! Every attack here drew tokens before a carrier demanded the newest key.

use std::fs;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::carrier::{Carrier, CarrierError};
use pennyblack_client::wallet::Wallet;
use pennyblack_evidence::key_log_view::{FollowError, KeyNotNewest};
use pennyblack_evidence::log_entry::{LogEntry, Minute, Statement};
use pennyblack_http::{HttpClient, HttpOptions, RetryPolicy};
use pennyblack_logserver::TransparencyLog;
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_service::start::RunningService;
use pennyblack_tests::federation::{Federation, cps_name, issuer_name};
use pennyblack_tests::two_faced_issuer::TwoFacedIssuer;
use pennyblack_tests::wait::until;

const NOW: UnixTime = UnixTime(1_800_000_000);
const SOON: Duration = Duration::from_secs(30);
const BATCH: usize = 4;

fn after(seconds: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(seconds))
}

/// An issuer whose only key has begun [`NOW`], before a log that says more than it shows.
struct Scene {
    federation: Federation,
    hand: ClockHand,
    issuer: RunningService,
    front: TwoFacedIssuer,
    log: TransparencyLog,
    client: HttpClient,
}

impl Scene {
    async fn open() -> Self {
        let (clock, hand) = Clock::by_hand(NOW);
        let federation = Federation::found(clock).unwrap();
        let issuer = federation.start_issuer(1000).await.unwrap();
        let home = federation.home().join("log");
        let name = "issuer.test/log".parse().unwrap();
        fs::create_dir(&home).unwrap();
        let log = TransparencyLog::open(&home, &name, |_, _| ()).unwrap();
        let files = home.join("public");
        fs::write(files.join("key"), log.verifier().to_string()).unwrap();
        let at = issuer.addresses().public;
        let scene = Self {
            front: TwoFacedIssuer::start_with_files(files, at).await.unwrap(),
            client: HttpOptions::default().client().unwrap(),
            federation,
            hand,
            issuer,
            log,
        };
        let directory = scene.carrier().directory(&scene.client).await.unwrap();
        let [listed] = directory.token_keys.as_slice() else {
            panic!("{directory:?}");
        };
        let key = TokenKey::parse(listed.token_type, &listed.encoded).unwrap();
        scene.announce(key, listed.not_before.unwrap()).await;
        scene
    }

    /// States a key that the carrier is not shown.
    async fn announce_another(&self, not_before: UnixTime) {
        let mut modulus = [7; 256];
        modulus[0] = 0x80;
        let key = TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap());
        self.announce(key, not_before).await;
    }

    async fn announce(&self, key: TokenKey, not_before: UnixTime) {
        let statement = Statement::TokenKeyAnnounced { key, not_before };
        self.state(statement).await;
    }

    async fn state(&self, statement: Statement) {
        let minute = Minute::of(NOW.minus(Duration::from_secs(86_400)));
        self.append(LogEntry { minute, statement }.to_bytes()).await;
    }

    async fn append(&self, entry: Vec<u8>) {
        self.log.append(entry).await.unwrap();
        let size = self.log.size();
        let mut checkpoints = self.log.checkpoints();
        let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == size);
        signed.await.unwrap();
    }

    fn carrier(&self) -> Carrier {
        let at = self.front.address();
        let carrier = self.federation.carrier(at, BATCH, RetryPolicy::NONE);
        carrier.unwrap()
    }

    async fn draw(&self, wallet: &Wallet, now: UnixTime) -> Result<usize, CarrierError> {
        self.hand.set(now);
        let cps = cps_name().unwrap();
        let drawn = self.carrier().draw(&self.client, wallet, &cps, now).await?;
        Ok(drawn.received)
    }

    fn wallet(&self, name: &str) -> Wallet {
        Wallet::open(&self.federation.home().join(name)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_keys_a_second_apart_none_is_drawn_of_and_cps_and_auditor_say_so() {
    let scene = Scene::open().await;
    let wallet = scene.wallet("wallet.db");
    scene.announce_another(after(1)).await;
    // The first is the newest for a minute, and drawn of by few.
    for (now, is_superseded) in [(0, false), (59, false), (61, true)] {
        let refused = scene.draw(&wallet, after(now)).await.unwrap_err();
        let CarrierError::NotNewest(error) = &refused else {
            panic!("{now}: {refused}");
        };
        let says = matches!(error, KeyNotNewest::Superseded { .. });
        assert_eq!(says, is_superseded, "{refused}");
    }
    assert!(wallet.pending_draws().unwrap().is_empty());

    let cps = scene.federation.start_cps(scene.front.address()).await;
    let cps = cps.unwrap();
    until("the report", SOON, async || counts(&cps, "withheld").await).await;
    cps.stop().await;
    scene.issuer.stop().await;
}

/// Whether the CPS has counted any of what `counter` counts.
async fn counts(cps: &RunningService, counter: &str) -> Option<()> {
    let metrics = admin(cps, "metrics").await;
    let name = format!("pennyblack_cps_issuer_keys_{counter}_total ");
    let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
    count.filter(|count| *count != "0").map(drop)
}

async fn admin(service: &RunningService, path: &str) -> String {
    let url = format!("http://{}/{path}", service.addresses().admin);
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_hears_the_log_while_the_directory_stays_as_it_is() {
    let scene = Scene::open().await;
    scene.announce_another(after(1_800)).await;
    let cps = scene.federation.start_cps(scene.front.address()).await;
    let cps = cps.unwrap();
    until("the CPS", SOON, async || {
        is_redeeming(&cps).await.then_some(())
    })
    .await;
    assert_eq!(counts(&cps, "withheld").await, None);
    // The next key begins, and the directory never has it.
    scene.hand.set(after(1_861));
    until("the report", SOON, async || counts(&cps, "withheld").await).await;
    cps.stop().await;
    scene.issuer.stop().await;
}

async fn is_redeeming(cps: &RunningService) -> bool {
    !admin(cps, "readyz").await.contains("no redeemable key")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_takes_no_tokens_of_a_key_that_was_given_up_unused() {
    let scene = Scene::open().await;
    let cps = scene.federation.start_cps(scene.front.address()).await;
    let cps = cps.unwrap();
    until("the CPS", SOON, async || {
        is_redeeming(&cps).await.then_some(())
    })
    .await;
    // All who read this draw none; a carrier that is shown the log of before does.
    let directory = scene.carrier().directory(&scene.client).await.unwrap();
    let token_key_id = directory.token_keys[0].id();
    scene
        .state(Statement::IssuanceTotal {
            token_key_id,
            issued: 0,
        })
        .await;
    scene.hand.set(after(700));
    until("the refusal", SOON, async || {
        (!is_redeeming(&cps).await).then_some(())
    })
    .await;
    cps.stop().await;
    // Nor does a CPS that hears of it for the first time.
    fs::remove_dir_all(scene.federation.home().join("cps")).unwrap();
    let cps = scene.federation.start_cps(scene.front.address()).await;
    let cps = cps.unwrap();
    until("the report of the key", SOON, async || {
        counts(&cps, "refused").await
    })
    .await;
    assert!(!is_redeeming(&cps).await);
    cps.stop().await;
    scene.issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn carrier_and_cps_remember_what_was_signed_with_an_entry_that_they_refuse() {
    let scene = Scene::open().await;
    let wallet = scene.wallet("wallet.db");
    assert_eq!(scene.draw(&wallet, NOW).await.unwrap(), BATCH);
    scene.append(b"no entry".to_vec()).await;
    for _ in 0..2 {
        let refused = scene.draw(&wallet, NOW).await.unwrap_err();
        let is_named = matches!(refused, CarrierError::IssuerLog(FollowError::Entry { .. }));
        assert!(is_named, "{refused}");
    }
    let signed = |memory: &str| {
        let memory: serde_json::Value = serde_json::from_str(memory).ok()?;
        memory["unread"].as_str().map(str::to_owned)
    };
    let kept = wallet.issuer_log(&issuer_name().unwrap()).unwrap().unwrap();
    assert_eq!(kept.head().size, 1);
    let of_carrier = signed(&kept.to_json().unwrap()).unwrap();
    assert!(
        of_carrier.starts_with("issuer.test/log\n2\n"),
        "{of_carrier}"
    );

    let cps = scene.federation.start_cps(scene.front.address()).await;
    let cps = cps.unwrap();
    let memory = scene
        .federation
        .home()
        .join("cps/issuers/issuer.test.log.json");
    let of_cps = until("the memory of the CPS", SOON, async || {
        signed(&fs::read_to_string(&memory).unwrap_or_default())
    });
    assert_eq!(of_cps.await, of_carrier);
    cps.stop().await;
    scene.issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_ordinary_change_the_old_key_is_drawn_of_for_a_minute_and_no_longer() {
    let scene = Scene::open().await;
    let wallet = scene.wallet("wallet.db");
    scene.announce_another(after(1_800)).await;
    for now in [0, 1_800, 1_859] {
        assert_eq!(scene.draw(&wallet, after(now)).await.unwrap(), BATCH);
    }
    let refused = scene.draw(&wallet, after(1_860)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            CarrierError::NotNewest(KeyNotNewest::Superseded { .. })
        ),
        "{refused}"
    );
    // A carrier that draws for the first time knows it from the log as well.
    let refused = scene.draw(&scene.wallet("new.db"), after(1_860)).await;
    assert!(
        matches!(refused, Err(CarrierError::NotNewest(_))),
        "{refused:?}"
    );
    scene.issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_issuer_is_drawn_of_at_every_hour_of_three_epochs() {
    let (clock, hand) = Clock::by_hand(NOW);
    let federation = Federation::found(clock).unwrap();
    let issuer = federation.start_issuer(1000).await.unwrap();
    let at = issuer.addresses().public;
    let carrier = federation.carrier(at, BATCH, RetryPolicy::NONE).unwrap();
    let client = HttpOptions::default().client().unwrap();
    let wallet = Wallet::open(&federation.home().join("wallet.db")).unwrap();
    let cps = cps_name().unwrap();
    let mut keys = Vec::new();
    for hour in 0..72_u64 {
        let now = after(hour * 3_600);
        hand.set(now);
        // It announces three hours ahead, in its own time.
        until("the next key", SOON, async || {
            let directory = carrier.directory(&client).await.unwrap();
            let begins = directory.token_keys.iter().filter_map(|key| key.not_before);
            let ends = begins.max().unwrap().plus(Duration::from_secs(21 * 3_600));
            (now < ends).then_some(())
        })
        .await;
        let drawn = carrier.draw(&client, &wallet, &cps, now).await.unwrap();
        assert_eq!(drawn.received, BATCH, "{hour}");
        let view = carrier.issuer_log(&client, &wallet, now).await.unwrap();
        keys.push(view.unwrap().newest_key(now).unwrap());
    }
    keys.dedup();
    assert_eq!(keys.len(), 3);
    issuer.stop().await;
}
