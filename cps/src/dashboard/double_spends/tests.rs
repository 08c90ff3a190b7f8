use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce, Token, TokenType};
use pennyblack_tlog::Hash;

use super::*;

const NOW: UnixTime = UnixTime(1_795_000_007);

struct Scene {
    _home: tempfile::TempDir,
    log: Arc<CpsLog>,
}

impl Scene {
    fn open() -> Self {
        let home = tempfile::tempdir().unwrap();
        let cps = "cps.example".parse().unwrap();
        let log = Arc::new(CpsLog::open(&home.path().join("log"), &cps).unwrap());
        Self { _home: home, log }
    }

    async fn key_opened(&self, key: &TokenKey) {
        let issuer = "issuer.example".parse().unwrap();
        let opened = self.log.key_epoch_opened(&issuer, key, NOW, NOW);
        opened.await.unwrap();
    }

    async fn double_spend(&self, key: &TokenKey, nonce: u8) {
        let evidence = evidence(key, nonce);
        self.log.double_spend(evidence, NOW).await.unwrap();
    }

    /// Waits until everything is under a checkpoint: nothing else is listed.
    async fn signed(&self) {
        let log = self.log.published().unwrap();
        let (size, mut checkpoints) = (log.size(), log.checkpoints());
        let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == size);
        signed.await.unwrap();
    }

    fn looked_at(&self) -> DoubleSpends {
        DoubleSpends::new(Arc::clone(&self.log))
    }
}

fn key(number: u8) -> TokenKey {
    let mut modulus = [number; 256];
    modulus[0] = 0x80;
    modulus[255] = 1;
    TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap())
}

/// Evidence in form; nobody has signed it.
fn evidence(key: &TokenKey, nonce: u8) -> DoubleSpendEvidence {
    let request = |byte| SpendRecord::from_bytes(&[byte; SpendRecord::SIZE]).unwrap();
    DoubleSpendEvidence {
        token: Token {
            token_type: TokenType::BLIND_RSA_2048,
            nonce: Nonce([nonce; 32]),
            challenge_digest: ChallengeDigest([1; 32]),
            token_key_id: key.id(),
            authenticator: vec![2; 256].into(),
        },
        cps: "cps.example".parse().unwrap(),
        requests: [request(0), request(1)],
    }
}

fn indices(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.index).collect()
}

#[tokio::test]
async fn pages_go_back_from_the_last_double_spend_to_the_first() {
    let scene = Scene::open();
    let looked_at = scene.looked_at();
    let empty = looked_at.page(None).unwrap();
    assert!(empty.entries.is_empty() && empty.before.is_none());
    let key = key(1);
    scene.key_opened(&key).await;
    for nonce in 0..45 {
        scene.double_spend(&key, nonce).await;
    }
    scene.signed().await;
    let (mut before, mut all, mut sizes) = (None, Vec::new(), Vec::new());
    loop {
        let page = looked_at.page(before).unwrap();
        sizes.push(page.entries.len());
        all.extend(indices(&page));
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [20, 20, 5]);
    assert_eq!(all, (1..=45).rev().collect::<Vec<_>>());
    assert!(looked_at.page(Some(0)).unwrap().entries.is_empty());
}

#[tokio::test]
async fn each_is_listed_with_the_key_that_its_token_names() {
    let scene = Scene::open();
    let looked_at = scene.looked_at();
    for number in 1..=2 {
        // The second key is opened when the log was read as far as the first.
        let key = key(number);
        scene.key_opened(&key).await;
        scene.double_spend(&key, number).await;
        scene.signed().await;
        let page = looked_at.page(None).unwrap();
        let last = &page.entries[0];
        assert_eq!(last.token_key, Some(base64url(key.encoded())));
        assert_eq!(last.token_key_id, key.id().to_string());
        assert_eq!(last.issuer, Some("issuer.example".parse().unwrap()));
    }
    scene.double_spend(&key(3), 3).await;
    scene.signed().await;
    let page = looked_at.page(None).unwrap();
    assert_eq!(page.entries[0].token_key, None);
}

#[tokio::test]
async fn what_proves_nothing_is_not_called_proven() {
    let scene = Scene::open();
    let looked_at = scene.looked_at();
    let key = key(1);
    scene.key_opened(&key).await;
    scene.double_spend(&key, 7).await;
    scene.double_spend(&self::key(2), 7).await;
    let forged = looked_at.verdict(1).unwrap().unwrap();
    assert!(!forged.proven && forged.token_checked && forged.why.is_some());
    let of_no_key = looked_at.verdict(2).unwrap().unwrap();
    assert!(!of_no_key.proven && of_no_key.why.is_some());
    // What is no double spend has no verdict.
    assert_eq!(looked_at.verdict(0).unwrap(), None);
    assert_eq!(looked_at.verdict(9).unwrap(), None);
}

#[tokio::test]
async fn an_entry_under_the_checkpoint_has_a_proof_and_another_none() {
    let scene = Scene::open();
    let looked_at = scene.looked_at();
    scene.key_opened(&key(1)).await;
    scene.double_spend(&key(1), 7).await;
    scene.signed().await;
    let log = scene.log.published().unwrap();
    let proof = looked_at.proof(1).unwrap().unwrap();
    let leaf = Hash::of_leaf(proof.extra.as_ref().unwrap());
    proof.verify(leaf, log.verifier()).unwrap();
    assert!(looked_at.proof(2).unwrap().is_none());
}
