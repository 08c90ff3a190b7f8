//! What a log says of double spends: evidence that proves nothing accuses nobody, and
//! further ones fit those that are in the log.

use pennyblack_evidence::double_spend::SpendRecord;

use super::*;

/// A double spend at a real CPS, the key of its token, and the name of that CPS's log.
async fn real_double_spend() -> (DoubleSpendEvidence, TokenKey, &'static str) {
    let scene = Scene::open().await;
    let evidence = double_spend(&scene.world).await;
    let token_key = scene.world.signing_key().await;
    scene.close().await;
    let name: &'static str = Box::leak(format!("{}/log", evidence.cps).into_boxed_str());
    (evidence, token_key, name)
}

fn spend(evidence: &DoubleSpendEvidence) -> Statement {
    Statement::DoubleSpend(Box::new(evidence.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_evidence_accuses_nobody() {
    let (evidence, token_key, name) = real_double_spend().await;
    let sound = Operated::new(name, &[opened(token_key.clone()), spend(&evidence)]).await;
    let state = tempfile::tempdir().unwrap();
    let followed = follow(sound.log(), None, state.path()).await.unwrap();
    assert_eq!(followed.double_spends, 1);

    let mut retry = evidence.clone();
    retry.requests[1] = retry.requests[0];
    let mut forged_request = evidence.clone();
    let mut bytes = forged_request.requests[1].to_bytes();
    bytes[10] ^= 1;
    forged_request.requests[1] = SpendRecord::from_bytes(&bytes).unwrap();
    let mut forged_token = evidence.clone();
    forged_token.token.authenticator = vec![7; 256].into();
    let mut elsewhere = evidence.clone();
    elsewhere.cps = "other.example".parse().unwrap();
    for forged in [retry, forged_request, forged_token, elsewhere] {
        let operated = Operated::new(name, &[opened(token_key.clone()), spend(&forged)]).await;
        let fresh = tempfile::tempdir().unwrap();
        let found = misbehaviour(operated.log(), None, fresh.path()).await;
        assert_eq!(found, Misbehaviour::FalseAccusation, "{forged:?}");
    }
    // Of a key that the CPS does not even say it takes.
    let operated = Operated::new(name, &[spend(&evidence)]).await;
    let fresh = tempfile::tempdir().unwrap();
    let found = misbehaviour(operated.log(), None, fresh.path()).await;
    assert_eq!(found, Misbehaviour::UnknownKey);
}

#[tokio::test(flavor = "multi_thread")]
async fn further_double_spends_are_reported_and_fit_the_refusals_and_the_log() {
    let (evidence, token_key, name) = real_double_spend().await;
    let opening = [opened(token_key.clone())];
    let accusing = [opened(token_key.clone()), spend(&evidence)];
    for (before, refused, further, is_sound) in [
        (&accusing[..], 3, 2, true),
        (&accusing[..], 1, 2, false),
        (&opening[..], 3, 0, true),
        (&opening[..], 3, 1, false),
    ] {
        let closing = counted(&token_key, 1, [refused, further]);
        let statements = [before, &[closing]].concat();
        let operated = Operated::new(name, &statements).await;
        let state = tempfile::tempdir().unwrap();
        match follow(operated.log(), None, state.path()).await {
            Ok(followed) => {
                assert!(is_sound, "{statements:?}");
                let report = Report::new(&followed.state.epochs, ALWAYS);
                let further_told = report.epochs[0].further_double_spends;
                assert_eq!(further_told, Some(further));
            }
            Err(error) => {
                assert!(!is_sound, "{error}");
                assert_eq!(error.misbehaviour(), Some(Misbehaviour::Contradiction));
            }
        }
    }
}
