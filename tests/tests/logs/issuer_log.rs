//! An issuer that shows some carriers a key of their own, to know their tokens
//! again at a CPS: carriers and CPS find that the key is not in the issuer's log,
//! and use it neither to draw nor to redeem.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::carrier::{Carrier, CarrierError};
use pennyblack_client::wallet::Wallet;
use pennyblack_evidence::key_log_view::{Demand, FollowError, KeyNotLogged};
use pennyblack_http::{HttpClient, HttpOptions, RetryPolicy};
use pennyblack_privacypass::directory;
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_service::start::RunningService;
use pennyblack_tests::federation::{Federation, cps_name, issuer_name};
use pennyblack_tests::meddler::{Meddler, answer};
use pennyblack_tests::two_faced_issuer::TwoFacedIssuer;
use pennyblack_tests::wait::until;
use pennyblack_tlog::ReadLogError;

const NOW: UnixTime = UnixTime(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(30);
const BATCH: usize = 4;

/// An issuer as the public sees it, and one of the same name for those that are to
/// be marked, behind one address.
struct Scene {
    federation: Federation,
    hand: ClockHand,
    public: RunningService,
    secret: RunningService,
    front: TwoFacedIssuer,
    client: HttpClient,
    _secrets: Federation,
}

impl Scene {
    async fn open() -> Self {
        let (clock, hand) = Clock::by_hand(NOW);
        let federation = Federation::found(clock.clone()).unwrap();
        let secrets = Federation::found(clock).unwrap();
        let public = federation.start_issuer(1000).await.unwrap();
        let secret = secrets.start_issuer(1000).await.unwrap();
        let (log, rest) = (public.addresses().public, secret.addresses().public);
        Self {
            front: TwoFacedIssuer::start(log, rest).await.unwrap(),
            client: HttpOptions::default().client().unwrap(),
            federation,
            hand,
            public,
            secret,
            _secrets: secrets,
        }
    }

    fn wallet(&self, name: &str) -> Wallet {
        Wallet::open(&self.federation.home().join(name)).unwrap()
    }

    fn carrier_at(&self, issuer: std::net::SocketAddr) -> Carrier {
        let carrier = self.federation.carrier(issuer, BATCH, RetryPolicy::NONE);
        carrier.unwrap()
    }

    async fn draw(&self, carrier: &Carrier, wallet: &Wallet) -> Result<usize, CarrierError> {
        let cps = cps_name().unwrap();
        let drawn = carrier.draw(&self.client, wallet, &cps, NOW).await?;
        Ok(drawn.received)
    }
}

#[tokio::test]
async fn a_carrier_that_is_shown_another_key_than_the_public_draws_nothing_and_names_it() {
    let scene = Scene::open().await;
    let marked = scene.carrier_at(scene.front.address());
    let wallet = scene.wallet("marked.db");
    let directory = marked.directory(&scene.client).await.unwrap();
    let shown = directory.token_keys[0].id();
    let refused = scene.draw(&marked, &wallet).await.unwrap_err();
    let CarrierError::NotLogged(KeyNotLogged::Missing { key, .. }) = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*key, shown);
    let said = refused.to_string();
    assert!(said.contains("issuer.test/log"), "{said}");
    assert!(wallet.pending_draws().unwrap().is_empty());

    // The key of the public is drawn from.
    scene.front.become_honest(scene.public.addresses().public);
    let honest = scene.carrier_at(scene.public.addresses().public);
    assert_eq!(scene.draw(&honest, &wallet).await.unwrap(), BATCH);
    scene.secret.stop().await;
    scene.public.stop().await;
}

#[tokio::test]
async fn a_directory_without_the_newest_key_of_the_log_sets_no_token_aside() {
    let scene = Scene::open().await;
    let wallet = scene.wallet("wallet.db");
    let honest = scene.carrier_at(scene.public.addresses().public);
    assert_eq!(scene.draw(&honest, &wallet).await.unwrap(), BATCH);
    let held = || {
        let (issuer, cps) = (issuer_name().unwrap(), cps_name().unwrap());
        wallet.count(&issuer, &cps).unwrap()
    };
    // One directory lists another key, and not that of the tokens.
    let astray = scene.carrier_at(scene.front.address());
    scene.draw(&astray, &wallet).await.unwrap_err();
    assert_eq!(held(), BATCH as u64);
    // A log that cannot be read says nothing.
    let away = scene.carrier_at(scene.secret.addresses().public);
    scene.draw(&away, &wallet).await.unwrap_err();
    assert_eq!(held(), BATCH as u64);
    scene.secret.stop().await;
    scene.public.stop().await;
}

