//! What reading a page tells those who are not its recipient: neither by its bytes nor by
//! its time.

use super::*;
use crate::sealed_pages::poll_times;

#[tokio::test]
async fn the_time_of_an_answer_tells_nothing_of_the_mailbox() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let limits = poll_times::LIMITS;
    let store = RedisStore::open(&options, limits, REPEATABLE, directory.path()).unwrap();
    store.examine().await;
    poll_times::check(Arc::new(store), &Kem::ALL).await;
}

#[tokio::test]
async fn a_page_has_as_many_bytes_on_the_wire_whatever_is_in_it() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    let asked = async |after: u64, slots: Slots| {
        let window = Window::new(Cursor(after), slots, Kem::DhkemX25519);
        let inner = &*store.0;
        let mailbox = MailboxId([1; 32]);
        let answer = inner.mailboxes.ask(inner.at(), &mailbox, window, START);
        let sizes = answer.await.unwrap().into_iter().map(|part| match part {
            pennyblack_redis::Value::BulkString(bytes) => bytes.len(),
            pennyblack_redis::Value::Int(digit) => digit.to_string().len(),
            other => panic!("{other:?}"),
        });
        sizes.collect::<Vec<_>>()
    };
    for slots in [Slots::Four, Slots::Sixteen] {
        let empty = asked(0, slots).await;
        assert_eq!(empty[4], usize::from(slots.count()) * 2048);
        // More than the mailbox keeps, in the end.
        for token in 0..30 {
            let token = token + 100 * u32::from(slots.count());
            let stored = store.spend_and_append(spend(1, token, 1, 1), START).await;
            assert_eq!(stored, Ok(Outcome::Stored));
            assert_eq!(asked(0, slots).await, empty);
            assert_eq!(asked(u64::MAX, slots).await, empty);
        }
    }
}

#[tokio::test]
async fn a_full_mailbox_is_taken_over_as_it_is() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let home = tempfile::tempdir().unwrap();
    let old_home = home.path().join("store");
    let old = EmbeddedStore::open(&old_home, LIMITS, Arc::new(|| START)).unwrap();
    for i in 0..25 {
        let stored = old.spend_and_append(spend(1, i.into(), i, 1), START).await;
        assert_eq!(stored, Ok(Outcome::Stored));
    }
    drop(old);
    let store = redeeming(&options, &directory).await;
    store.take_over(&old_home, LIMITS, START).await.unwrap();
    // They arrive at one time, in any order.
    let mut taken = contents(&store, 1, START).await;
    taken.sort_unstable();
    assert_eq!(taken, (5..25).collect::<Vec<u8>>());
    // That others were dropped is known, and a repetition of one stores nothing.
    let window = Window::new(Cursor::START, Slots::SixtyFour, Kem::DhkemX25519);
    let page = store.page(MailboxId([1; 32]), window, START).await.unwrap();
    assert!(page.dropped);
    let again = store.spend_and_append(spend(1, 2, 2, 1), START).await;
    assert_eq!(again, Ok(Outcome::AlreadyStored));
    assert_eq!(contents(&store, 1, START).await.len(), 20);
    for token in 0..25 {
        let other = store.spend_and_append(spend(1, token, 99, 4), START).await;
        assert!(matches!(other, Ok(Outcome::Conflict(_))), "{other:?}");
    }
}

/// Microseconds that the server has spent in scripts, and how many it has run.
async fn script_time(server: &RedisServer) -> (f64, f64) {
    let stats = server.command::<String>("INFO commandstats").await;
    let mut sums = (0.0, 0.0);
    for line in stats
        .lines()
        .filter(|line| line.starts_with("cmdstat_evalsha"))
    {
        let value = |name: &str| {
            let (_, rest) = line.split_once(name).unwrap();
            let digits = rest.split(',').next().unwrap();
            digits.parse::<f64>().unwrap()
        };
        sums = (sums.0 + value(",usec="), sums.1 + value("calls="));
    }
    sums
}

