//! Entries that name certificates which are not there, and hosts that do not answer: the
//! good PASSporT is verified all the same.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_http::Deadline;
use pennyblack_passport::FRESHNESS;
use tokio::runtime::Builder;

use super::super::judge::Judge;
use super::repository::{GOOD_HOST, GOOD_PATH, Repository, TARPIT, WILD};
use super::scene::{CAPACITY, NOW, Recorder, Scene};
use super::{Follower, FollowerConfig};
use crate::certificates::{CertificateStores, Repositories};

/// The wait that must be enough, however many hostile entries there are.
const WAIT: Duration = Duration::from_secs(10);

/// **No number of dead URLs hides a good one**: as many as a mailbox holds, each naming
/// another absent path at a permitted host, the good one at every place among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_full_of_dead_urls_does_not_hide_the_call() {
    let scene = Scene::set();
    let repository = Repository::start(scene.chain()).await;
    let dead = |number| format!("https://{GOOD_HOST}/absent/{number}.pem");
    let dead: Vec<_> = (1..CAPACITY)
        .map(|number| scene.entry_naming(&dead(number)))
        .collect();
    let good = scene.entry_naming(&format!("https://{GOOD_HOST}{GOOD_PATH}"));
    let mut verified = 0;
    for place in (0..12).map(|run| run * (CAPACITY - 1) / 11) {
        let mut entries = dead.clone();
        entries.insert(place, good.clone());
        verified += usize::from(finds(&scene, &repository, entries).await);
    }
    assert_eq!(verified, 12);
    // Connections are used again, for 12 times a thousand requests: 12 followers, each with
    // 32 at once. A busy machine opens some more.
    assert!(
        repository.connections() <= 12 * 80,
        "{}",
        repository.connections()
    );
}

/// A permitted host that takes connections and says nothing delays its own certificates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_answer_delays_no_certificate_of_another() {
    let scene = Scene::set();
    let repository = Repository::start(scene.chain()).await;
    let mut entries: Vec<_> = (1..CAPACITY)
        .map(|number| scene.entry_naming(&format!("https://{TARPIT}/{number}.pem")))
        .collect();
    entries.push(scene.entry_naming(&format!("https://{GOOD_HOST}{GOOD_PATH}")));
    assert!(finds(&scene, &repository, entries).await);
}

/// One URL stands in any number of PASSporTs, and the queue of its host has it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_a_silent_host_leave_room_for_the_call() {
    let scene = Scene::set();
    let repository = Repository::start(scene.chain()).await;
    let dead = format!("https://{TARPIT}/one.pem");
    let mut entries: Vec<_> = (0..40).map(|_| scene.entry_naming(&dead)).collect();
    entries.push(scene.entry_naming(&format!("https://{GOOD_HOST}{GOOD_PATH}")));
    let config = FollowerConfig {
        max_waiting: 20,
        ..FollowerConfig::default()
    };
    let follower = follow(&scene, &repository, &config, scene.cps(entries), Some(1));
    // Who waits is said as it is, also while somebody waits for the end.
    let ends = Deadline::after(Duration::from_secs(1)).bound(follower.finished());
    tokio::pin!(ends);
    assert!(ends.as_mut().await.is_none(), "a silent host has answered");
    let verdict = follower.peek(&Scene::call());
    assert!(verdict.is_valid(), "{verdict:?}");
    assert!(verdict.waiting <= 20, "{} wait", verdict.waiting);
    assert_eq!(verdict.refused.count + verdict.waiting, 40);
}

/// Requests leave from the threads of the runtime, and must not be late because there is
/// something to verify: a thousand PASSporTs may have waited for one certificate.
#[test]
fn what_waited_for_its_certificate_is_not_verified_where_requests_are_made() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build();
    runtime.unwrap().block_on(async {
        let scene = Scene::set();
        let repository = Repository::start(scene.chain()).await;
        let rules = scene.rules(certificates(&repository));
        let config = FollowerConfig::default();
        let judge = Arc::new(Judge::new(&config, rules, None, Scene::clock()));
        let (free, busy) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || busy.recv());
        let good = format!("https://{GOOD_HOST}{GOOD_PATH}");
        judge.accept(std::iter::once(Some(scene.passport_naming(&good))));
        let idle = tokio::time::timeout(Duration::from_secs(1), judge.idle()).await;
        assert!(idle.is_err(), "it was verified on the only other thread");
        drop(free);
        judge.idle().await;
        assert_eq!(judge.verdict(&Scene::call()).0.len(), 1);
    });
}