#[tokio::test]
async fn a_directory_without_keys_leaves_the_wallet_as_it_is() {
    let scene = Scene::open().await;
    let wallet = scene.wallet("wallet.db");
    let public = scene.public.addresses().public;
    let issuer = Meddler::start(Some(public), |_, honest| honest);
    let issuer = issuer.await.unwrap();
    let carrier = scene.carrier_at(issuer.address());
    assert_eq!(scene.draw(&carrier, &wallet).await.unwrap(), BATCH);
    issuer.turn_to(|path, honest| match path {
        directory::WELL_KNOWN_PATH => {
            let none = r#"{"issuer-request-uri":"/token-request","token-keys":[]}"#;
            let media_type = directory::MEDIA_TYPE;
            answer(&format!("200 OK\r\ncontent-type: {media_type}"), none)
        }
        _ => honest,
    });
    let refused = scene.draw(&carrier, &wallet).await.unwrap_err();
    assert!(
        matches!(refused, CarrierError::NoCurrentKey { .. }),
        "{refused}"
    );
    let (name, cps) = (issuer_name().unwrap(), cps_name().unwrap());
    assert_eq!(wallet.count(&name, &cps).unwrap(), BATCH as u64);
    scene.secret.stop().await;
    scene.public.stop().await;
}

#[tokio::test]
async fn a_carrier_that_has_seen_the_log_trusts_no_other() {
    let scene = Scene::open().await;
    let wallet = scene.wallet("wallet.db");
    let honest = scene.carrier_at(scene.public.addresses().public);
    scene.draw(&honest, &wallet).await.unwrap();
    // The other issuer has a log, too, in which its key is: signed by another key.
    let marked = scene.carrier_at(scene.secret.addresses().public);
    let refused = scene.draw(&marked, &wallet).await.unwrap_err();
    assert!(
        matches!(
            refused,
            CarrierError::IssuerLog(FollowError::Log(ReadLogError::Checkpoint(_)))
        ),
        "{refused}"
    );
    // A wallet that knows the public log's key from elsewhere needs no first look.
    let log = honest
        .issuer_log(&scene.client, &wallet, NOW)
        .await
        .unwrap();
    let mut told = marked.clone();
    told.log.demand = Demand::Required;
    told.log.key = Some(log.unwrap().log().clone());
    let refused = scene.draw(&told, &scene.wallet("told.db")).await;
    assert!(
        matches!(
            refused,
            Err(CarrierError::IssuerLog(FollowError::Log(
                ReadLogError::Checkpoint(_)
            )))
        ),
        "{refused:?}"
    );
    scene.secret.stop().await;
    scene.public.stop().await;
}

#[tokio::test]
async fn a_cps_takes_no_token_of_a_key_that_is_not_in_the_log() {
    let scene = Scene::open().await;
    let cps = scene.federation.start_cps(scene.front.address()).await;
    let cps = cps.unwrap();
    let admin = |path: &str| format!("http://{}{path}", cps.addresses().admin);
    let client = reqwest::Client::new();
    until("the refusal of the key", SOON, async || {
        let metrics = client.get(admin("/metrics")).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        metrics
            .contains("pennyblack_cps_issuer_keys_refused_total 1")
            .then_some(())
    })
    .await;
    let ready = client.get(admin("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let said = ready.text().await.unwrap();
    assert!(said.contains("no redeemable key"), "{said}");

    // At its next look it takes what is in the log.
    scene.front.become_honest(scene.public.addresses().public);
    // The look that the clock of an hour later causes may be being put off to an
    // hour after that just now.
    let mut hours = 0;
    until("readiness", SOON, async || {
        hours += 1;
        scene.hand.set(NOW.plus(HOUR * hours));
        let ready = client.get(admin("/readyz")).send().await.unwrap();
        (ready.status() == 200).then_some(())
    })
    .await;
    cps.stop().await;
    scene.secret.stop().await;
    scene.public.stop().await;
}
