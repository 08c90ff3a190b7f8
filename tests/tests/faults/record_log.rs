//! A CPS that dies after a key record was registered and before its log says so: the log says
//! it afterwards, once, and of the record that was replaced, too.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::record_feed::{Feed, Told};
use pennyblack_tests::world::{FIRST_NUMBER, World};
use rand::RngExt as _;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// How often it dies; its log takes so many records of one key at once.
const LIVES: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_registered_when_the_cps_died_is_in_its_log_once() {
    let world = Arc::new(World::new(Clock::system()));
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let mut cps = Process::start(SERVICE, Role::Cps, &world).await;
    let mut reader = Feed::at(&world, world.cps_name().as_str());
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let now = world.clock.now();
    let mut tokens = Vec::<String>::new();
    for life in 0..LIVES {
        let iat = now.minus(Duration::from_secs(LIVES - life));
        let record = mailbox.record(&world.holder, world.cps_name(), iat);
        let token = record.sign(world.holder.certificate(), world.holder.key());
        world.put_record(&token).await.assert_created();
        // At once, or about when the entry is written.
        if life % 2 == 1 {
            let moment = Duration::from_micros(rand::rng().random_range(0..120_000));
            tokio::time::sleep(moment).await;
        }
        cps.kill_in_place();
        cps = Process::start(SERVICE, Role::Cps, &world).await;
        reader.read_until(&world, &Told::Record(&token)).await;
        if let Some(before) = tokens.last() {
            reader.read_until(&world, &Told::end_of(before)).await;
        }
        tokens.push(token);
    }
    let told = reader.told();
    for (place, token) in tokens.iter().enumerate() {
        let count = |what: Told<'_>| told.iter().filter(|told| **told == what).count();
        assert_eq!(count(Told::Record(token)), 1, "record {place}");
        let is_last = place + 1 == tokens.len();
        assert_eq!(
            count(Told::end_of(token)),
            usize::from(!is_last),
            "end {place}"
        );
    }
    cps.stop().await;
}