/// So that nobody keeps places for long, however slow hosts are.
#[tokio::test]
async fn nobody_waits_for_a_certificate_until_the_passport_is_too_old() {
    let scene = Scene::set();
    let repository = Repository::start(scene.chain()).await;
    let rules = scene.rules(certificates(&repository));
    let judge = Arc::new(Judge::new(
        &FollowerConfig::default(),
        rules,
        None,
        Scene::clock(),
    ));
    let oldest = UnixTime(NOW.0 - FRESHNESS.as_secs());
    let passport = scene.passport_of(oldest, &format!("https://{TARPIT}/one.pem"));
    judge.accept(std::iter::once(Some(passport)));
    judge.idle().await;
    let refused = judge.verdict(&Scene::call()).1;
    assert!(refused.examples[0].contains("a minute old"), "{refused:?}");
}

/// A fetch follows a call, so nobody must be able to have a chain fetched again that is
/// known: PASSporTs that are not verified crowd out no chain with which one was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_other_chains_makes_nobody_fetch_a_proven_one_again() {
    let scene = Scene::set();
    let repository = Repository::start(scene.chain()).await;
    let certificates = certificates(&repository);
    let repositories = certificates.repositories.clone().unwrap();
    let rules = scene.rules(certificates);
    let config = FollowerConfig::default();
    let judge = Arc::new(Judge::new(&config, rules, None, Scene::clock()));
    let good = format!("https://{GOOD_HOST}{GOOD_PATH}");
    judge.accept(std::iter::once(Some(scene.passport_naming(&good))));
    judge.idle().await;
    let other = scene.passport_naming(&good);
    let (_, signature) = other.rsplit_once('.').unwrap();
    let flood = CAPACITY + 64;
    let forged = (0..flood).map(|number| {
        let url = format!("https://{GOOD_HOST}{WILD}/{number}.pem");
        let passport = scene.passport_naming(&url);
        let (signed, _) = passport.rsplit_once('.').unwrap();
        Some(format!("{signed}.{signature}"))
    });
    judge.accept(forged);
    judge.idle().await;
    assert_eq!(repositories.fetched(), 1 + flood as u64);
    judge.accept(std::iter::once(Some(scene.passport_naming(&good))));
    judge.idle().await;
    assert_eq!(repositories.fetched(), 1 + flood as u64);
    assert!(!judge.verdict(&Scene::call()).0.is_empty());
}

fn certificates(repository: &Repository) -> CertificateStores {
    let hosts = [GOOD_HOST, TARPIT].map(|host| host.parse().unwrap());
    CertificateStores {
        directory: None,
        repositories: Some(Repositories::new(hosts, repository.http())),
    }
}

fn follow(
    scene: &Scene,
    repository: &Repository,
    config: &FollowerConfig,
    cps: Arc<Recorder>,
    looks: Option<u64>,
) -> Follower {
    scene.follow_with(certificates(repository), config, vec![cps], looks)
}

/// Whether the call is verified in time.
async fn finds(scene: &Scene, repository: &Repository, entries: Vec<Vec<u8>>) -> bool {
    let (config, cps) = (FollowerConfig::default(), scene.cps(entries));
    let follower = follow(scene, repository, &config, cps, None);
    let mut changes = follower.changes();
    let valid = async {
        while !follower.peek(&Scene::call()).is_valid() {
            changes.changed().await.unwrap();
        }
    };
    let is_found = tokio::time::timeout(WAIT, valid).await.is_ok();
    follower.stop().await;
    is_found
}
