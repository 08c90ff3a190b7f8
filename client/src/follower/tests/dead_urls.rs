//! Entries that name certificates which are not there, and hosts that do not answer: the
//! good PASSporT is verified all the same.

use std::sync::Arc;
use std::time::Duration;

use super::repository::{GOOD_HOST, GOOD_PATH, Repository, TARPIT};
use super::scene::{CAPACITY, Recorder, Scene};
use super::{FollowerConfig, PageSource};
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
    // Connections are used again: 12 followers, each with 32 at once.
    assert!(
        repository.connections() <= 12 * 40,
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

/// Whether the call is verified in time.
async fn finds(scene: &Scene, repository: &Repository, entries: Vec<Vec<u8>>) -> bool {
    let hosts = [GOOD_HOST, TARPIT].map(|host| host.parse().unwrap());
    let certificates = CertificateStores {
        directory: None,
        repositories: Some(Repositories::new(hosts, repository.http())),
    };
    let cps: Arc<Recorder> = scene.cps(entries);
    let sources: Vec<Arc<dyn PageSource>> = vec![cps];
    let config = FollowerConfig::default();
    let follower = scene.follow_with(certificates, &config, sources, None);
    let mut changes = follower.changes();
    let valid = async {
        while !follower.verdict(&Scene::call()).is_valid() {
            changes.changed().await.unwrap();
        }
    };
    let is_found = tokio::time::timeout(WAIT, valid).await.is_ok();
    follower.stop().await;
    is_found
}
