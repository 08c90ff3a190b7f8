//! What a wallet costs as it grows: a spend, and the loss of a key.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pennyblack_privacypass::token::TokenKeyId;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rusqlite::params;

use super::piles::DESTROYED_AT_ONCE;
use super::scene::{NOW, URL, answer, cps, issuer, new_draw, open_unsynced, sign};
use super::*;

const KEY: TokenKeyId = TokenKeyId([1; 32]);
const SMALL: i64 = 1_000;
const LARGE: i64 = 1_000_000;
const SPENDS: usize = 64;
const SCANS: usize = 5;

/// A wallet with `size` tokens of one key. All but the first have its bytes, which a
/// wallet does not look into.
fn wallet_of(home: &Path, size: i64) -> Wallet {
    let wallet = Wallet::open(&home.join(format!("{size}.db"))).unwrap();
    let draw = new_draw(1, &mut StdRng::seed_from_u64(5));
    let id = wallet.begin_draw(&draw, NOW).unwrap();
    wallet.complete_draw(id, &answer(&draw, KEY), NOW).unwrap();
    drop(wallet);
    // Nothing here waits for the disk, whose times say nothing about the wallet.
    let connection = Connection::open(home.join(format!("{size}.db"))).unwrap();
    connection
        .pragma_update(None, "journal_mode", "OFF")
        .unwrap();
    connection
        .pragma_update(None, "synchronous", "OFF")
        .unwrap();
    connection
        .execute(
            "WITH RECURSIVE new (id) AS (
                 SELECT max(id) + 1 FROM token UNION ALL SELECT id + 1 FROM new LIMIT ?)
             INSERT INTO token SELECT new.id, token, spend_key FROM new,
                 (SELECT token, spend_key FROM token LIMIT 1)",
            [size - 1],
        )
        .unwrap();
    // One batch in a second, as if drawn of a class.
    connection
        .execute(
            "WITH RECURSIVE batch (position) AS (
                 SELECT 256 UNION ALL SELECT position + 256 FROM batch WHERE position + 256 < ?1)
             INSERT INTO arrival SELECT pile.id, position, ?2 + position / 256 FROM batch, pile
             WHERE position < ?1",
            params![size, to_column(NOW)],
        )
        .unwrap();
    connection
        .execute("UPDATE pile SET next = ?", [size])
        .unwrap();
    drop(connection);
    open_unsynced(&home.join(format!("{size}.db")))
}

/// The middle one of the times that `work` takes.
fn median(repetitions: usize, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..repetitions)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[repetitions / 2]
}

/// How long a spend takes when half of the tokens are old enough, and outbox and counts
/// with it, without waiting for the disk.
fn spend_time(wallet: &Wallet, size: i64) -> Duration {
    let half = NOW.plus(Duration::from_secs(size.unsigned_abs() / 512));
    median(SPENDS, || {
        let entry = wallet
            .spend(&cps(), Duration::ZERO, URL, half, sign)
            .unwrap();
        wallet.count(&issuer(), cps()).unwrap();
        let holdings = wallet.holdings(Duration::ZERO, half).unwrap();
        assert!(holdings[0].ready < holdings[0].tokens);
        wallet.settle(entry.id).unwrap();
    })
}

/// The choice as it was made before there were piles: count all, skip a random number.
fn scan_time(wallet: &Wallet) -> Duration {
    median(SCANS, || {
        let connection = wallet.lock();
        let all: i64 = connection
            .query_row("SELECT count(*) FROM token", [], |row| row.get(0))
            .unwrap();
        let skipped = rand::random_range(0..all);
        connection
            .query_row(
                "SELECT length(token) FROM token LIMIT 1 OFFSET ?",
                [skipped],
                |row| row.get::<_, i64>(0),
            )
            .unwrap();
    })
}

