//! `pennyblack audit practice`: the exercise, its report, and what a regulator tries next.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const SOUND: i32 = 0;
const REWRITTEN_ENTRY: i32 = 22;

fn audit(home: &Path, line: &str) -> Output {
    // The commands are printed for a shell, and are tried in one.
    let program = format!(
        "alias pennyblack={}; {line}",
        env!("CARGO_BIN_EXE_pennyblack")
    );
    let mut shell = Command::new("bash");
    shell.args([
        "-O",
        "expand_aliases",
        "-c",
        &program.replacen("; ", "\n", 1),
    ]);
    shell.current_dir(home).output().unwrap()
}

fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn the_exercise_plants_a_double_spend_that_the_commands_it_prints_find_and_prove() {
    let home = tempfile::tempdir().unwrap();
    let played = audit(home.path(), "pennyblack audit practice --json");
    assert_eq!(played.status.code(), Some(SOUND), "{}", text_of(&played));
    let played: Value = serde_json::from_slice(&played.stdout).unwrap();
    let [follow, report, prove, verify] = played["steps"].as_array().unwrap().as_slice() else {
        panic!("{played}");
    };
    assert_eq!(follow["result"]["new_double_spends"], 1);
    let report = &report["result"];
    let of_keys = |member: &str| {
        let epochs = report["epochs"].as_array().unwrap().iter();
        epochs
            .map(|epoch| epoch[member].clone())
            .collect::<Vec<_>>()
    };
    // Two key epochs are closed; in the first a token was spent twice, and once more.
    let twice = of_keys("double_spent")
        .iter()
        .map(|sum| sum.as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(twice, 1, "{report}");
    let sum = |member: &str| {
        of_keys(member)
            .iter()
            .filter_map(Value::as_u64)
            .sum::<u64>()
    };
    assert_eq!((sum("issued"), sum("spent")), (80, 33), "{report}");
    assert_eq!(
        of_keys("reconciled")[..2],
        [Value::Bool(true), Value::Bool(true)]
    );
    assert_eq!(of_keys("further_double_spends")[0], 1);
    assert_eq!(report["period"]["until"], Value::Null);
    assert!(
        report["cps"]["witnesses"][0]["cosigned_at"].is_u64(),
        "{report}"
    );
    assert_eq!(prove["exit_code"], 0);
    assert_eq!(verify["result"]["kind"], "double spend");

    // Each command works again as it is printed.
    for step in played["steps"].as_array().unwrap() {
        let again = audit(home.path(), step["command"].as_str().unwrap());
        assert_eq!(again.status.code(), Some(SOUND), "{}", text_of(&again));
        let text = text_of(&again);
        let lines = text
            .lines()
            .filter(|line| !line.contains('+') && !line.contains('{'));
        for line in lines {
            assert!(line.chars().count() <= 80, "{line:?} in\n{text}");
        }
    }
    a_period_says_what_it_is_of(home.path());
    // An operator who changes one byte of an entry is named.
    let entries = home.path().join("practice/cps/log/public/tile/entries");
    let newest = fs::read_dir(entries.join("000.p")).unwrap();
    let newest = newest.map(|file| file.unwrap().path());
    let newest = newest
        .max_by_key(|file| file.metadata().unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    bytes[100] ^= 1;
    fs::write(&newest, bytes).unwrap();
    let follow = follow["command"]
        .as_str()
        .unwrap()
        .replace("practice/audit", "practice/other");
    let found = audit(home.path(), &follow);
    assert_eq!(
        found.status.code(),
        Some(REWRITTEN_ENTRY),
        "{}",
        text_of(&found)
    );
}

/// Of the report that the exercise has left: its double spend is two days old.
fn a_period_says_what_it_is_of(home: &Path) {
    let report = |period: &str| {
        let line = format!("pennyblack audit report --state practice/audit {period}");
        let reported = audit(home, &line);
        let words = text_of(&reported);
        let words: Vec<_> = words.split_whitespace().collect();
        (reported.status.code(), words.join(" "))
    };
    let (code, text) = report("--from 2026-11-02 --to 2026-11-01");
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("--from 2026-11-02 is after --to 2026-11-01"),
        "{text}"
    );
    let (code, text) = report("--from 9000-01-01");
    assert_eq!(code, Some(SOUND), "{text}");
    assert!(text.contains("nothing is known of this period"), "{text}");
    assert!(
        !text.contains("nothing wrong") && !text.contains("sound"),
        "{text}"
    );
    let (_, text) = report("--to 9000-01-01");
    assert!(text.contains("known until"), "{text}");
    assert!(
        text.contains("all other numbers, in the table and here, are totals"),
        "{text}"
    );
    let (_, text) = report("");
    assert!(!text.contains("all other numbers"), "{text}");
}

#[test]
fn an_exercise_is_not_played_over_what_is_there() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("practice")).unwrap();
    let refused = audit(home.path(), "pennyblack audit practice");
    assert_eq!(refused.status.code(), Some(1));
    let text = text_of(&refused);
    assert!(
        text.contains("practice exists already") && text.contains("practice again"),
        "{text}"
    );
}
