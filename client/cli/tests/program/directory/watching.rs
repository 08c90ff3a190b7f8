//! `mailbox watch`: somebody else's record for one's numbers is found within two rounds.

use serde_json::Value;

use super::*;
use crate::terminal::CALLED;

const FOREIGN_RECORD: i32 = 15;
const MISSING: i32 = 23;
const USAGE: i32 = 2;

fn watch(town: &Town) -> Ended {
    let command = format!("mailbox watch --db watch.db --tn {CALLED} --mine office.mailbox");
    town.follow(&command, town.feed.address())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rogue_record_for_a_block_is_told_of_within_two_rounds_and_one_that_is_withheld_too() {
    let town = Town::set().await;
    let made = town
        .office
        .pennyblack("mailbox create --mailbox-key office.mailbox");
    made.exits_with(0);
    watch(&town).exits_with(0).has("no record of anybody else");
    town.feed.publish([town.rogue_record()]).await;
    let cried = watch(&town);
    let line = cried
        .exits_with(FOREIGN_RECORD)
        .stdout
        .lines()
        .next()
        .unwrap();
    let alarm: Value = serde_json::from_str(line).unwrap();
    assert_eq!(alarm["alarm"], "foreign-record");
    assert_eq!(alarm["numbers"], "1000 numbers from 12155550000");
    assert_eq!(alarm["cpss"][0], "https://rogue.example");
    assert_eq!(alarm["verified"], true);
    // Each is told of once.
    watch(&town).exits_with(0);
    // The log has it, and it is shown to nobody who asks.
    town.feed.withhold(&town.rogue_record()).await;
    watch(&town).exits_with(0);
    watch(&town).exits_with(MISSING).has("unserved-record");
    watch(&town).exits_with(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_has_a_file_of_its_own_or_it_would_not_hear_of_what_others_have_taken_up() {
    let town = Town::set().await;
    let made = town
        .office
        .pennyblack("mailbox create --mailbox-key office.mailbox");
    made.exits_with(0);
    town.feed.publish([town.rogue_record()]).await;
    town.sync().exits_with(0);
    let watch = |rest: &str| {
        let command = format!("mailbox watch --mine office.mailbox {rest}");
        town.follow(&command, town.feed.address())
    };
    let alone = "a file that only this watch has";
    watch(&format!("--db directory.db --tn {CALLED}"))
        .exits_with(1)
        .has(alone);
    // One for a number that nobody else has.
    watch("--db watch.db --tn 12155559999").exits_with(0);
    watch(&format!("--db watch.db --tn {CALLED}"))
        .exits_with(1)
        .has(alone);
    watch(&format!("--db other.db --tn {CALLED}")).exits_with(FOREIGN_RECORD);
    // What is withheld is asked for twice within an hour.
    watch(&format!("--db other.db --tn {CALLED} --every 1h")).exits_with(USAGE);
}
