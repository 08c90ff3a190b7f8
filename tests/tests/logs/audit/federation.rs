//! Several CPSs that take the tokens of one issuer, followed at once: over real sockets, and with
//! operators that cheat.

use pennyblack_audit::{FederationAuditor, FollowedFederation};
use pennyblack_cps::Cps;
use pennyblack_tests::port::free_port;
use pennyblack_tests::wait::until;

use super::*;

const OTHER_CPS: &str = "other.example/log";

async fn follow_all(cpss: Vec<Log>, issuers: Vec<Log>, state: &Path) -> FollowedFederation {
    let auditor = FederationAuditor::new(cpss, issuers, state).unwrap();
    auditor.follow(NOW, LIMIT, |_, _, _| ()).await
}

fn found(errors: &[AuditError]) -> Vec<Option<Misbehaviour>> {
    errors.iter().map(AuditError::misbehaviour).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cpss_and_their_issuer_are_followed_over_sockets_and_one_that_is_away_is_named() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mut config = world.cps.clone();
    config.cps.authority = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    config.cps.data_directory = world.path("second-cps");
    config.public.listen = config.cps.authority.as_str().parse().unwrap();
    let names = [world.cps_name().clone(), config.cps.authority.clone()];
    let second = Cps::start(config, world.clock.clone()).await.unwrap();
    double_spend(world).await;
    let url = |name: &dyn std::fmt::Display| format!("http://{name}/log");
    let log = async |url: String| log_at(&url, &key_of(world, &url).await);
    let issuer = log(url(world.issuer_name())).await;
    let cpss = vec![log(url(&names[0])).await, log(url(&names[1])).await];
    let state = tempfile::tempdir().unwrap();
    let followed = until("the double spend in the log", SOON, async || {
        let issuers = vec![issuer.clone()];
        let followed = follow_all(cpss.clone(), issuers, state.path()).await;
        (followed.cpss[0].double_spends == 1).then_some(followed)
    })
    .await;
    let issuers = followed.issuers.iter();
    let errors = issuers.flat_map(|issuer| &issuer.errors);
    let errors = errors.chain(followed.cpss.iter().flat_map(|cps| &cps.errors));
    assert_eq!(errors.count(), 0);
    // Each CPS has a state of its own, and what it is, others can read.
    for name in &names {
        let directory = StateDirectory::new(&state.path().join(name.as_str()));
        let kept = directory.require().unwrap();
        assert_eq!(kept.cps.name(), format!("{name}/log"));
    }

    second.stop().await;
    let followed = follow_all(cpss.clone(), vec![issuer.clone()], state.path()).await;
    let [there, away] = &followed.cpss[..] else {
        panic!("{followed:?}");
    };
    assert!(there.errors.is_empty() && there.followed.as_ref().unwrap().is_complete);
    assert_eq!(found(&away.errors), [None], "it is nobody's fault");
    assert!(away.errors[0].to_string().contains(names[1].as_str()));
    assert!(followed.issuers[0].errors.is_empty());
    // With a key that is not its own.
    let wrong = Log {
        key: issuer.key.clone(),
        ..cpss[0].clone()
    };
    let fresh = tempfile::tempdir().unwrap();
    let followed = follow_all(vec![wrong], vec![issuer], fresh.path()).await;
    assert_eq!(
        found(&followed.cpss[0].errors),
        [Some(Misbehaviour::BadSignature)]
    );
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_operator_does_is_named_and_the_others_are_found_sound() {
    let one = key(1);
    let issuer = Operated::new(ISSUER, &[announced(one.clone()), issued(&one, 100)]).await;
    let sound = Operated::new(CPS, &[opened(one.clone()), closed(&one, 60)]).await;
    let greedy = Operated::new(OTHER_CPS, &[opened(one.clone()), closed(&one, 101)]).await;
    let state = tempfile::tempdir().unwrap();
    let both = vec![sound.log(), greedy.log()];
    let followed = follow_all(both, vec![issuer.log()], state.path()).await;
    assert!(followed.cpss[0].errors.is_empty(), "{followed:?}");
    assert_eq!(
        found(&followed.cpss[1].errors),
        [Some(Misbehaviour::MoreSpentThanIssued)]
    );
    // Each alone has accepted no more than were issued, and together they have.
    let half = Operated::new(OTHER_CPS, &[opened(one.clone()), closed(&one, 41)]).await;
    let fresh = tempfile::tempdir().unwrap();
    let both = vec![sound.log(), half.log()];
    let followed = follow_all(both, vec![issuer.log()], fresh.path()).await;
    assert!(followed.cpss.iter().all(|cps| cps.errors.is_empty()));
    let [sum] = &followed.together[..] else {
        panic!("{followed:?}");
    };
    assert_eq!((sum.spent, sum.issued, sum.cpss), (101, Some(100), 2));
    let wrong = sum.reconcile().unwrap_err();
    assert_eq!(
        wrong.misbehaviour(),
        Some(Misbehaviour::MoreSpentThanIssued)
    );
    let within = Operated::new(OTHER_CPS, &[opened(one.clone()), closed(&one, 40)]).await;
    let fresh = tempfile::tempdir().unwrap();
    let both = vec![sound.log(), within.log()];
    let followed = follow_all(both, vec![issuer.log()], fresh.path()).await;
    assert!(followed.together[0].reconcile().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_shows_the_audits_of_two_cpss_two_histories_is_named() {
    let (one, two) = (key(1), key(2));
    let issuer = Operated::new(ISSUER, &[announced(one.clone())]).await;
    let forked = issuer.twin(&[announced(two.clone())]).await;
    let first = Operated::new(CPS, &[opened(one)]).await;
    let second = Operated::new(OTHER_CPS, &[opened(two)]).await;
    let state = tempfile::tempdir().unwrap();
    for (cps, issuer) in [(&first, &issuer), (&second, &forked)] {
        let followed = follow_all(vec![cps.log()], vec![issuer.log()], state.path()).await;
        assert!(followed.cpss[0].errors.is_empty(), "{followed:?}");
        assert!(followed.issuers[0].errors.is_empty(), "{followed:?}");
    }
    // Now it shows nothing. What each audit was shown contradicts the other.
    let nowhere = tempfile::tempdir().unwrap();
    let silent = log_at(nowhere.path().to_str().unwrap(), &issuer.key());
    let both = vec![first.log(), second.log()];
    let followed = follow_all(both, vec![silent], state.path()).await;
    let errors = &followed.issuers[0].errors;
    assert_eq!(found(errors)[0], Some(Misbehaviour::Fork), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_holds_back_no_cps_and_its_keys_are_compared_later() {
    let (one, own) = (key(1), key(2));
    let issuer = Operated::new(ISSUER, &[announced(one.clone()), issued(&one, 100)]).await;
    let sound = Operated::new(CPS, &[opened(one.clone()), closed(&one, 60)]).await;
    let liar = Operated::new(OTHER_CPS, &[opened(own)]).await;
    let both = || vec![sound.log(), liar.log()];
    let (state, nowhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let away = log_at(nowhere.path().to_str().unwrap(), &issuer.key());
    let followed = follow_all(both(), vec![away], state.path()).await;
    assert_eq!(found(&followed.issuers[0].errors), [None]);
    for cps in &followed.cpss {
        assert!(cps.errors.is_empty(), "{cps:?}");
        assert!(cps.followed.as_ref().unwrap().is_complete, "{cps:?}");
        assert_eq!(cps.uncompared, ["issuer.example"]);
    }

    let followed = follow_all(both(), vec![issuer.log()], state.path()).await;
    assert!(followed.issuers[0].errors.is_empty());
    let [sound, liar] = &followed.cpss[..] else {
        panic!("{followed:?}");
    };
    assert!(
        sound.errors.is_empty() && sound.uncompared.is_empty(),
        "{sound:?}"
    );
    assert_eq!(found(&liar.errors), [Some(Misbehaviour::UnknownKey)]);
}
