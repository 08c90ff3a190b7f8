//! The program `pennyblack audit`, which reads what its adversary wrote: what it holds and
//! keeps has an end, and so has the time that it takes.

pub(super) mod ended;
mod hostile_log;
mod slow_server;

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pennyblack_audit::StateDirectory;
use pennyblack_evidence::key_calendar::{MAX_KEYS, MAX_KEYS_A_DAY};
use tempfile::TempDir;

use ended::{Ended, audit};
use hostile_log::Hostile;
use slow_server::Slow;

const SOUND: i32 = 0;
const FAILED: i32 = 1;
const NETWORK: i32 = 5;
const UNFINISHED: i32 = 10;
const MISSING_TILE: i32 = 23;
const EXCESS: i32 = 30;
/// Most memory of an auditor that follows the log with the most keys there may be, with
/// the state of before at hand. Of 524,288 keys, all kept, it was 465 MB.
const MAX_RESIDENT_KB: u64 = 200_000;
/// Most bytes of an auditor's state, and most memory of an auditor that reads one which
/// somebody has sent: its text, and a part of it once more.
const MAX_STATE: usize = 128 * 1024 * 1024;
const MAX_RESIDENT_OF_STATE_KB: u64 = 320_000;
/// Most memory of an auditor that reads another file which somebody has sent.
const MAX_RESIDENT_OF_FILE_KB: u64 = 40_000;