/// The server's time for each of two mailboxes' pages, in microseconds: what nine of ten
/// pages take at least. The machine's noise only adds to it.
async fn least_times(
    (server, store): (&RedisServer, &RedisStore),
    mailboxes: [MailboxId; 2],
    slots: Slots,
) -> [f64; 2] {
    const PAGES: usize = 200;
    let window = Window::new(Cursor::START, slots, Kem::DhkemX25519);
    let mut times = [const { Vec::new() }; 2];
    for turn in 0..2 * PAGES {
        let at = (turn + turn / 2) % 2;
        let before = script_time(server).await;
        let page = store.page(mailboxes[at], window, START).await.unwrap();
        let after = script_time(server).await;
        let filled = page.entries().len();
        assert_eq!(filled, at * usize::from(slots.count()));
        times[at].push(after.0 - before.0);
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[PAGES / 10]
    })
}

/// Many polls at one time take a multiple of what one takes: their answers leave late, and
/// how late tells what each had to do. So that must be the same.
#[tokio::test]
async fn an_empty_page_is_as_much_work_for_the_server_as_a_filled_one() {
    const TRIES: usize = 5;
    /// In parts of the work. It was an eighth to a fourth while fillers were less to do.
    const AT_MOST: f64 = 0.1;
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let limits = poll_times::LIMITS;
    let store = RedisStore::open(&options, limits, REPEATABLE, directory.path()).unwrap();
    store.examine().await;
    let store = Arc::new(store);
    // Redis keeps a set of up to 128 members in another form than a larger one.
    for (entries, slots) in [
        (120, Slots::Sixteen),
        (120, Slots::SixtyFour),
        (300, Slots::SixtyFour),
        (300, Slots::TwoHundredFiftySix),
    ] {
        let filled = poll_times::filled(&store, Kem::DhkemX25519, entries).await;
        let mailboxes = [MailboxId([1; 32]), filled.mailbox()];
        let case = format!("{} slots of {entries} entries", slots.count());
        let mut apart = Vec::new();
        while apart.last().is_none_or(|apart: &f64| apart.abs() > AT_MOST) {
            assert!(apart.len() < TRIES, "{case}: {apart:.3?}");
            let [empty, filled] = least_times((&server, &store), mailboxes, slots).await;
            println!("{case}: {filled} µs, empty {empty} µs");
            apart.push(filled / empty - 1.0);
        }
    }
}

#[tokio::test]
#[ignore = "prints figures, and asserts nothing"]
async fn the_servers_time_for_a_page() {
    let server = RedisServer::start(options()).await;
    let (options, directory) = (at(&server.url()), tempfile::tempdir().unwrap());
    let store = redeeming(&options, &directory).await;
    for (mailbox, entries) in [(1, 0), (2, 1), (3, 9), (4, 20)] {
        for token in 0..entries {
            let token = u32::from(mailbox) * 100 + token;
            let stored = store
                .spend_and_append(spend(1, token, 1, mailbox), START)
                .await;
            assert_eq!(stored, Ok(Outcome::Stored));
        }
    }
    let mut spent = std::collections::BTreeMap::<_, (f64, f64)>::new();
    for turn in 0..200 {
        // By turns, and each as often first as last.
        for kind in 0..8u8 {
            let kind = (kind + turn) % 8;
            let (mailbox, after) = (1 + kind / 2, u64::from(kind % 2) * u64::MAX);
            let window = Window::new(Cursor(after), Slots::Sixteen, Kem::DhkemX25519);
            let before = script_time(&server).await;
            for _ in 0..20 {
                let page = store.page(MailboxId([mailbox; 32]), window, START).await;
                assert!(page.is_ok());
            }
            let after = script_time(&server).await;
            let sums = spent.entry(kind).or_default();
            *sums = (sums.0 + after.0 - before.0, sums.1 + after.1 - before.1);
        }
    }
    for (kind, (time, pages)) in spent {
        let entries = [0, 1, 9, 20][usize::from(kind / 2)];
        let from = ["start", "end"][usize::from(kind % 2)];
        println!("{entries} entries, from the {from}: {:.1} µs", time / pages);
    }
}
