//! Rosters from mirrors, which need not be honest.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use pennyblack_roster::KeptRosters;

use super::*;
use crate::terminal::{NETWORK, answer, serve};

/// A mirror that shows what it is given.
#[derive(Clone)]
struct Mirror {
    shown: Arc<Mutex<BTreeMap<u64, String>>>,
    url: String,
}

impl Mirror {
    fn new() -> Self {
        let shown = Arc::<Mutex<BTreeMap<u64, String>>>::default();
        let rosters = Arc::clone(&shown);
        let url = serve(move |path, _| {
            let rosters = rosters.lock().unwrap();
            let found = match path.strip_prefix("/v1/roster") {
                Some("") => rosters.values().next_back(),
                Some(rest) => rest[1..]
                    .parse()
                    .ok()
                    .and_then(|number: u64| rosters.get(&number)),
                None => None,
            };
            found.map_or_else(
                || answer("404 Not Found", "", ""),
                |text| {
                    answer(
                        "200 OK",
                        "content-type: text/plain; charset=utf-8\r\n",
                        text,
                    )
                },
            )
        });
        Self { shown, url }
    }

    fn shows(&self, rosters: &[&SignedRoster]) -> &Self {
        let shown = rosters
            .iter()
            .map(|one| (one.sequence().get(), one.to_string()));
        *self.shown.lock().unwrap() = shown.collect();
        self
    }
}

/// A mirror that nobody reaches.
fn away() -> Mirror {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Mirror {
        url: format!("http://{}", listener.local_addr().unwrap()),
        ..Mirror::new()
    }
}

struct Scene {
    office: Office,
    council: Council,
    mirror: Mirror,
    first: SignedRoster,
}

impl Scene {
    fn new() -> Self {
        let council = Council::new();
        let first = council.roster(None, &[0, 1]);
        let mirror = Mirror::new();
        mirror.shows(&[&first]);
        Self {
            office: Office::new(),
            council,
            mirror,
            first,
        }
    }

    fn fetch_of(&self, mirrors: &[&Mirror]) -> Ended {
        let mirrors = mirrors
            .iter()
            .map(|mirror| format!("--roster {} ", mirror.url));
        let pin = self.first.pin();
        let line = format!(
            "fetch --pin {pin} --out rosters {}",
            mirrors.collect::<String>()
        );
        self.office.federation(&line)
    }

    fn fetch(&self) -> Ended {
        self.fetch_of(&[&self.mirror])
    }

