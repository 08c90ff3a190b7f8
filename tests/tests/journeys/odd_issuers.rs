//! A carrier whose issuer answers a draw wrongly, or never.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::carrier::{Carrier, Schedule};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::wallet::{DrawPart, NewDraw, Wallet};
use pennyblack_evidence::spend::SpendKey;
use pennyblack_http::{HttpClient, HttpOptions, RetryPolicy};
use pennyblack_privacypass::issuance::{TokenRequest, batch_to_bytes};
use pennyblack_privacypass::token::TokenChallenge;
use pennyblack_privacypass::token_key::{TokenKey, TokenToBe};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_tests::federation::{Federation, cps_name, issuer_name};
use tokio::net::TcpListener;

const NOW: UnixTime = UnixTime(1_800_000_000);
const BATCH: usize = 8;

const QUICK: RetryPolicy = RetryPolicy {
    retries: 3,
    longest_pause: Duration::from_millis(200),
    within: None,
};

fn wallet(federation: &Federation) -> Wallet {
    Wallet::open(&federation.home().join("wallet.db")).unwrap()
}

fn client() -> HttpClient {
    HttpOptions::default().client().unwrap()
}

/// Four batches of each key.
fn schedule() -> Schedule {
    Schedule {
        scopes: vec![cps_name().unwrap().into()],
        class: (4 * BATCH as u64).try_into().unwrap(),
        epoch: Duration::from_secs(86_400),
    }
}

/// A draw of the issuer's key, with the body that `of_requests` makes of two requests.
async fn odd_draw(
    carrier: &Carrier,
    client: &HttpClient,
    of_requests: impl FnOnce(&[TokenRequest]) -> Vec<u8>,
) -> NewDraw {
    let listed = carrier
        .directory(client)
        .await
        .unwrap()
        .token_keys
        .remove(0);
    let key = TokenKey::parse(listed.token_type, &listed.encoded).unwrap();
    let (issuer, cps) = (issuer_name().unwrap(), cps_name().unwrap());
    let challenge = TokenChallenge::of_cps(key.token_type(), &issuer, &cps);
    let mut rng = rand::rng();
    let parts = [(); 2].map(|()| {
        let spend_key = SpendKey::generate(&mut rng);
        let nonce = spend_key.nonce();
        let pending = TokenToBe::blind(&key, nonce, challenge.digest(), &mut rng).unwrap();
        DrawPart { pending, spend_key }
    });
    let requests: Vec<_> = parts.iter().map(|part| part.pending.request()).collect();
    NewDraw {
        challenge,
        token_key: key.id(),
        subject: carrier.identity.iss().to_owned(),
        body: of_requests(&requests),
        parts: parts.into(),
    }
}

#[tokio::test]
async fn a_draw_that_is_never_answered_well_keeps_no_other_back() {
    let federation = Federation::found(Clock::by_hand(NOW).0).unwrap();
    let issuer = federation.start_issuer(1000).await.unwrap();
    let carrier = federation
        .carrier(issuer.addresses().public, BATCH, QUICK)
        .unwrap();
    let (wallet, client) = (wallet(&federation), client());
    let undecodable = odd_draw(&carrier, &client, |_| b"no batch".to_vec()).await;
    let half = odd_draw(&carrier, &client, |requests| batch_to_bytes(&requests[..1])).await;
    wallet.begin_draw(&undecodable, NOW).unwrap();
    wallet.begin_draw(&half, NOW).unwrap();
    let schedule = schedule();
    for _ in 0..2 {
        let visit = schedule.visit(&carrier, &client, &wallet, federation.clock());
        visit.await.unwrap();
        // What those two asked for counts towards the class.
        let held = wallet.count(&issuer_name().unwrap(), cps_name().unwrap());
        assert_eq!(held.unwrap(), 3 * BATCH as u64);
        // The first one is given up, and an answer to the second may come to be right.
        assert_eq!(wallet.pending_draws().unwrap().len(), 1);
    }
    issuer.stop().await;
}

/// An identity that nobody renews.
pub(crate) fn unchanging(identity: StirIdentity) -> Arc<FromFiles<StirIdentity>> {
    FromFiles::open("identity", move || Ok::<_, Infallible>(identity.clone())).unwrap()
}

#[tokio::test]
async fn a_schedule_stops_at_once_while_its_issuer_is_silent() {
    let federation = Federation::found(Clock::by_hand(NOW).0).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let carrier = federation
        .carrier(silent.local_addr().unwrap(), BATCH, QUICK)
        .unwrap();
    let (wallet, client, shutdown) = (wallet(&federation), client(), Shutdown::new());
    let (schedule, clock) = (schedule(), federation.clock());
    let identity = unchanging(carrier.identity.clone());
    let (carrier, rng) = ((carrier, &*identity), &mut rand::rng());
    let runs = schedule.run(carrier, &client, &wallet, clock, &shutdown, rng);
    let stopped = async {
        // It has asked, and waits for an answer.
        let asked = silent.accept().await.unwrap();
        shutdown.trigger();
        asked
    };
    let both = async { tokio::join!(runs, stopped) };
    // One request may take ten seconds, and there are four tries.
    tokio::time::timeout(Duration::from_secs(5), both)
        .await
        .unwrap();
}
