//! Listed records whose certificates are no longer good.

use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_trust::VerificationPool;

use super::holder::{Holder, NOW};
use super::*;
use crate::key_directory::Registry;

/// Until `is_so` holds, looked at whenever others had their turn.
async fn until(is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waited).await;
    waited.expect("it never came to be so");
}

#[tokio::test]
async fn with_a_root_go_the_listed_records_that_only_it_vouches_for() {
    let (home, ours, theirs) = (tempfile::tempdir().unwrap(), Holder::new(), Holder::new());
    let directory = ours.directory(home.path());
    let trust = Arc::clone(&directory.policy.trust);
    let root = home.path().join("roots/theirs.pem");
    std::fs::write(&root, theirs.root()).unwrap();
    trust.reload(NOW);
    let token = theirs.sign(&theirs.record());
    for token in [&ours.sign(&ours.record()), &token] {
        directory.register(token, NOW).unwrap();
    }
    let pool = Arc::new(VerificationPool::start().unwrap());
    let registry = Registry::own(Arc::clone(&directory), pool);
    let (clock, _hand) = Clock::by_hand(NOW);
    let shutdown = Shutdown::new();
    let following = tokio::spawn(registry.follow_trust(clock, shutdown.clone()));
    let listed = || directory.all().len();
    assert_eq!(listed(), 2);
    std::fs::remove_file(&root).unwrap();
    trust.reload(NOW);
    until(|| listed() == 1).await;
    // Its room is free, and its holder may come again.
    std::fs::write(&root, theirs.root()).unwrap();
    trust.reload(NOW);
    assert_eq!(directory.register(&token, NOW).unwrap(), Registered::Stored);
    assert_eq!(listed(), 2);
    // Without any root nothing can be told of anybody, and all stay.
    std::fs::remove_dir_all(home.path().join("roots")).unwrap();
    trust.reload(NOW);
    directory.drop_refused(&directory.all(), NOW);
    assert_eq!(listed(), 2);
    shutdown.trigger();
    following.await.unwrap();
}
