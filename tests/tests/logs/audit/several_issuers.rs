//! Issuers that a CPS names and an auditor does not, and what one issuer's log says of
//! another's keys.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_the_issuer_that_the_cps_names_and_to_no_other() {
    let (one, own) = (key(1), key(2));
    let statements = [one.clone(), own.clone()].map(announced);
    let issuer = Operated::new(ISSUER, &[&statements[..], &[issued(&one, 100)]].concat()).await;
    // Under the name of an issuer whose log is not read, nobody has checked it.
    let elsewhere = Statement::KeyEpochOpened {
        issuer: "other.example".parse().unwrap(),
        not_before: begins(&own),
        key: own.clone(),
    };
    let operated = Operated::new(CPS, &[elsewhere, closed(&own, 1)]).await;
    let fresh = tempfile::tempdir().unwrap();
    // Told once of a key that is closed again: a CPS could open one for a moment only.
    for unfollowed in [&["other.example"][..], &[]] {
        let followed = follow(operated.log(), Some(issuer.log()), fresh.path()).await;
        assert_eq!(followed.unwrap().unfollowed, unfollowed);
    }
    // Nor is it that issuer's because the log of another one announces the same key.
    let other = Operated::new("other.example/log", &[announced(one.clone())]).await;
    let both = || [issuer.log(), other.log()];
    let found = misbehaviour(operated.log(), both(), fresh.path()).await;
    assert_eq!(found, Misbehaviour::UnknownKey);
    // Two issuers rotate at one time, and announce what they like.
    let sound = Operated::new(CPS, &[opened(one.clone()), closed(&one, 100)]).await;
    let fresh = tempfile::tempdir().unwrap();
    let followed = follow(sound.log(), both(), fresh.path()).await.unwrap();
    assert_eq!(followed.unfollowed, [""; 0]);
    let report = Report::new(&followed.state.epochs, ALWAYS);
    let spent = report.epochs.iter().filter(|epoch| epoch.spent.is_some());
    let spent: Vec<_> = spent
        .map(|epoch| (epoch.issuer.as_str(), epoch.spent))
        .collect();
    assert_eq!(spent, [("issuer.example", Some(100))]);
    let twice = Auditor::new(sound.log(), [issuer.log(), issuer.log()]).unwrap_err();
    assert!(matches!(twice, AuditError::IssuerTwice(_)), "{twice}");
}
