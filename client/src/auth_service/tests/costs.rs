//! What a call costs when CPSs do not answer as they should, and what it does not wait for.

use std::future::pending;
use std::sync::atomic::AtomicUsize;

use pennyblack_passport::Attestation;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_protocol::key_record::{Coverage, KeyRecord, Placement, UnverifiedKeyRecord};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use tokio::sync::Notify;

use super::*;
use crate::certificates::Certificates;
use crate::identity::StirIdentity;
use crate::trust::load_trust;
use crate::wallet::scene::fill;
use crate::wallet::{AllowedWays, StoreCall};

const NUMBER: &str = "12125550142";
const DAY: Duration = Duration::from_secs(86_400);
const TOO_LONG: Duration = Duration::from_secs(30);

/// A carrier with tokens of two keys for `cps.example`, who is also called.
struct Scene {
    home: tempfile::TempDir,
    identity: StirIdentity,
    wallet: Wallet,
    service: OobAuthenticationService,
}

impl Scene {
    fn new(cps: &str, transport: Arc<dyn StoreTransport>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), DAY, NOW).unwrap();
        let request = LeafRequest::new(vec![TnAuthEntry::one(NUMBER).unwrap()]);
        pki.issue("office", &request, None, NOW).unwrap();
        let file = |end| home.path().join("issued").join(format!("office.{end}"));
        let identity = StirIdentity::load(&file("pem"), &file("key"), None).unwrap();
        let wallet = Wallet::open(&home.path().join("wallet.db")).unwrap();
        for (key, at) in [(1, NOW.minus(DAY)), (2, NOW.minus(DAY / 2))] {
            fill(&wallet, 3, TokenKeyId([key; 32]), at);
        }
        let service = OobAuthenticationService {
            keys: KeySource::Cps(cps.parse().unwrap()),
            http: HttpOptions::default(),
            transport,
            trust: load_trust(&home.path().join("roots"), None, NOW).unwrap(),
            numbering: None,
            certificates: CertificateStores::default(),
            minimum_age: Duration::ZERO,
            max_copies: 8,
            retry: RetryPolicy::NONE,
            clock_gaps: ClockGaps::default(),
        };
        Self {
            home,
            identity,
            wallet,
            service,
        }
    }

    /// So many keys of the number.
    fn keys(&self, count: usize) -> FoundKeys {
        let key = || {
            let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
            let record = KeyRecord {
                iat: NOW,
                exp: NOW.plus(DAY),
                iss: self.identity.iss().to_owned(),
                coverage: Coverage::Number(NUMBER.parse().unwrap()),
                key: key.config().clone(),
                placement: Placement::at("https://cps.example".parse().unwrap()),
            };
            let record = record.sign(self.identity.certificate(), self.identity.key());
            let record = UnverifiedKeyRecord::parse(&record).unwrap();
            let verified = self
                .service
                .verify_record(record, &Certificates::default(), None, NOW);
            verified.unwrap()
        };
        let keys: Vec<_> = (0..count).map(|_| key()).collect();
        FoundKeys {
            limits: keys
                .iter()
                .map(|key| CopyLimits::of(key.placement()))
                .collect(),
            keys,
            ..FoundKeys::default()
        }
    }

    fn passport(&self) -> UnverifiedPassport {
        let call = ShakenCall {
            orig: NUMBER.parse().unwrap(),
            dest: NUMBER.parse().unwrap(),
            attest: Attestation::Full,
            x5u: Some("https://certs.example/office.pem".parse().unwrap()),
        };
        read_passport(&call.sign(&self.identity, NOW).unwrap()).unwrap()
    }
}

/// Never answers the first request, and says when it sends another.
#[derive(Default)]
struct FirstIsSilent {
    sent: AtomicUsize,
    second: Notify,
}

impl StoreTransport for FirstIsSilent {
    fn send<'a>(&'a self, _call: &'a StoreCall, _retry: RetryPolicy) -> SendingStore<'a> {
        Box::pin(async {
            if self.sent.fetch_add(1, Ordering::Relaxed) == 0 {
                pending::<()>().await;
            }
            self.second.notify_one();
            SentStore {
                outcome: Ok(()),
                clock_gap: None,
            }
        })
    }

    fn check(&self, _url: &str) -> Result<(), RouteError> {
        Ok(())
    }

    fn ways(&self) -> AllowedWays {
        AllowedWays::All
    }
}

#[tokio::test]
async fn a_cps_of_one_key_that_is_silent_keeps_no_copy_from_another_key() {
    let transport = Arc::<FirstIsSilent>::default();
    let scene = Scene::new("https://cps.example", Arc::clone(&transport) as Arc<_>);
    let (keys, passport) = (scene.keys(2), scene.passport());
    let stored = scene
        .service
        .store_all(&scene.wallet, &passport, &keys, NOW);
    tokio::select! {
        _ = stored => panic!("the first has ended"),
        () = transport.second.notified() => {}
        () = tokio::time::sleep(TOO_LONG) => panic!("the second key waits for the first"),
    }
}

/// Has no way to the CPS from the second request on.
struct WayIsLost {
    http: HttpOptions,
    checks: AtomicUsize,
}

impl StoreTransport for WayIsLost {
    fn send<'a>(&'a self, call: &'a StoreCall, retry: RetryPolicy) -> SendingStore<'a> {
        self.http.send(call, retry)
    }

    fn check(&self, url: &str) -> Result<(), RouteError> {
        match self.checks.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(RouteError {
                url: url.to_owned(),
                sentence: "lost".to_owned(),
                fault: RouteFault::NoRelay,
            }),
        }
    }

    fn ways(&self) -> AllowedWays {
        AllowedWays::All
    }
}

#[tokio::test]
async fn a_token_that_was_taken_for_invalid_is_not_said_to_be_unspent() {
    let refusal = r#"{"type":"urn:pennyblack:problem:token-invalid"}"#;
    let refusal = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{refusal}",
        refusal.len()
    );
    let cps = format!("cps.example={}", answering(refusal).await);
    let transport = WayIsLost {
        http: HttpOptions::default(),
        checks: AtomicUsize::new(0),
    };
    let scene = Scene::new(&cps, Arc::new(transport));
    let (keys, passport) = (scene.keys(1), scene.passport());
    let stored = scene
        .service
        .store_all(&scene.wallet, &passport, &keys, NOW)
        .await;
    let (_, error) = &stored[0].failed[0];
    assert!(
        matches!(error, OobAuthenticationError::Refused { .. }),
        "{error}"
    );
    assert!(!error.costs_nothing());
}

/// A request to a CPS that is silent, and one to a CPS that answers.
#[tokio::test]
async fn a_request_that_is_not_answered_keeps_none_of_the_others_back() {
    let transport = Arc::<FirstIsSilent>::default();
    let scene = Scene::new("https://cps.example", Arc::clone(&transport) as Arc<_>);
    let file = Connection::open(scene.home.path().join("wallet.db")).unwrap();
    for nonce in ["01", "02"] {
        let sql = format!(
            "INSERT INTO outbox (nonce, url, headers, body, created, relays_only)
                 VALUES (x'{nonce}', 'https://cps.example/v1/passports', '[]', x'02', {}, 0);",
            NOW.0
        );
        file.execute_batch(&sql).unwrap();
    }
    let delivery = scene.service.delivery();
    let resent = delivery.resend(&scene.wallet, NOW);
    tokio::select! {
        _ = resent => panic!("the first has ended"),
        () = transport.second.notified() => {}
        () = tokio::time::sleep(TOO_LONG) => panic!("the second waits for the first"),
    }
}
