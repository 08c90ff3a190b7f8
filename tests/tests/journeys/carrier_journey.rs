//! A carrier draws tokens from a real issuer over a real socket, also when the
//! network loses answers, when the process dies in between, and when its
//! certificate is revoked.

use std::time::Duration;

use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_client::carrier::{Carrier, CarrierError, Schedule};
use pennyblack_client::wallet::{SpendError, Wallet};
use pennyblack_evidence::key_log_view::{Demand, FollowError};
use pennyblack_http::{HttpClient, HttpError, HttpOptions, RetryPolicy};
use pennyblack_pki::{PkiDirectory, RevocationReason};
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::directory::DirectoryKey;
use pennyblack_privacypass::token::{Token, TokenKeyId};
use pennyblack_privacypass::token_key::TokenVerifier;
use pennyblack_protocol::store_request::sign_store_request;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::{Kem, MailboxId, RecipientKey};
use pennyblack_sealing::sealed::seal_passport;
use pennyblack_tests::federation::{Federation, cps_name, issuer_name};
use pennyblack_tests::lossy_proxy::LossyProxy;

const NOW: UnixTime = UnixTime(1_800_000_000);
const BATCH: usize = 8;
const ONE_BATCH: u64 = BATCH as u64;

pub(super) const QUICK: RetryPolicy = RetryPolicy {
    retries: 3,
    longest_pause: Duration::from_millis(200),
    within: None,
};

fn federation() -> Federation {
    // The hand is dropped: the clock stands still.
    Federation::found(Clock::by_hand(NOW).0).unwrap()
}

fn wallet(federation: &Federation) -> Wallet {
    Wallet::open(&federation.home().join("wallet.db")).unwrap()
}

fn client() -> HttpClient {
    HttpOptions::default().client().unwrap()
}

/// A schedule that draws so many batches of each key.
fn schedule(batches: u64) -> Schedule {
    Schedule {
        scopes: vec![cps_name().unwrap().into()],
        class: (batches * ONE_BATCH).try_into().unwrap(),
        epoch: Duration::from_secs(86_400),
    }
}

fn held(wallet: &Wallet) -> u64 {
    wallet
        .count(&issuer_name().unwrap(), cps_name().unwrap())
        .unwrap()
}

fn refusal(error: &CarrierError) -> Option<ProblemType> {
    match error {
        CarrierError::Http(HttpError::Refused(refused)) => refused.kind(),
        _ => None,
    }
}

/// The keys that the directory lists, once they are others than `before`.
pub(super) async fn changed_keys(
    carrier: &Carrier,
    client: &HttpClient,
    before: Vec<TokenKeyId>,
) -> Vec<TokenKeyId> {
    let changed = async {
        loop {
            let directory = carrier.directory(client).await.unwrap();
            let listed: Vec<_> = directory.token_keys.iter().map(DirectoryKey::id).collect();
            if listed != before {
                return listed;
            }
        }
    };
    let deadline = Duration::from_secs(60);
    tokio::time::timeout(deadline, changed)
        .await
        .expect("the keys never changed")
}

/// Takes a token out of the wallet as a caller does, and returns it.
fn spend(wallet: &Wallet) -> Result<Token, SpendError> {
    spend_at(wallet, NOW)
}

pub(super) fn spend_at(wallet: &Wallet, now: UnixTime) -> Result<Token, SpendError> {
    let mut rng = rand::rng();
    let cps = cps_name().unwrap();
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rng).unwrap();
    let sealed = seal_passport(key.config(), &cps, "a.b.c", &mut rng).unwrap();
    let mut taken = None;
    wallet.spend(
        &cps,
        Duration::ZERO,
        "http://127.0.0.1:1/",
        now,
        |token, spend_key| {
            taken = Some(token.clone());
            sign_store_request(token, spend_key, &cps, MailboxId([1; 32]), &sealed, now)
        },
    )?;
    Ok(taken.unwrap())
}

