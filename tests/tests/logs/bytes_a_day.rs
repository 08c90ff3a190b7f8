//! What one subject can add to the log of a CPS in a day: its whole default quota, each
//! token spent on many requests.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_cps::log::CpsLog;
use pennyblack_evidence::double_spend::{DoubleSpendEvidence, SpendRecord};
use pennyblack_issuer::config::QuotaConfig;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce, Token, TokenKeyId, TokenType};
use tokio::task::JoinSet;

const NOW: UnixTime = UnixTime(1_795_000_000);
/// Requests that are refused with each token; all but the first are only counted.
const REFUSED: u8 = 4;
/// Requests under way at a time.
const AT_ONCE: u64 = 256;
/// Most bytes of the log that a token causes: an entry of 583 bytes, its hash, and its
/// share of the tree.
const MOST_OF_A_TOKEN: u64 = 640;

/// Evidence in form, with the longest tokens there are; nobody has signed it.
fn evidence(cps: &Authority, token: u64, later: u8) -> DoubleSpendEvidence {
    let mut nonce = [0; 32];
    nonce[..8].copy_from_slice(&token.to_be_bytes());
    // Turns are chosen by the first byte.
    nonce[0] = nonce[7];
    let request = |byte| SpendRecord::from_bytes(&[byte; SpendRecord::SIZE]).unwrap();
    DoubleSpendEvidence {
        token: Token {
            token_type: TokenType::BLIND_RSA_2048,
            nonce: Nonce(nonce),
            challenge_digest: ChallengeDigest([1; 32]),
            token_key_id: TokenKeyId([2; 32]),
            authenticator: vec![3; 256].into(),
        },
        cps: cps.clone(),
        requests: [request(0), request(1 + later)],
    }
}

/// What stays: not the partial tiles, which are removed meanwhile.
fn bytes_in(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let stays = files.filter(|file| file.path().extension().is_none_or(|end| end != "p"));
    let bytes = stays.map(|file| match file.file_type().unwrap().is_dir() {
        true => bytes_in(&file.path()),
        // Gone since: a file of the journal behind full tiles.
        false => file.metadata().map_or(0, |metadata| metadata.len()),
    });
    bytes.sum()
}

/// Spends so many tokens many times each.
async fn spend_all(log: &Arc<CpsLog>, cps: &Authority, tokens: u64) {
    let mut spending = JoinSet::new();
    for first in 0..AT_ONCE {
        let (log, cps) = (Arc::clone(log), cps.clone());
        spending.spawn(async move {
            for token in (first..tokens).step_by(AT_ONCE as usize) {
                for later in 0..REFUSED {
                    let evidence = evidence(&cps, token, later);
                    log.double_spend(evidence, NOW).await.unwrap();
                }
            }
        });
    }
    spending.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_a_day_of_one_subject_are_those_of_one_entry_a_token() {
    let home = tempfile::tempdir().unwrap();
    let cps: Authority = "cps.example.net".parse().unwrap();
    let log = Arc::new(CpsLog::open(home.path(), &cps).unwrap());
    // A key epoch is a day by default.
    let tokens = QuotaConfig::default().tokens;
    spend_all(&log, &cps, tokens).await;
    let published = log.published().unwrap();
    let mut checkpoints = published.checkpoints();
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size >= published.size());
    signed.await.unwrap();
    let entries = published.size();
    let [public, journal] = ["public", "journal"].map(|part| bytes_in(&home.path().join(part)));
    println!(
        "{tokens} tokens, {REFUSED} double spends with each: {entries} entries, {public} bytes in \
         the log's files ({} a token), {journal} in its journal",
        public / tokens
    );
    assert_eq!(entries, tokens);
    assert!(public <= MOST_OF_A_TOKEN * tokens, "{public} bytes");
}
