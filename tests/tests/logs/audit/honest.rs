//! Honest services over real sockets: a CPS that takes tokens of two issuers.

use pennyblack_base::authority::Authority;
use pennyblack_base::encoding::base64url_padded;
use pennyblack_issuer::Issuer;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::wait::until;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn honest_services_are_found_sound_over_sockets_and_their_entries_proven_offline() {
    let mut other = World::new(Clock::system());
    let second = Issuer::start(other.issuer.clone(), other.clock.clone());
    let second = second.await.unwrap();
    let two_issuers = |world: &mut World| world.cps.issuer.extend(other.cps.issuer.clone());
    let scene = Scene::open_with(two_issuers).await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    // A CPS is ready as soon as it has the keys of one issuer.
    until_taken(world).await;
    let evidence = double_spend_in(&mailbox, world).await;
    // The same CPS, with tokens of the other issuer.
    other.cps = world.cps.clone();
    until_taken(&other).await;
    double_spend_in(&mailbox, &other).await;
    let state = tempfile::tempdir().unwrap();
    let url = |service: &Authority| format!("http://{service}/log");
    let cps = url(world.cps_name());
    let issuers = [world, &other].map(|world| url(world.issuer_name()));
    let cps_key = key_of(world, &cps).await;
    let issuer_key = key_of(world, &issuers[0]).await;
    let issuer_keys = [issuer_key.clone(), key_of(world, &issuers[1]).await];
    let logs = || {
        issuers
            .iter()
            .zip(&issuer_keys)
            .map(|(at, key)| log_at(at, key))
    };
    // An entry is under a checkpoint about a second after the answer. Two key epochs, the
    // mailbox's record, two double spends.
    let followed = until("the double spends in the log", SOON, async || {
        let followed = follow(log_at(&cps, &cps_key), logs(), state.path())
            .await
            .unwrap();
        (followed.cps.now >= 5).then_some(followed)
    })
    .await;
    assert!(followed.unfollowed.is_empty(), "{followed:?}");
    let again = follow(log_at(&cps, &cps_key), logs(), state.path());
    let again = again.await.unwrap();
    assert_eq!((again.cps.before, again.double_spends), (again.cps.now, 0));
    // Each double spend is told of the issuer of its key.
    let report = Report::new(&again.state.epochs, ALWAYS);
    let told = report.epochs.iter().filter(|epoch| epoch.double_spent == 1);
    let mut told: Vec<_> = told.map(|epoch| epoch.issuer.clone()).collect();
    told.sort_unstable();
    let mut names = [world, &other].map(|world| world.issuer_name().to_string());
    names.sort_unstable();
    assert_eq!(told, names);
    // An auditor who names one of them is told of the other, and accuses nobody.
    let fresh = tempfile::tempdir().unwrap();
    let half = follow(log_at(&cps, &cps_key), logs().take(1), fresh.path()).await;
    assert_eq!(half.unwrap().unfollowed, [other.issuer_name().to_string()]);
    // Later that auditor names both.
    let whole = follow(log_at(&cps, &cps_key), logs(), fresh.path())
        .await
        .unwrap();
    assert_eq!(whole.state.epochs, again.state.epochs);
    let left = follow(log_at(&cps, &cps_key), logs().skip(1), fresh.path()).await;
    assert!(
        matches!(left, Err(AuditError::IssuerNotNamed(_))),
        "{left:?}"
    );

    let place = LogPlace::new(&cps, &http()).unwrap();
    let reader = LogReader::new(place, cps_key.clone(), WitnessPolicy::default());
    let checkpoint = reader.checkpoint().await.unwrap();
    let lines = world.get("/v1/double-spends").await;
    let line = lines.content().split(|byte| *byte == b'\n').next().unwrap();
    let line: serde_json::Value = serde_json::from_slice(line).unwrap();
    let index = line["index"].as_u64().unwrap();
    let proof = reader.prove(index, &checkpoint).await.unwrap().to_string();
    scene.close().await;
    second.stop().await;
    let proven = verify_proof(&proof, &cps_key, &WitnessPolicy::default()).unwrap();
    let expected = Statement::DoubleSpend(Box::new(evidence));
    assert_eq!(proven.entry.statement, expected);
    let other = verify_proof(&proof, &issuer_key, &WitnessPolicy::default()).unwrap_err();
    assert_eq!(other.misbehaviour(), Some(Misbehaviour::BadSignature));
    let moved = proof.replacen(&format!("\nindex {index}\n"), "\nindex 0\n", 1);
    let moved = verify_proof(&moved, &cps_key, &WitnessPolicy::default()).unwrap_err();
    assert_eq!(moved.misbehaviour(), Some(Misbehaviour::RewrittenEntry));
}

/// Waits until the CPS takes tokens of the issuer of this world.
async fn until_taken(world: &World) {
    until("a key of the issuer at the CPS", SOON, async || {
        let key = base64url_padded(world.signing_key().await.encoded());
        let headers = world.post_nothing().await.headers;
        let mut challenges = headers.get_all("www-authenticate").iter();
        let is_known = challenges.any(|one| one.to_str().unwrap().contains(&key));
        is_known.then_some(())
    })
    .await;
}