#[tokio::test]
async fn every_token_that_is_drawn_verifies_under_the_issuers_published_key() {
    let federation = federation();
    let issuer = federation.start_issuer(1000).await.unwrap();
    let carrier = federation
        .carrier(issuer.addresses().public, BATCH, QUICK)
        .unwrap();
    let (wallet, client) = (wallet(&federation), client());
    let drawn = carrier
        .draw(&client, &wallet, &cps_name().unwrap(), NOW)
        .await
        .unwrap();
    assert_eq!((drawn.asked, drawn.received), (BATCH, BATCH));
    assert_eq!(held(&wallet), ONE_BATCH);

    let directory = carrier.directory(&client).await.unwrap();
    for _ in 0..BATCH {
        let token = spend(&wallet).unwrap();
        let is_its_key = |key: &&DirectoryKey| key.id() == token.token_key_id;
        let key = directory.token_keys.iter().find(is_its_key).unwrap();
        let key = TokenVerifier::BlindRsa(TokenVerifyingKey::from_spki(&key.encoded).unwrap());
        key.verify(token).unwrap();
    }
    issuer.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_charged_once() {
    let federation = federation();
    let issuer = federation.start_issuer(ONE_BATCH).await.unwrap();
    let proxy = LossyProxy::start(issuer.addresses().public).await.unwrap();
    let carrier = federation.carrier(proxy.address(), BATCH, QUICK).unwrap();
    let (wallet, client) = (wallet(&federation), client());
    let cps = cps_name().unwrap();

    proxy.lose(2);
    let drawn = carrier.draw(&client, &wallet, &cps, NOW).await.unwrap();
    assert_eq!((drawn.received, proxy.lost()), (BATCH, 2));

    // The quota was one batch: it is used up, and was not used twice.
    let error = carrier.draw(&client, &wallet, &cps, NOW).await.unwrap_err();
    assert_eq!(refusal(&error), Some(ProblemType::QuotaExceeded));
    assert_eq!(held(&wallet), ONE_BATCH);
    issuer.stop().await;
}

#[tokio::test]
async fn a_draw_cut_off_by_a_crash_is_finished_after_the_restart_and_charged_once() {
    let federation = federation();
    let issuer = federation.start_issuer(ONE_BATCH).await.unwrap();
    let proxy = LossyProxy::start(issuer.addresses().public).await.unwrap();
    let carrier = federation
        .carrier(proxy.address(), BATCH, RetryPolicy::NONE)
        .unwrap();
    let client = client();
    let first_life = wallet(&federation);
    proxy.lose(1);
    let cut_off = carrier
        .draw(&client, &first_life, &cps_name().unwrap(), NOW)
        .await;
    assert!(matches!(
        cut_off,
        Err(CarrierError::Http(HttpError::NoAnswer { .. }))
    ));
    assert_eq!(held(&first_life), 0);
    drop(first_life);

    let second_life = wallet(&federation);
    let drawn = carrier.resume(&client, &second_life, NOW).await.unwrap();
    assert_eq!((drawn.asked, drawn.received), (BATCH, BATCH));
    assert_eq!(held(&second_life), ONE_BATCH);
    assert!(second_life.pending_draws().unwrap().is_empty());
    issuer.stop().await;
}

/// What comes in of two keys at visits in each quarter of their days, with a restart of the
/// carrier at each visit.
async fn drawn_in_two_days(spends: bool) -> Vec<usize> {
    let (clock, hand) = Clock::by_hand(NOW);
    let federation = Federation::found(clock).unwrap();
    let issuer = federation.start_issuer(4 * ONE_BATCH).await.unwrap();
    let carrier = federation
        .carrier(issuer.addresses().public, BATCH, QUICK)
        .unwrap();
    let (client, schedule) = (client(), schedule(4));
    let listed = changed_keys(&carrier, &client, Vec::new()).await;
    let hours = |number: u64| hand.advance(Duration::from_secs(number * 3_600));
    hours(1);
    let mut received = Vec::new();
    for quarter in 0..8 {
        let wallet = wallet(&federation);
        let visit = schedule.visit(&carrier, &client, &wallet, federation.clock());
        received.push(visit.await.unwrap());
        while spends && spend(&wallet).is_ok() {}
        hours(2);
        if quarter == 3 {
            // The second key is announced.
            changed_keys(&carrier, &client, listed.clone()).await;
        }
        hours(4);
    }
    issuer.stop().await;
    received
}

#[tokio::test]
async fn a_schedule_draws_its_class_of_each_key_whatever_was_spent() {
    // The first class at once, the second one in the four quarters of its day.
    let expected = [4 * BATCH, 0, 0, 0, BATCH, BATCH, BATCH, BATCH];
    assert_eq!(drawn_in_two_days(false).await, expected);
    assert_eq!(drawn_in_two_days(true).await, expected);
}

#[tokio::test]
async fn tokens_of_a_closed_key_epoch_leave_the_wallet_with_the_next_draw() {
    let (clock, hand) = Clock::by_hand(NOW);
    let federation = Federation::found(clock).unwrap();
    let issuer = federation.start_issuer(1000).await.unwrap();
    let carrier = federation
        .carrier(issuer.addresses().public, BATCH, QUICK)
        .unwrap();
    let (wallet, client) = (wallet(&federation), client());
    let cps = cps_name().unwrap();
    carrier.draw(&client, &wallet, &cps, NOW).await.unwrap();
    let first = carrier.directory(&client).await.unwrap().token_keys[0].id();

    // An epoch is a day. The issuer makes its keys in its own time, so each day
    // is waited for until it shows in the directory.
    let mut listed = vec![first];
    for _ in 0..5 {
        hand.advance(Duration::from_secs(86_400));
        listed = changed_keys(&carrier, &client, listed).await;
        if !listed.contains(&first) {
            break;
        }
    }
    assert!(
        !listed.contains(&first),
        "the issuer never drops the first key"
    );
    let later = federation.clock().now();
    carrier.draw(&client, &wallet, &cps, later).await.unwrap();
    let holdings = wallet.holdings(Duration::ZERO, later).unwrap();
    assert_eq!(holdings.len(), 1, "{holdings:?}");
    assert_eq!(holdings[0].tokens, ONE_BATCH);
    assert_ne!(holdings[0].token_key_id, first.to_string());
    issuer.stop().await;
}

#[tokio::test]
async fn a_carrier_that_spends_nothing_has_live_tokens_at_every_change_of_keys() {
    let (clock, hand) = Clock::by_hand(NOW);
    let federation = Federation::found(clock).unwrap();
    let issuer = federation.start_issuer(1000).await.unwrap();
    let carrier = federation
        .carrier(issuer.addresses().public, BATCH, QUICK)
        .unwrap();
    let (wallet, client) = (wallet(&federation), client());
    let schedule = schedule(1);
    let clock = federation.clock();
    schedule
        .visit(&carrier, &client, &wallet, clock)
        .await
        .unwrap();
    let mut listed = changed_keys(&carrier, &client, Vec::new()).await;
    let first = listed[0];
    let mut days = 0;
    while listed.contains(&first) {
        assert!(days < 5, "the issuer never drops the first key");
        days += 1;
        hand.advance(Duration::from_secs(86_400));
        listed = changed_keys(&carrier, &client, listed).await;
        let ready: Vec<_> = wallet.holdings(Duration::ZERO, clock.now()).unwrap();
        let live = |id: &TokenKeyId| ready.iter().any(|held| held.token_key_id == id.to_string());
        assert!(listed.iter().any(live), "day {days}: all tokens are dead");
        schedule
            .visit(&carrier, &client, &wallet, clock)
            .await
            .unwrap();
    }
    assert!(days >= 2, "the keys changed once only");
    for holding in wallet.holdings(Duration::ZERO, clock.now()).unwrap() {
        assert_ne!(holding.token_key_id, first.to_string());
    }
    issuer.stop().await;
}

#[tokio::test]
async fn a_revoked_carrier_draws_no_tokens() {
    let federation = federation();
    let mut pki = PkiDirectory::open(&federation.pki()).unwrap();
    let week = Duration::from_secs(7 * 86_400);
    pki.revoke("carrier", RevocationReason::KeyCompromise, week, NOW)
        .unwrap();
    let issuer = federation.start_issuer(1000).await.unwrap();
    let carrier = federation
        .carrier(issuer.addresses().public, BATCH, QUICK)
        .unwrap();
    let wallet = wallet(&federation);
    let error = carrier
        .draw(&client(), &wallet, &cps_name().unwrap(), NOW)
        .await
        .unwrap_err();
    assert_eq!(
        refusal(&error),
        Some(ProblemType::CertificateRevoked),
        "{error}"
    );
    assert_eq!(held(&wallet), 0);
    issuer.stop().await;
}

#[tokio::test]
async fn an_issuer_of_another_name_is_not_drawn_from() {
    let federation = federation();
    let issuer = federation.start_issuer(1000).await.unwrap();
    let mut carrier = federation
        .carrier(issuer.addresses().public, BATCH, QUICK)
        .unwrap();
    let url = format!("other.test=http://{}", issuer.addresses().public);
    carrier.issuer = url.parse().unwrap();
    let wallet = wallet(&federation);
    let (client, cps) = (client(), cps_name().unwrap());
    // Its log has another name.
    let error = carrier.draw(&client, &wallet, &cps, NOW).await.unwrap_err();
    assert!(
        matches!(error, CarrierError::IssuerLog(FollowError::Name { .. })),
        "{error}"
    );
    // And it is not the one that the attestation is for.
    carrier.log.demand = Demand::Off;
    let error = carrier.draw(&client, &wallet, &cps, NOW).await.unwrap_err();
    assert_eq!(
        refusal(&error),
        Some(ProblemType::AttestationMalformed),
        "{error}"
    );
    issuer.stop().await;
}
