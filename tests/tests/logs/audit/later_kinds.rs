//! Entries of kinds that a later version has: they are skipped, and counted.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_kinds_that_a_later_version_has_are_skipped_and_counted_once() {
    let later = |kind| [&[1, kind, 0, 0, 0, 0, 0, 0, 0, 60][..], b"more"].concat();
    let (one, two) = (key(1), key(2));
    let operated = Operated::new(CPS, &[opened(one.clone())]).await;
    let issuer = Operated::new(ISSUER, &[announced(one.clone()), announced(two.clone())]).await;
    operated.append([later(9), later(11)]).await;
    operated.state(&[opened(two.clone())]).await;
    issuer.append([later(9)]).await;
    let state = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let followed = follow(operated.log(), Some(issuer.log()), state.path()).await;
        let followed = followed.unwrap();
        assert_eq!(followed.cps.now, 4);
        let told = "2 entries of kinds that this version does not know (kind 9: 1, kind 11: 1)";
        assert_eq!(followed.cps.skipped.to_string(), told);
        assert_eq!(followed.issuers[0].skipped.total(), 1);
    }
    // What is found wrong afterwards does not count them a second time.
    operated.append([later(9)]).await;
    operated.state(&[opened(one)]).await;
    let found = misbehaviour(operated.log(), Some(issuer.log()), state.path()).await;
    assert_eq!(found, Misbehaviour::Contradiction);
    let kept = StateDirectory::new(state.path()).require().unwrap();
    assert_eq!(kept.cps.skipped.total(), 2);
    // An entry that no reader may skip has another version.
    let critical = Operated::new(CPS, &[]).await;
    critical.append([[&[2], &later(9)[1..]].concat()]).await;
    let fresh = tempfile::tempdir().unwrap();
    let found = misbehaviour(critical.log(), None, fresh.path()).await;
    assert_eq!(found, Misbehaviour::Contradiction);
}
