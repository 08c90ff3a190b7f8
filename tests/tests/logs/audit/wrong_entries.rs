//! Wrong entries: a log does not get rid of what it has signed because of them, and they
//! are the operator's only where the operator has signed them.

use pennyblack_tlog::KeyName;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_with_a_wrong_entry_is_not_taken_back_unnoticed() {
    let (one, two) = (key(1), key(2));
    let issuer = Operated::new(ISSUER, &[announced(one.clone()), issued(&one, 100)]).await;
    let begin = [opened(one.clone())];
    let wrong = [
        (
            Misbehaviour::Contradiction,
            vec![closed(&one, 1), closed(&one, 1)],
        ),
        (
            Misbehaviour::UnknownKey,
            vec![closed(&one, 1), opened(two.clone())],
        ),
        // Found when all is read.
        (Misbehaviour::MoreSpentThanIssued, vec![closed(&one, 101)]),
    ];
    for (expected, more) in wrong {
        let operated = Operated::new(CPS, &begin).await;
        let state = tempfile::tempdir().unwrap();
        let before = follow(operated.log(), Some(issuer.log()), state.path()).await;
        operated.state(&more).await;
        for _ in 0..2 {
            let found = misbehaviour(operated.log(), Some(issuer.log()), state.path()).await;
            assert_eq!(found, expected);
        }
        // Of the wrong entry, and of the others that came with it, nothing is believed.
        let kept = StateDirectory::new(state.path()).require().unwrap();
        assert_eq!(kept.epochs, before.unwrap().state.epochs);
        let shorter = operated.twin(&begin).await;
        let found = misbehaviour(shorter.log(), Some(issuer.log()), state.path()).await;
        assert_eq!(found, Misbehaviour::Rollback, "after {expected:?}");
        let mended = [opened(one.clone()), closed(&one, 100)];
        let mended = operated.twin(&mended).await;
        let found = misbehaviour(mended.log(), Some(issuer.log()), state.path()).await;
        let is_as_long = more.len() == 1;
        let expected = [Misbehaviour::Rollback, Misbehaviour::Fork][usize::from(is_as_long)];
        assert_eq!(found, expected, "after {more:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_the_operator_has_not_signed_do_not_accuse_the_operator() {
    let one = key(1);
    let operated = Operated::new(CPS, &[opened(one.clone()), closed(&one, 1)]).await;
    let forged = Operated::new(CPS, &[closed(&one, 1), opened(one.clone())]).await;
    let mirror = tempfile::tempdir().unwrap();
    let files = ["checkpoint", "tile/0/000.p/2", "tile/entries/000.p/2"];
    // A mirror with the signed checkpoint and tiles of its own, which fit each other.
    for (path, source) in files.iter().zip([&operated, &forged, &forged]) {
        let to = mirror.path().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(source.public().join(path), to).unwrap();
    }
    let at_mirror = || log_at(mirror.path().to_str().unwrap(), &operated.key());
    let state = tempfile::tempdir().unwrap();
    let found = misbehaviour(at_mirror(), None, state.path()).await;
    assert_eq!(found, Misbehaviour::RewrittenEntry);
    // What it has signed counts.
    let shorter = operated.twin(&[opened(one.clone())]).await;
    let found = misbehaviour(shorter.log(), None, state.path()).await;
    assert_eq!(found, Misbehaviour::Rollback);
    follow(operated.log(), None, state.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_withheld_makes_no_announced_key_unknown() {
    let keys: Vec<_> = (1..=255).map(key).collect();
    // An hour apart.
    let times = (0..).map(|hours| NOW.plus(Duration::from_secs(3600 * hours)));
    let begun = |(key, not_before): (&TokenKey, UnixTime)| Statement::KeyEpochOpened {
        issuer: "issuer.example".parse().unwrap(),
        key: key.clone(),
        not_before,
    };
    let all_begun: Vec<_> = keys.iter().zip(times.clone()).map(begun).collect();
    let first = Operated::new(CPS, &all_begun[..1]).await;
    let state = tempfile::tempdir().unwrap();
    follow(first.log(), None, state.path()).await.unwrap();
    // From now on with the issuer's log, which has all keys.
    let to_begin = |(key, not_before): (&TokenKey, UnixTime)| Statement::TokenKeyAnnounced {
        key: key.clone(),
        not_before,
    };
    let announced: Vec<_> = keys.iter().zip(times).map(to_begin).collect();
    let issuer = Operated::new(ISSUER, &announced).await;
    let mut more = all_begun[1..].to_vec();
    more.extend(keys[..2].iter().map(|key| closed(key, 1)));
    first.state(&more).await;
    let bundle = first.public().join("tile/entries/001.p/1");
    let hashes = first.public().join("tile/0/001.p/1");
    let withheld = [&bundle, &hashes].map(|file| (file.clone(), fs::read(file).unwrap()));
    fs::remove_file(&bundle).unwrap();
    // Nor is what was read up to there proven any more.
    let withhold = |name: &KeyName, _, _| {
        if name.as_str() == CPS && hashes.exists() {
            fs::remove_file(&hashes).unwrap();
        }
    };
    let auditor = Auditor::new(first.log_unopened(), Some(issuer.log())).unwrap();
    let directory = StateDirectory::new(state.path());
    let followed = auditor
        .follow(NOW, || directory.load(), LIMIT, withhold)
        .await;
    let followed = followed.unwrap();
    directory.keep(&followed.state).unwrap();
    let found = followed.stopped.and_then(|error| error.misbehaviour());
    assert_eq!(found, Some(Misbehaviour::MissingTile));
    assert_eq!((followed.cps.now, followed.cps.signed), (1, 257));
    // Nor later, when all is served: what the issuer has announced is read again.
    for (file, content) in withheld {
        fs::write(file, content).unwrap();
    }
    let whole = follow(first.log_unopened(), Some(issuer.log()), state.path()).await;
    assert_eq!(whole.unwrap().cps.now, 257);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuers_log_that_is_withheld_does_not_let_the_cps_take_back_what_it_signed() {
    let (one, two) = (key(1), key(2));
    let issuer = Operated::new(ISSUER, &[announced(one.clone())]).await;
    let issuer_key = issuer.key();
    let at_issuer = || log_at(issuer.public().to_str().unwrap(), &issuer_key);
    let begin = [opened(one.clone())];
    let operated = Operated::new(CPS, &begin).await;
    let state = tempfile::tempdir().unwrap();
    let whole = follow(operated.log(), Some(at_issuer()), state.path()).await;
    whole.unwrap();
    issuer.state(&[announced(two.clone())]).await;
    let withheld = issuer.public().join("tile/entries/000.p/2");
    let entries = fs::read(&withheld).unwrap();
    fs::remove_file(&withheld).unwrap();
    operated.state(&[closed(&one, 1)]).await;
    let found = misbehaviour(operated.log(), Some(at_issuer()), state.path()).await;
    assert_eq!(found, Misbehaviour::MissingTile);
    // Without what was not even read, and with something else in its place.
    let shorter = operated.twin(&begin).await;
    let other = operated
        .twin(&[begin[0].clone(), opened(two.clone())])
        .await;
    for (twin, expected) in [
        (shorter, Misbehaviour::Rollback),
        (other, Misbehaviour::Fork),
    ] {
        let found = misbehaviour(twin.log(), Some(at_issuer()), state.path()).await;
        assert_eq!(found, expected);
    }
    fs::write(&withheld, entries).unwrap();
    let whole = follow(operated.log(), Some(at_issuer()), state.path()).await;
    assert!(whole.unwrap().is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fork_of_one_log_does_not_let_another_take_back_what_it_signed() {
    let (one, two) = (key(1), key(2));
    let of_issuer = [announced(one.clone()), announced(two.clone())];
    let of_cps = [opened(one.clone()), closed(&one, 1)];
    let other_keys = [announced(key(3)), announced(key(4))];
    let state = tempfile::tempdir().unwrap();
    let issuer = Operated::new(ISSUER, &of_issuer[..1]).await;
    let second = Operated::new("second.example/log", &of_issuer[..1]).await;
    let cps = Operated::new(CPS, &of_cps[..1]).await;
    let whole = follow(cps.log(), [issuer.log(), second.log()], state.path()).await;
    whole.unwrap();
    // The issuer signs more, while the CPS has another history.
    let (longer, forked) = (issuer.twin(&of_issuer).await, cps.twin(&of_cps[1..]).await);
    for (cps, issuer, expected) in [
        (&forked, &longer, Misbehaviour::Fork),
        (&cps, &issuer, Misbehaviour::Rollback),
    ] {
        let found = misbehaviour(cps.log(), [issuer.log(), second.log()], state.path()).await;
        assert_eq!(found, expected);
    }
    // And the other way round, with another issuer behind the one that is forked.
    let (more, forked) = (cps.twin(&of_cps).await, issuer.twin(&other_keys).await);
    let more_of_second = second.twin(&of_issuer).await;
    for (cps, issuer, second, expected) in [
        (&more, &forked, &more_of_second, Misbehaviour::Fork),
        (&cps, &longer, &more_of_second, Misbehaviour::Rollback),
        (&more, &longer, &second, Misbehaviour::Rollback),
    ] {
        let found = misbehaviour(cps.log(), [issuer.log(), second.log()], state.path()).await;
        assert_eq!(found, expected);
    }
    let whole = [longer.log(), more_of_second.log()];
    let whole = follow(more.log(), whole, state.path()).await;
    assert!(whole.unwrap().is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_to_be_had_lets_no_other_take_back_what_it_signed() {
    let one = key(1);
    let of_issuer = [announced(one.clone()), announced(key(2))];
    let of_cps = [opened(one.clone()), closed(&one, 1)];
    let issuer = Operated::new(ISSUER, &of_issuer[..1]).await;
    let cps = Operated::new(CPS, &of_cps[..1]).await;
    let (longer, more) = (issuer.twin(&of_issuer).await, cps.twin(&of_cps).await);
    let nowhere = tempfile::tempdir().unwrap();
    let gone = |log: &Operated| log_at(nowhere.path().to_str().unwrap(), &log.key());

    // A log that was never seen is not remembered by its key alone; that of a CPS is needed.
    let state = tempfile::tempdir().unwrap();
    let kept = || StateDirectory::new(state.path()).load().unwrap();
    let unseen = follow(gone(&cps), Some(issuer.log()), state.path()).await;
    assert_eq!(unseen.unwrap_err().misbehaviour(), None);
    assert!(kept().is_none());
    let unseen = follow(cps.log(), Some(gone(&issuer)), state.path()).await;
    assert_eq!(unseen.unwrap_err().misbehaviour(), None);
    assert_eq!(kept().unwrap().issuers, []);
    let whole = follow(cps.log(), Some(issuer.log()), state.path()).await;
    whole.unwrap();

    // What is known of the log that is gone stays, also when that was read.
    let before = kept().unwrap();
    let later = NOW.plus(Duration::from_secs(3_600));
    let auditor = Auditor::new(gone(&cps), Some(longer.log())).unwrap();
    let followed = auditor.follow(later, || Ok(kept()), LIMIT, |_, _, _| ());
    let followed = followed.await.unwrap();
    assert!(followed.stopped.is_some() && !followed.is_complete());
    assert_eq!(followed.state.cps, before.cps);
    assert_eq!(followed.state.issuers[0].read_at, later);
    StateDirectory::new(state.path())
        .keep(&followed.state)
        .unwrap();
    let found = misbehaviour(cps.log(), Some(issuer.log()), state.path()).await;
    assert_eq!(found, Misbehaviour::Rollback);

    let unread = follow(more.log(), Some(gone(&issuer)), state.path()).await;
    assert_eq!(unread.unwrap_err().misbehaviour(), None);
    // An outage may pass: what was signed and is denied is named first.
    let found = misbehaviour(cps.log(), Some(gone(&issuer)), state.path()).await;
    assert_eq!(found, Misbehaviour::Rollback);
    let whole = follow(more.log(), Some(longer.log()), state.path()).await;
    assert!(whole.unwrap().is_complete());
}