#[test]
fn a_spend_costs_the_same_with_a_thousand_tokens_and_with_a_million() {
    let home = tempfile::tempdir().unwrap();
    let [small, large] = [SMALL, LARGE].map(|size| wallet_of(home.path(), size));
    let growth = |few: Duration, many: Duration| many.as_secs_f64() / few.as_secs_f64();
    let (few, many) = (spend_time(&small, SMALL), spend_time(&large, LARGE));
    println!("a spend takes {few:?} of {SMALL} tokens, {many:?} of {LARGE}");
    assert!(growth(few, many) < 4.0, "{few:?}, then {many:?}");
    // This measurement finds what grows.
    let (few, many) = (scan_time(&small), scan_time(&large));
    println!("a scan takes {few:?} of {SMALL} tokens, {many:?} of {LARGE}");
    assert!(growth(few, many) > 100.0, "{few:?}, then {many:?}");
}

/// How long it takes to be told that the key of all tokens has ended.
fn end_time(wallet: &Wallet) -> Duration {
    let began = Instant::now();
    let over = |_| KeyStanding::Over;
    wallet.sort_keys(&issuer(), over, NOW).unwrap();
    began.elapsed()
}

#[test]
fn an_issuer_that_waits_for_a_carrier_does_not_learn_how_much_was_left_of_the_last_key() {
    const LEFT: i64 = 50_000;
    let home = tempfile::tempdir().unwrap();
    let [few, many] = [SMALL, LEFT].map(|size| wallet_of(home.path(), size));
    // What a visit does between two requests, before it has drawn.
    let (of_few, of_many) = (end_time(&few), end_time(&many));
    let began = Instant::now();
    many.destroy_ended().unwrap();
    let destroyed = began.elapsed();
    println!("ending {of_few:?} and {of_many:?}, destroying {destroyed:?}");
    assert!(
        of_many < destroyed / 5,
        "{of_few:?}, {of_many:?}, {destroyed:?}"
    );
}

/// A wallet whose tokens wait to be destroyed.
fn wallet_with_ended(home: &Path, tokens: i64) -> Wallet {
    let wallet = wallet_of(home, tokens);
    let connection = wallet.lock();
    connection.execute("UPDATE pile SET ended = 1", []).unwrap();
    drop(connection);
    wallet
}

#[test]
fn dropping_a_key_holds_the_wallet_for_a_few_milliseconds_at_a_time() {
    const LIMIT: Duration = Duration::from_millis(5);
    let home = tempfile::tempdir().unwrap();
    let wallet = wallet_with_ended(home.path(), 100_000);
    let mut cleaner = wallet.cleaner().unwrap();
    let mut holds = Vec::new();
    let mut is_left = true;
    while is_left {
        let began = Instant::now();
        is_left = wallet.destroy_piece(&mut cleaner).unwrap();
        holds.push(began.elapsed());
    }
    holds.sort();
    let [median, most] = [50, 95].map(|percent| holds[holds.len() * percent / 100]);
    let longest = holds[holds.len() - 1];
    println!(
        "{} times: median {median:?}, 95 of 100 at most {most:?}, the longest {longest:?}",
        holds.len()
    );
    // The rest is also the time of other programs of this machine.
    assert!(median < LIMIT, "{median:?}");
    // This measurement finds a key that is dropped in one piece.
    let wallet = wallet_with_ended(home.path(), 100_001);
    let began = Instant::now();
    wallet.lock().execute("DELETE FROM token", []).unwrap();
    let whole = began.elapsed();
    assert!(whole > LIMIT, "{whole:?}");
}

#[test]
fn while_a_key_is_dropped_others_have_the_wallet_between_the_pieces() {
    const TOKENS: i64 = 20_000;
    let home = tempfile::tempdir().unwrap();
    let wallet = wallet_with_ended(home.path(), TOKENS);
    let left = || -> i64 {
        let connection = wallet.lock();
        let all = "SELECT coalesce(sum(next - first), 0) FROM pile";
        connection.query_row(all, [], |row| row.get(0)).unwrap()
    };
    let is_over = AtomicBool::new(false);
    let mut seen = BTreeSet::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wallet.destroy_ended().unwrap();
            is_over.store(true, Ordering::SeqCst);
        });
        while !is_over.load(Ordering::SeqCst) {
            seen.insert(left());
        }
    });
    let pieces = usize::try_from(TOKENS / DESTROYED_AT_ONCE).unwrap();
    assert!(seen.len() > pieces / 2, "seen {} times", seen.len());
    assert_eq!(left(), 0);
}