    fn kept(&self) -> Vec<String> {
        let files = fs::read_dir(self.office.0.path().join("rosters")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

#[test]
fn successors_are_walked_through_to_the_newest_and_remembered() {
    let scene = Scene::new();
    scene.fetch().exits_with(0).has("1 roster new");
    let old = (UnixTime(1_000), UnixTime(2_000));
    let ended = scene
        .council
        .valid(Some(&scene.first), "operator", old, &[1, 2]);
    let third = scene.council.roster(Some(&ended), &[0, 2]);
    // One that has ended leads to the newest, and is none to end with.
    scene.mirror.shows(&[&scene.first, &ended]);
    scene
        .fetch()
        .exits_with(NOT_CURRENT)
        .has("good for nothing");
    scene.mirror.shows(&[&scene.first, &ended, &third]);
    scene
        .fetch()
        .exits_with(0)
        .has("3 rosters of fed.example")
        .has("1 roster new");
    scene.fetch().exits_with(0).has("0 rosters new");
    assert_eq!(
        scene.kept(),
        ["1.roster", "2.roster", "3.roster", "pin", "reached"]
    );
    scene.office.federation("check rosters").exits_with(0);
}

#[test]
fn a_roster_that_lacks_signatures_is_refused_and_one_that_is_not_pinned_too() {
    let scene = Scene::new();
    let lie = scene.council.with_operator(None, "lie", &[0, 1]);
    scene.mirror.shows(&[&lie]);
    scene
        .fetch()
        .exits_with(BAD_SIGNATURE)
        .has("not the pinned one");
    let second = scene.council.roster(Some(&scene.first), &[0]);
    scene.mirror.shows(&[&scene.first, &second]);
    scene
        .fetch()
        .exits_with(BAD_SIGNATURE)
        .has("roster 2 lacks signatures")
        .has("b.example, c.example have not");
    // What was good is kept.
    assert_eq!(scene.kept(), ["1.roster", "pin", "reached"]);
}

#[test]
fn who_shows_less_than_was_shown_before_rolls_back() {
    let scene = Scene::new();
    let second = scene.council.roster(Some(&scene.first), &[0, 1]);
    scene.mirror.shows(&[&scene.first, &second]);
    scene.fetch().exits_with(0);
    scene.mirror.shows(&[&scene.first]);
    scene
        .fetch()
        .exits_with(ROLLBACK)
        .has("rollback: the newest roster that is shown is 1, and roster 2 was shown before");
    assert_eq!(scene.kept(), ["1.roster", "2.roster", "pin", "reached"]);
    // A mirror that is behind is told, and another one has the newest.
    let other = Mirror::new();
    other.shows(&[&scene.first, &second]);
    let fetched = scene.fetch_of(&[&scene.mirror, &other]);
    fetched
        .exits_with(0)
        .has("has roster 1 only, and not yet 2");
    // Whose silence may hide the newest is said besides.
    let silent = away();
    scene
        .fetch_of(&[&silent, &scene.mirror])
        .exits_with(ROLLBACK)
        .has("warning:")
        .has(&silent.url);
}

#[test]
fn two_signed_rosters_of_one_sequence_are_kept_as_proof_wherever_they_are_found() {
    let scene = Scene::new();
    let one = scene.council.roster(Some(&scene.first), &[0, 1]);
    let other = scene
        .council
        .with_operator(Some(&scene.first), "other", &[1, 2]);
    let third = scene.council.roster(Some(&one), &[0, 1]);
    let (honest, forked) = (Mirror::new(), Mirror::new());
    honest.shows(&[&scene.first, &one, &third]);
    forked.shows(&[&scene.first, &other]);
    let found = scene.fetch_of(&[&forked, &honest]);
    found
        .exits_with(FORK)
        .has(&one.pin().to_string())
        .has(&other.pin().to_string());
    let kept = scene.kept();
    assert!(kept.iter().any(|name| name.ends_with(".fork")), "{kept:?}");
    scene
        .office
        .federation("check rosters")
        .exits_with(FORK)
        .has("forked");
    // It is not forgotten when nobody shows it any more.
    scene.fetch_of(&[&forked]).exits_with(FORK).has(".fork");
    // Deep below the newest, too.
    let scene = Scene {
        office: Office::new(),
        ..scene
    };
    let after_other = scene.council.with_operator(Some(&other), "other", &[1, 2]);
    forked.shows(&[&scene.first, &other, &after_other]);
    scene.fetch_of(&[&honest]).exits_with(0);
    scene.fetch_of(&[&honest, &forked]).exits_with(FORK);
    assert!(scene.kept().contains(&"3.roster".to_owned()));
}

/// Two governors show one client a fork, and lead it back to what all others have.
#[test]
fn a_fork_cannot_be_healed_by_the_roster_after_it() {
    let scene = Scene::new();
    let one = scene.council.roster(Some(&scene.first), &[0, 1]);
    let other = scene
        .council
        .with_operator(Some(&scene.first), "other", &[0, 1]);
    let third = scene.council.roster(Some(&one), &[0, 1]);
    scene.mirror.shows(&[&scene.first, &other]);
    scene.fetch().exits_with(0);
    scene.mirror.shows(&[&scene.first, &other, &third]);
    scene
        .fetch()
        .exits_with(BAD_SIGNATURE)
        .has("roster 3 follows another roster 2");
    scene.mirror.shows(&[&scene.first, &one, &third]);
    scene.fetch().exits_with(FORK);
}

#[test]
fn one_mirror_that_is_away_or_lies_keeps_nobody_from_the_newest() {
    let scene = Scene::new();
    let away = away();
    let (liar, empty) = (Mirror::new(), Mirror::new());
    let lie = scene.council.with_operator(Some(&scene.first), "lie", &[2]);
    liar.shows(&[&scene.first, &lie]);
    let second = scene.council.roster(Some(&scene.first), &[0, 2]);
    scene.mirror.shows(&[&scene.first, &second]);
    let fetched = scene.fetch_of(&[&away, &liar, &empty, &scene.mirror]);
    fetched
        .exits_with(0)
        .has("2 rosters of fed.example")
        .has("lacks signatures");
    scene.fetch_of(&[&away]).exits_with(NETWORK);
    scene
        .fetch_of(&[&empty])
        .exits_with(6)
        .has("there is no roster");
    // The liar's roster 2 contradicts the one that is kept, and too few have signed it.
    scene.fetch_of(&[&away, &liar]).exits_with(BAD_SIGNATURE);
}

#[test]
fn a_mirror_that_does_not_answer_has_its_share_of_the_time_and_no_more() {
    let scene = Scene::new();
    // It takes connections, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let (pin, url) = (scene.first.pin(), &scene.mirror.url);
    let fetch = format!(
        "fetch --pin {pin} --out rosters --deadline 4 --roster {silent} --roster {silent} \
         --roster {url}"
    );
    scene
        .office
        .federation(&fetch)
        .exits_with(0)
        .has("warning:")
        .has("1 roster new");
}

#[test]
fn two_fetches_at_a_time_cannot_take_a_fork_each() {
    let scene = Scene::new();
    scene.fetch().exits_with(0);
    let directory = scene.office.0.path().join("rosters");
    let other = KeptRosters::open(&directory, None).unwrap();
    scene.fetch().exits_with(1).has("is at work there");
    // Readers wait for nobody.
    scene.office.federation("check rosters").exits_with(0);
    drop(other);
    scene.fetch().exits_with(0);
}
