//! Section 4: what the time of an answer tells a stranger who polls over sockets. Each
//! poll is in a pair with one of a mailbox that does not exist.

use std::future::ready;
use std::time::Duration;

use futures_util::FutureExt as _;
use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::world::World;

use super::alone;
use super::observer::{Asked, Kind, runtime, told_apart};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// Polls under way at one time.
const AT_ONCE: usize = 112;
/// Entries of a mailbox whose page is full.
const MANY: usize = 40;

fn kind(name: &str, mailbox: MailboxId, after: u64) -> Kind {
    let path = format!("/v1/mailboxes/{mailbox}?slots=16&after={after}");
    let request = format!("GET {path} HTTP/1.1\r\nhost: cps\r\n\r\n").into_bytes();
    Kind::new(name, move || ready(Asked::of(request.clone())).boxed())
}

/// Polls a CPS over this store, if it is not its own.
async fn polled(store: Option<RedisOptions>) -> Vec<String> {
    let mut world = World::new(Clock::system());
    world.cps.store = store;
    world.cps.entries.lifetime = Duration::from_secs(60);
    let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    let tokens = world.draw(MANY + 1).await;
    let [empty, one, many] = [
        world.nth_mailbox(0).await,
        world.nth_mailbox(16).await,
        world.nth_mailbox(32).await,
    ];
    let unknown = MailboxId(rand::random());
    let kinds = vec![
        kind("unknown", unknown, 0),
        kind("another unknown", MailboxId(rand::random()), 0),
        kind("empty", empty.id(), 0),
        kind("one entry, from the start", one.id(), 0),
        kind("one entry, from the end", one.id(), u64::MAX),
        kind("many entries, from the start", many.id(), 0),
        kind("many entries, from the end", many.id(), u64::MAX),
    ];
    // Stored last: entries live for a minute.
    for (number, token) in tokens.iter().enumerate() {
        let mailbox = if number == 0 { &one } else { &many };
        let request = world.spend(token, mailbox, "a.b.c");
        world.store(&request).await.unwrap().assert_created();
    }
    let address = world.cps_name().as_str().parse().unwrap();
    let different = told_apart(address, kinds, AT_ONCE).await;
    cps.kill();
    issuer.kill();
    different
}

#[test]
fn a_poller_does_not_tell_by_time_whether_there_is_a_mailbox_or_a_call() {
    let _alone = alone();
    let different = runtime().block_on(polled(None));
    assert!(different.is_empty(), "{different:#?}");
}

#[test]
fn nor_where_entries_are_in_redis() {
    let _alone = alone();
    let different = runtime().block_on(async {
        let options = Options::durable().with("hash-max-listpack-value", "128");
        let server = RedisServer::start(options).await;
        let url = server.url().parse().unwrap();
        polled(Some(RedisOptions::new(url))).await
    });
    assert!(different.is_empty(), "{different:#?}");
}