#[test]
fn the_log_with_the_most_keys_is_followed_in_bounded_memory_and_its_state_read_again() {
    let mut log = Hostile::of_cps();
    log.state_keys(MAX_KEYS, MAX_KEYS_A_DAY);
    let state = tempfile::tempdir().unwrap();
    for run in ["first", "again"] {
        let ended = log.follow_files(state.path());
        assert_eq!(ended.code, SOUND, "{}", ended.said);
        let size = fs::metadata(state.path().join("audit.json")).unwrap().len();
        eprintln!(
            "{run}: {} kB resident, a state of {size} bytes",
            ended.resident_kb
        );
        assert!(
            ended.resident_kb < MAX_RESIDENT_KB,
            "{} kB",
            ended.resident_kb
        );
    }
    // One more is refused, and what was known before is still there.
    let keys = || {
        let state = fs::read(state.path().join("audit.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&state).unwrap()["epochs"].take()
    };
    let before = keys();
    log.state_keys(1, MAX_KEYS_A_DAY);
    let ended = log.follow_files(state.path());
    assert_eq!(ended.code, EXCESS, "{}", ended.said);
    assert!(ended.said.contains("entry 50000"), "{}", ended.said);
    assert!(
        ended.resident_kb < MAX_RESIDENT_KB,
        "{} kB",
        ended.resident_kb
    );
    assert!(keys() == before);
}

/// `PENNYBLACK_KEYS` says how many.
#[test]
fn a_log_of_very_many_keys_is_refused_after_those_of_one_day() {
    let keys = std::env::var("PENNYBLACK_KEYS").ok();
    let keys = keys.map_or(4_096, |keys| keys.parse().unwrap());
    let mut log = Hostile::of_cps();
    log.state_keys(keys, u32::MAX);
    let state = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let ended = log.follow_files(state.path());
    eprintln!(
        "{keys} keys: {} kB resident, {:.1?}",
        ended.resident_kb,
        begin.elapsed()
    );
    assert_eq!(ended.code, EXCESS, "{}", ended.said);
    assert!(ended.said.contains("entry 256"), "{}", ended.said);
    // All that is kept of them is a checkpoint.
    let state = fs::read_to_string(state.path().join("audit.json")).unwrap();
    assert!(state.ends_with(r#""epochs":{}}"#), "{state}");
    assert!(
        ended.resident_kb < MAX_RESIDENT_OF_FILE_KB,
        "{} kB",
        ended.resident_kb
    );
}

#[test]
fn a_file_without_end_costs_its_reader_no_more_than_the_limit() {
    let home = tempfile::tempdir().unwrap();
    let sparse = home.path().join("sparse");
    // As long as a file system takes, and nothing on the disk.
    File::create(&sparse).unwrap().set_len(1 << 40).unwrap();
    let log = Hostile::of_cps();
    for file in [&sparse, Path::new("/dev/zero")] {
        let mut verify = audit("verify");
        verify
            .arg(file)
            .arg("--key")
            .arg(log.signer.verifier().to_string());
        let mut compare = audit("compare");
        compare.arg(file).arg(file);
        for command in [verify, compare] {
            let what = format!("{command:?}");
            let ended = Ended::of(command);
            eprintln!("{what}: {} kB resident", ended.resident_kb);
            assert_eq!(ended.code, FAILED, "{what}: {}", ended.said);
            assert!(
                ended.resident_kb < MAX_RESIDENT_OF_FILE_KB,
                "{what}: {} kB",
                ended.resident_kb
            );
        }
    }
    // A state in its place, as `report` and `follow` read it.
    fs::rename(&sparse, home.path().join("audit.json")).unwrap();
    let mut report = audit("report");
    report.arg("--state").arg(home.path());
    let follow = log.follow(home.path().to_str().unwrap(), home.path());
    for command in [report, follow] {
        let ended = Ended::of(command);
        assert_eq!(ended.code, FAILED, "{}", ended.said);
        assert!(ended.said.contains("more than"), "{}", ended.said);
        assert!(
            ended.resident_kb < MAX_RESIDENT_OF_FILE_KB,
            "{} kB",
            ended.resident_kb
        );
    }
}

#[test]
fn the_state_of_another_auditor_costs_its_reader_what_the_limit_says() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("audit.json");
    let head = r#"{"version":2,"cps":{"key":"k","position":""#;
    let tail =
        r#"","since":1,"read_at":1,"witnesses_needed":0,"witnesses":""},"issuers":[],"epochs""#;
    // As many small keys as there is room for, and one position that takes all of it.
    let key = r#"{"token_type":2,"token_key":"","double_spends":{}}"#;
    let keys = (0..MAX_STATE / (key.len() + 12)).map(|id| format!("\"{id}\":{key}"));
    let keys = format!(
        r#"{head}{tail}:{{"issuer.example":{{{}}}}}}}"#,
        keys.collect::<Vec<_>>().join(",")
    );
    let position = format!(r#"{head}{}{tail}:{{}}}}"#, "A".repeat(MAX_STATE - 300));
    // And one issuer, each of whose characters is escaped.
    let issuer = r"\t".repeat(MAX_STATE / 2 - 300);
    let issuer =
        format!(r#"{head}{tail}:{{"{issuer}":{{"0":{{"token_type":2,"token_key":""}}}}}}}}"#);
    // What is said of keys is not compared, and not held.
    let no_key = ("names a key that is none", MAX_RESIDENT_KB);
    let too_long = ("a position of", MAX_RESIDENT_OF_STATE_KB);
    for (text, (why, most)) in [(keys, no_key), (issuer, no_key), (position, too_long)] {
        fs::write(&file, text).unwrap();
        let mut compare = audit("compare");
        compare.arg(&file).arg(&file);
        let ended = Ended::of(compare);
        eprintln!("a hostile state: {} kB resident", ended.resident_kb);
        assert_eq!(ended.code, FAILED, "{}", ended.said);
        assert!(ended.said.contains(why), "{}", ended.said);
        assert!(ended.resident_kb < most, "{} kB", ended.resident_kb);
    }
}

#[test]
fn a_run_ends_at_its_time_limit_and_the_next_one_goes_on_from_there() {
    let mut log = Hostile::of_cps();
    log.state_keys(1_000, MAX_KEYS_A_DAY);
    let slow = Slow::serve(log.home.path().to_owned(), "entries/002");
    let state = tempfile::tempdir().unwrap();
    let follow = |limit: &str| {
        let mut follow = log.follow(&slow.url, state.path());
        follow.args(["--time-limit", limit]);
        Ended::of(follow)
    };
    let begin = Instant::now();
    let ended = follow("2");
    assert_eq!(ended.code, UNFINISHED, "{}", ended.said);
    assert!(
        begin.elapsed() < Duration::from_secs(12),
        "{:.1?}",
        begin.elapsed()
    );
    let json: serde_json::Value = serde_json::from_str(&ended.said).unwrap();
    let cps = &json["cps"];
    assert_eq!(
        (&cps["entries"], &cps["signed"]),
        (&512.into(), &1000.into())
    );
    assert_eq!(cps["complete"], false);
    // What was read is known: a report has it, and the next run reads only the rest.
    let mut report = audit("report");
    report.arg("--state").arg(state.path());
    let reported = Ended::of(report).said;
    let reported: serde_json::Value = serde_json::from_str(&reported).unwrap();
    assert_eq!(reported["epochs"].as_array().unwrap().len(), 512);
    // Another auditor is told what was signed, of which a part was read.
    let mut compare = audit("compare");
    compare.arg(state.path()).arg(&slow.url);
    let compared: serde_json::Value = serde_json::from_str(&Ended::of(compare).said).unwrap();
    assert_eq!(compared["agree"][0]["common"], 1000, "{compared}");
    slow.withholds.store(false, Ordering::SeqCst);
    slow.asked();
    let ended = follow("60");
    assert_eq!(ended.code, SOUND, "{}", ended.said);
    let mut again = slow.asked();
    again.retain(|path| path.contains("entries"));
    again.sort();
    assert_eq!(again, ["tile/entries/002", "tile/entries/003.p/232"]);
    // The same is known as by an auditor who was not held up.
    let other = tempfile::tempdir().unwrap();
    assert_eq!(log.follow_files(other.path()).code, SOUND);
    let kept = |state: &TempDir| {
        let text = fs::read(state.path().join("audit.json")).unwrap();
        let mut kept: serde_json::Value = serde_json::from_slice(&text).unwrap();
        // When is not what.
        for time in ["since", "read_at"] {
            assert!(kept["cps"][time].take().is_u64());
        }
        kept
    };
    assert!(kept(&state) == kept(&other));
}

#[test]
fn the_log_of_a_cps_waits_until_all_of_its_issuers_is_read() {
    let mut cps = Hostile::of_cps();
    cps.state_keys(300, MAX_KEYS_A_DAY);
    let mut issuer = Hostile::of_issuer();
    issuer.state_keys(600, 64);
    // No time is left for another one, which costs nothing that was read.
    let mut other = Hostile::of_other_issuer();
    other.state_keys(1, 1);
    let slow = Slow::serve(issuer.home.path().to_owned(), "entries/001");
    let state = tempfile::tempdir().unwrap();
    let follow = |limit: &str| {
        let mut follow = cps.follow(cps.home.path().to_str().unwrap(), state.path());
        let key = issuer.signer.verifier().to_string();
        follow.args([
            "--time-limit",
            limit,
            "--issuer",
            &slow.url,
            "--issuer-key",
            &key,
        ]);
        follow.arg("--issuer").arg(other.home.path());
        follow
            .arg("--issuer-key")
            .arg(other.signer.verifier().to_string());
        let ended = Ended::of(follow);
        let json = serde_json::from_str::<serde_json::Value>(&ended.said);
        let json = json.unwrap_or_else(|_| panic!("{}", ended.said));
        let read = [&json["cps"]["entries"], &json["issuers"][0]["entries"]];
        (ended.code, read.map(|entries| entries.as_u64().unwrap()))
    };
    // Keys of the CPS would seem to be of no issuer.
    assert_eq!(follow("2"), (UNFINISHED, [0, 256]));
    slow.withholds.store(false, Ordering::SeqCst);
    assert_eq!(follow("60"), (SOUND, [300, 600]));
}

#[test]
fn what_is_withheld_of_an_issuers_log_makes_no_key_unknown_and_costs_nothing_that_was_read() {
    let mut cps = Hostile::of_cps();
    cps.state_keys(300, MAX_KEYS_A_DAY);
    let mut issuer = Hostile::of_issuer();
    issuer.state_keys(600, 64);
    fs::remove_file(issuer.home.path().join("tile/entries/001")).unwrap();
    let [late, early] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    // The one knows the keys of the CPS already, the other none.
    assert_eq!(cps.follow_files(late.path()).code, SOUND);
    for state in [&late, &early] {
        let mut follow = cps.follow(cps.home.path().to_str().unwrap(), state.path());
        let key = issuer.signer.verifier().to_string();
        follow.arg("--issuer").arg(issuer.home.path());
        follow.args(["--issuer-key", &key]);
        let ended = Ended::of(follow);
        assert_eq!(ended.code, MISSING_TILE, "{}", ended.said);
        let kept = fs::read(state.path().join("audit.json")).unwrap();
        let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
        let read = kept["issuers"][0]["position"]
            .as_str()
            .unwrap()
            .lines()
            .nth(1)
            .unwrap();
        assert!(read.starts_with("read 256 "), "{read}");
    }
}

#[test]
fn a_second_run_on_a_state_ends_at_once_and_says_why() {
    let mut log = Hostile::of_cps();
    log.state_keys(10, MAX_KEYS_A_DAY);
    let state = tempfile::tempdir().unwrap();
    let first = StateDirectory::new(state.path()).lock().unwrap();
    let ended = log.follow_files(state.path());
    assert_eq!(ended.code, FAILED, "{}", ended.said);
    assert!(ended.said.contains("in use"), "{}", ended.said);
    assert!(!state.path().join("audit.json").exists());
    drop(first);
    assert_eq!(log.follow_files(state.path()).code, SOUND);
}

#[test]
fn a_log_that_does_not_answer_ends_the_run_at_its_time_limit() {
    let mut log = Hostile::of_cps();
    log.state_keys(10, MAX_KEYS_A_DAY);
    let slow = Slow::serve(log.home.path().to_owned(), "checkpoint");
    let state = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let mut follow = log.follow(&slow.url, state.path());
    follow.args(["--time-limit", "1"]);
    let ended = Ended::of(follow);
    assert_eq!(ended.code, NETWORK, "{}", ended.said);
    assert!(ended.said.contains("time is up"), "{}", ended.said);
    assert!(
        begin.elapsed() < Duration::from_secs(9),
        "{:.1?}",
        begin.elapsed()
    );
}
