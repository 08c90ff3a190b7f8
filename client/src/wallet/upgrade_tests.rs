//! Wallets of other versions: those of some earlier ones are upgraded, and nothing is lost;
//! the rest are refused with what to do.

use std::path::Path;
use std::time::Duration;

use super::scene::{NOW, Scene, answer, cps, issuer, new_draw, scene, spend};
use super::*;

use pennyblack_privacypass::token::TokenKeyId;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const TABLES_OF_5: &str = include_str!("upgrade_tests/5.sql");

/// A wallet with tokens of two keys, the second set aside, a pending draw and a signed
/// request; as version 5 has it.
fn wallet_of_5(home: &Path) -> (Vec<String>, u64) {
    let now = Wallet::open(&home.join("now.db")).unwrap();
    let mut rng = StdRng::seed_from_u64(5);
    for key in [1, 2] {
        let mut draw = new_draw(4, &mut rng);
        draw.token_key = TokenKeyId([key; 32]);
        let id = now.begin_draw(&draw, NOW).unwrap();
        let answer = answer(&draw, draw.token_key);
        now.complete_draw(id, &answer, NOW).unwrap();
    }
    now.begin_draw(&new_draw(2, &mut rng), NOW).unwrap();
    let standing = |key: TokenKeyId| match key.0[0] {
        1 => KeyStanding::Good,
        _ => KeyStanding::Unlisted,
    };
    now.sort_keys(&issuer(), standing, NOW).unwrap();
    spend(&now, Duration::ZERO, NOW).unwrap();
    let held = contents(&now.lock());
    let usable = now.count(&issuer(), cps()).unwrap();
    drop(now);
    let five = Connection::open(home.join("wallet.db")).unwrap();
    five.execute_batch(TABLES_OF_5).unwrap();
    five.execute("ATTACH ? AS now", [home.join("now.db").to_str().unwrap()])
        .unwrap();
    for table in TABLES {
        let copy = match table {
            "unlisted_key" => "INSERT INTO unlisted_key (issuer, token_key_id, since)
                 SELECT issuer, token_key_id, counted_at FROM now.unlisted_key"
                .to_owned(),
            "outbox" => "INSERT INTO outbox (id, nonce, url, headers, body, created)
                 SELECT id, nonce, url, headers, body, created FROM now.outbox"
                .to_owned(),
            _ => format!("INSERT INTO main.{table} SELECT * FROM now.{table}"),
        };
        assert!(five.execute_batch(&copy).is_ok(), "{table}");
    }
    five.pragma_update(None, "user_version", 5).unwrap();
    drop(five);
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(home.join("wallet.db"), private).unwrap();
    (held, usable)
}

const TABLES: [&str; 9] = [
    "challenge",
    "draw",
    "draw_token",
    "pile",
    "token",
    "arrival",
    "class_draws",
    "outbox",
    "unlisted_key",
];

/// Every row of every table.
fn contents(connection: &Connection) -> Vec<String> {
    let mut rows = Vec::new();
    for table in TABLES {
        let query = format!("SELECT * FROM {table}");
        let mut statement = connection.prepare(&query).unwrap();
        let columns = statement.column_count();
        let found = statement.query_map([], |row| {
            let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
            values.collect::<Result<Vec<_>, _>>()
        });
        let found = found.unwrap().map(Result::unwrap);
        rows.extend(found.map(|values| format!("{table}: {values:?}")));
    }
    rows
}

/// What the tables are made of.
fn tables(connection: &Connection) -> Vec<(String, String)> {
    let query = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    let mut statement = connection.prepare(query).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_wallet_of_version_5_is_upgraded_and_keeps_all_that_is_in_it() {
    let home = tempfile::tempdir().unwrap();
    let (held, usable) = wallet_of_5(home.path());
    assert_eq!(
        held.iter().filter(|row| row.starts_with("token:")).count(),
        7
    );
    assert_eq!(usable, 3);
    for _ in 0..2 {
        let wallet = Wallet::open(&home.path().join("wallet.db")).unwrap();
        assert_eq!(contents(&wallet.lock()), held);
        assert_eq!(wallet.count(&issuer(), cps()).unwrap(), usable);
        let fresh = scene();
        assert_eq!(tables(&wallet.lock()), tables(&fresh.wallet.lock()));
    }
    // It is spent from as any other.
    let wallet = Wallet::open(&home.path().join("wallet.db")).unwrap();
    spend(&wallet, Duration::ZERO, NOW).unwrap();
    let all_good = |_| KeyStanding::Good;
    wallet.sort_keys(&issuer(), all_good, NOW).unwrap();
    assert_eq!(wallet.count(&issuer(), cps()).unwrap(), usable - 1 + 4);
}

#[test]
fn a_wallet_of_a_version_that_cannot_be_upgraded_is_refused_with_what_to_do() {
    let Scene { wallet, home } = scene();
    let refused = |version: i32| {
        let connection = wallet.lock();
        let set = connection.pragma_update(None, "user_version", version);
        set.unwrap();
        drop(connection);
        let refused = Wallet::open(&home.path().join("wallet.db")).err().unwrap();
        let of_version = |error: &DatabaseFileError| matches!(error, DatabaseFileError::Version { found, .. } if *found == version);
        assert!(matches!(&refused, WalletError::File(error) if of_version(error)));
        refused.to_string()
    };
    for version in 1..5 {
        let said = refused(version);
        assert!(said.contains("draw into a new one"), "{said}");
    }
    let said = refused(SCHEMA_VERSION + 1);
    assert!(said.contains("update this program"), "{said}");
}
