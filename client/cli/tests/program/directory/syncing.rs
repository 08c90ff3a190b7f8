//! `directory sync`, `show` and `find`, and calls by a directory.

use serde_json::Value;

use super::*;
use crate::terminal::{CALLED, NETWORK, NO_KEY};

const NO_TOKEN: i32 = 7;
const NOT_CURRENT: i32 = 14;
const ROLLBACK: i32 = 21;
const CONTRADICTION: i32 = 29;
const USAGE: i32 = 2;

fn call(town: &Town, dest: &str) -> Ended {
    town.office.pennyblack(&format!(
        "call --directory directory.db --rosters rosters --wallet wallet.db --roots pki/roots \
         --orig {CALLED} --dest {dest} --cert pki/issued/office.pem --key pki/issued/office.key \
         --x5u https://certs.example/office.pem"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_synced_and_a_call_goes_by_it() {
    let town = Town::set().await;
    call(&town, CALLED)
        .exits_with(1)
        .has("pennyblack directory sync");
    town.feed
        .publish([town.record("https://cps.example")])
        .await;
    town.sync()
        .exits_with(0)
        .has("followed 1 of 1 CPS of fed.test: 1 key record at hand");
    let show = town
        .office
        .pennyblack("directory show --db directory.db --json");
    let shown: Value = serde_json::from_str(&show.exits_with(0).stdout).unwrap();
    assert_eq!(
        (&shown["records"], &shown["cpss"][0]["cps"]),
        (&1.into(), &CPS.into())
    );
    let find = |number| format!("directory find --db directory.db {number}");
    town.office
        .pennyblack(&find(CALLED))
        .exits_with(0)
        .has("copy at https://cps.example");
    let other = "12155550199";
    town.office.pennyblack(&find(other)).exits_with(NO_KEY);
    let (asked, called) = (town.feed.asked("/"), call(&town, CALLED));
    // It has a key, and there is no token.
    called.exits_with(NO_TOKEN);
    assert!(!called.stderr.contains("warning"), "{}", called.stderr);
    call(&town, other)
        .exits_with(NO_KEY)
        .has("not-in-directory");
    assert_eq!(town.feed.asked("/"), asked, "the CPS was asked at a call");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_leads_out_of_the_roster_leads_nowhere() {
    let town = Town::set().await;
    town.feed
        .publish([town.record("https://elsewhere.example")])
        .await;
    town.sync().exits_with(0);
    call(&town, CALLED)
        .exits_with(NO_KEY)
        .has("cps-not-in-roster")
        .has("https://elsewhere.example");
    // Nothing would be checked by rosters alone.
    let alone = "call --cps https://cps.example --rosters rosters --wallet wallet.db --roots \
                 pki/roots --identity x";
    town.office
        .pennyblack(alone)
        .exits_with(USAGE)
        .has("--rosters");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_cps_is_named_with_its_exit_code() {
    let town = Town::set().await;
    let record = town.record("https://cps.example");
    town.feed
        .publish([record.clone(), town.record("https://cps.example")])
        .await;
    town.sync().exits_with(0);
    let away = "127.0.0.1:1".parse().unwrap();
    town.follow("directory sync --db directory.db", away)
        .exits_with(NETWORK)
        .has("cps.example");
    town.feed
        .turn_to(|path, honest| match path.starts_with("/v1/keys/feed") {
            true => after_zero(),
            false => honest,
        });
    town.sync()
        .exits_with(ROLLBACK)
        .has("rollback: the feed ends at 0");
    town.feed.turn_to(|_, honest| honest);
    let forged = town.record("https://cps.example");
    town.feed
        .publish([town.record("https://cps.example")])
        .await;
    town.feed.forge(&forged, 2);
    town.sync()
        .exits_with(CONTRADICTION)
        .has("nothing of this page is believed");
    let (from, until) = (now().minus(3 * DAY), now().minus(DAY));
    town.keep_roster((from, until));
    town.sync()
        .exits_with(NOT_CURRENT)
        .has("nothing new is believed");
    // Calls come first: a week longer they go by it.
    call(&town, CALLED).exits_with(NO_TOKEN);
}

fn after_zero() -> Vec<u8> {
    let end = r#"{"after":0,"complete":true}"#;
    let length = end.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/jsonl\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{end}"
    )
    .into_bytes()
}
