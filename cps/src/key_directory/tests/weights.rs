//! What records weigh is what they take: measured by the memory of a process that does
//! nothing else.

use std::process::Command;
use std::sync::Arc;

use pennyblack_protocol::key_record::Grant;
use pennyblack_stir::telephone_number::NumberRange;

use super::super::blocks::{Block, blocks_of};
use super::super::budgets::Budgets;
use super::super::index::Index;
use super::super::look_up::{Ranked, RecordBlocks};
use super::super::{record_id, size};
use super::holder::{Holder, NOW, policy};

/// Bytes of memory that the process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident = pages.split(' ').nth(1).unwrap();
    resident.parse::<usize>().unwrap() * 4096
}

/// How much memory there is more while what `make` makes is kept.
fn growth<T>(make: impl FnOnce() -> T) -> usize {
    let before = resident();
    let made = make();
    let growth = resident().saturating_sub(before);
    drop(made);
    growth
}

fn single(number: u64) -> Vec<Block> {
    let number = NumberRange::new(number.to_string().parse().unwrap(), 1).unwrap();
    blocks_of(&number)
}

#[test]
fn nothing_takes_more_than_it_weighs() {
    for name in [
        "a_block_that_a_record_answers_for_takes_no_more_than_it_weighs",
        "the_accounts_of_a_scattered_certificate_take_no_more_than_they_weigh",
        "a_record_takes_no_more_than_it_weighs",
    ] {
        let module = module_path!().split_once("::").unwrap().1;
        let ran = Command::new(std::env::current_exe().unwrap())
            .args([
                &format!("{module}::{name}"),
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        println!("{said}");
        let why = String::from_utf8_lossy(&ran.stderr);
        assert!(
            ran.status.success() && said.contains("1 passed"),
            "{said}{why}"
        );
    }
}

#[test]
#[ignore = "needs a process of its own"]
fn a_block_that_a_record_answers_for_takes_no_more_than_it_weighs() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let directory = holder.directory(home.path());
    let record = directory
        .verify(&holder.sign(&holder.record()), NOW)
        .unwrap();
    let ranked = Ranked::new(record_id(&record), &record);
    let count = 100_000;
    let taken = growth(|| {
        let mut blocks = RecordBlocks::new();
        for number in 0..count {
            for block in single(12_120_000_000 + 7_919 * number) {
                blocks.entry(block).or_default().insert(ranked.clone());
            }
        }
        blocks
    });
    let each = taken / usize::try_from(count).unwrap();
    println!("{each} bytes for each block");
    let weight = size::OWN_BLOCK_BYTES;
    assert!(each <= weight && weight < 4 * each, "{each} of {weight}");
}

#[test]
#[ignore = "needs a process of its own"]
fn the_accounts_of_a_scattered_certificate_take_no_more_than_they_weigh() {
    let numbers = |first: u64| (0..100_u64).map(move |n| first + 9_000_000_000 / 100 * n);
    let grant = |first: u64| {
        let numbers = numbers(first).map(|number| format!("tn:{number}"));
        let coverage: pennyblack_stir::Coverage =
            numbers.collect::<Vec<_>>().join(",").parse().unwrap();
        Grant::new(coverage.clone(), coverage)
    };
    let first = |certificate: u64| 10_000_000_000 + certificate * 100_003;
    let mut weight = 0;
    let taken = growth(|| {
        let mut budgets = Budgets::new(1_000_000);
        for certificate in 0..400 {
            budgets.charge(&grant(first(certificate)), 1);
            let blocks: Vec<_> = numbers(first(certificate)).flat_map(single).collect();
            weight += size::accounts(&blocks) * size::ACCOUNT_BYTES;
        }
        budgets
    });
    println!("{taken} bytes of {weight}");
    assert!(taken <= weight && weight < 4 * taken, "{taken} of {weight}");
}

#[test]
#[ignore = "needs a process of its own"]
fn a_record_takes_no_more_than_it_weighs() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let directory = holder.directory(home.path());
    let record = directory
        .verify(&holder.sign(&holder.record()), NOW)
        .unwrap();
    let count = 10_000_u64;
    let taken = growth(|| {
        let mut index = Index::new(policy(&[&holder], home.path()).capacity);
        for number in 0..count {
            let mut id = record_id(&record);
            id.0.0[..8].copy_from_slice(&number.to_be_bytes());
            index.insert(id, Arc::new((*record).clone()));
        }
        index
    });
    let (weight, each) = (size::of(&record), taken as u64 / count);
    println!("{each} bytes of {weight}");
    assert!(each <= weight && weight < 4 * each, "{each} of {weight}");
}

#[test]
fn accounts_are_counted_once() {
    assert_eq!(size::accounts(&single(12_120_000_000)), 12);
    let two = [single(12_120_000_000), single(12_120_000_001)].concat();
    assert_eq!(size::accounts(&two), 13);
    let apart = [single(12_120_000_000), single(2_120_000_000)].concat();
    assert_eq!(size::accounts(&apart), 23);
    let range = NumberRange::new("12120000001".parse().unwrap(), 1_000_000).unwrap();
    let accounts = size::accounts(&blocks_of(&range));
    assert!(accounts < 130, "{accounts}");
}
