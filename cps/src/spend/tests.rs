use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::token::{ChallengeDigest, Token};
use pennyblack_privacypass::token_key::TokenVerifier;
use pennyblack_privacypass::voprf::{PendingVoprfToken, VoprfKind, VoprfSecretKey};
use pennyblack_protocol::store_request::{Freshness, SignedStoreRequest, sign_store_request};
use pennyblack_sealing::mailbox::{Kem, MailboxId, RecipientKey};
use pennyblack_sealing::sealed::seal_passport;
use tokio::sync::Semaphore;

use super::*;
use crate::store::{Page, Window};

const NOW: UnixTime = UnixTime(1_795_000_000);
const CHALLENGE: ChallengeDigest = ChallengeDigest([7; 32]);
const SOON: Duration = Duration::from_secs(30);

fn cps() -> Authority {
    "cps.example".parse().unwrap()
}

/// A store that has decided before, and says so when it may.
struct Decided {
    outcome: Outcome,
    asked: Semaphore,
    may_answer: Semaphore,
}

impl Decided {
    fn new(outcome: Outcome) -> Arc<Self> {
        Arc::new(Self {
            outcome,
            asked: Semaphore::new(0),
            may_answer: Semaphore::new(0),
        })
    }
}

impl Store for Decided {
    async fn spend_and_append(&self, _: Spend, _: UnixTime) -> Result<Outcome, StoreError> {
        self.asked.add_permits(1);
        self.may_answer.acquire().await.unwrap().forget();
        Ok(self.outcome.clone())
    }

    async fn page(&self, _: MailboxId, _: Window, _: UnixTime) -> Result<Page, StoreError> {
        Err(StoreError::Busy)
    }

    async fn close_epoch(&self, _: TokenKeyId) -> Result<(), StoreError> {
        Err(StoreError::Busy)
    }

    async fn spent(&self, _: TokenKeyId) -> Result<u64, StoreError> {
        Err(StoreError::Busy)
    }
}

/// One token, with which two requests are signed.
struct DoubleSpender {
    secret: VoprfSecretKey,
    token: Token,
    key: SpendKey,
    office: RecipientKey,
}

impl DoubleSpender {
    fn new() -> Self {
        let secret = VoprfSecretKey::generate(VoprfKind::Ristretto255).unwrap();
        let key = SpendKey::generate(&mut rand::rng());
        let pending = PendingVoprfToken::blind(secret.public(), key.nonce(), CHALLENGE).unwrap();
        let evaluated = secret.evaluate(&[pending.blinded()]).unwrap();
        Self {
            token: pending.finalize(&evaluated).unwrap(),
            office: RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap(),
            secret,
            key,
        }
    }

    /// Each is another one.
    fn request(self: &Arc<Self>) -> VerifiedStore {
        let sealed = seal_passport(self.office.config(), &cps(), "a.b.c", &mut rand::rng());
        let (token, mailbox) = (&self.token, self.office.mailbox());
        let signed = sign_store_request(token, &self.key, &cps(), mailbox, &sealed.unwrap(), NOW);
        self.verified(&signed.unwrap())
    }

    fn verified(&self, request: &SignedStoreRequest) -> VerifiedStore {
        let [authorization, _, content_digest, signature_input, signature] =
            request.headers().map(|(_, value)| Some(value));
        let headers = StoreHeaders {
            authorization,
            content_digest,
            signature_input,
            signature,
        };
        let policy = SpendPolicy {
            cps: cps(),
            challenges: vec![CHALLENGE],
            freshness: Freshness::default(),
        };
        let scalar = self.secret.to_bytes();
        let key = VoprfSecretKey::from_bytes(VoprfKind::Ristretto255, &scalar).unwrap();
        let parsed = ParsedStore::parse(&headers, request.body()).unwrap();
        let admitted = parsed.admit(&policy, NOW).unwrap();
        admitted.verify(&TokenVerifier::Voprf(key)).unwrap()
    }
}

struct Scene {
    spender: Arc<DoubleSpender>,
    first: SpendRecord,
    store: Arc<Decided>,
    log: Arc<CpsLog>,
    counts: Arc<Counts>,
    _home: tempfile::TempDir,
}

impl Scene {
    /// The token was spent with another request before.
    fn conflict() -> Self {
        let home = tempfile::tempdir().unwrap();
        let spender = Arc::new(DoubleSpender::new());
        let first = *spender.request().record();
        Self {
            spender,
            first,
            store: Decided::new(Outcome::Conflict(first)),
            log: Arc::new(CpsLog::open(&home.path().join("log"), &cps()).unwrap()),
            counts: Arc::new(Counts::new()),
            _home: home,
        }
    }

    fn decision(&self) -> Decision<Decided> {
        Decision {
            clock: Clock::by_hand(NOW).0,
            store: Arc::clone(&self.store),
            log: Arc::clone(&self.log),
            counts: Arc::clone(&self.counts),
        }
    }

    fn logged(&self) -> usize {
        self.log.double_spends(0, 100).unwrap().unwrap().len()
    }
}

#[tokio::test]
async fn a_double_spend_is_in_the_log_once_before_it_is_answered() {
    let scene = Scene::conflict();
    scene.store.may_answer.add_permits(2);
    let requests = [scene.spender.request(), scene.spender.request()];
    let record = *requests[0].record();
    for (further, request) in (0..).zip(requests) {
        let epoch = request.token().token_key_id();
        let answer = scene.decision().make_to_the_end(request).await;
        assert!(matches!(answer, Err(Refusal::AlreadySpent)));
        let tally = scene.log.tallies().of(epoch).await.unwrap();
        let tally = (tally.refused, tally.further_double_spends);
        assert_eq!(tally, (1 + further, further));
        assert_eq!(scene.counts.totals().double_spends, 1);
    }
    let lines = scene.log.double_spends(0, 100).unwrap().unwrap();
    let [line] = &*lines else {
        panic!("{} lines", lines.len());
    };
    let evidence = line.evidence().unwrap();
    assert_eq!(evidence.requests, [scene.first, record]);
}

#[tokio::test]
async fn a_double_spender_who_hangs_up_is_in_the_log_all_the_same() {
    let scene = Scene::conflict();
    let decision = scene.decision().make_to_the_end(scene.spender.request());
    let request = tokio::spawn(decision);
    scene.store.asked.acquire().await.unwrap().forget();
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    scene.store.may_answer.add_permits(1);
    let logged = async {
        while scene.logged() == 0 || scene.counts.totals().double_spends == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, logged)
        .await
        .expect("it is not in the log");
}
