//! An entry that has lived its life is gone from the disk too.

use std::time::Duration;

use pennyblack_base::problem::ProblemType;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::needles::{Needles, all_files};
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const LIFETIME: Duration = Duration::from_secs(5);
/// How much later than its death an entry is gone from the disk at the latest, on
/// a machine that is busy with other tests.
const LATEST: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_ciphertext_is_in_no_file_a_few_seconds_after_its_death() {
    a_canary_lives_and_dies(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ciphertext_that_outlived_its_service_dies_in_time_too() {
    a_canary_lives_and_dies(true).await;
}

async fn a_canary_lives_and_dies(outliving_its_service: bool) {
    let mut world = World::new(Clock::system());
    world.cps.entries.lifetime = LIFETIME;
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let mut cps = Process::start(SERVICE, Role::Cps, &world).await;
    let mailbox = world.mailbox().await;
    let token = world.draw_one().await;
    let request = world.spend(&token, &mailbox, "canary.canary.canary");
    let mut canary = Needles::default();
    canary.add("canary", request.body().get(32..).unwrap());
    let data = world.cps.cps.data_directory.clone();
    let found = || canary.found_in(&all_files(&data)).len();

    assert_eq!(found(), 0);
    world.store(&request).await.unwrap().assert_created();
    assert!(found() > 0, "the search finds nothing");
    if outliving_its_service {
        cps.kill();
        cps = Process::start(SERVICE, Role::Cps, &world).await;
    }
    assert_eq!(world.read(&mailbox).await, ["canary.canary.canary"]);

    until(
        "the death of the ciphertext",
        LIFETIME + LATEST,
        async || (found() == 0).then_some(()),
    )
    .await;
    assert!(world.read(&mailbox).await.is_empty());

    // The entry is gone; that its token is spent is not.
    world.store(&request).await.unwrap().assert_created();
    assert!(
        world.read(&mailbox).await.is_empty(),
        "stored a second time"
    );
    let other = world.spend(&token, &mailbox, "another.passport.x");
    let answer = world.store(&other).await.unwrap();
    assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
    drop(cps);
}
