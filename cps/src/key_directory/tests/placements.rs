//! Records of several CPSs, and what becomes of a mailbox whose last record ends.

use super::*;
use pennyblack_base::cps_uri::CpsUri;
use pennyblack_protocol::key_record::Placement;

const MINUTE: Duration = Duration::from_secs(60);

fn uri(name: &str) -> CpsUri {
    format!("https://{name}.example").parse().unwrap()
}

/// Whether stores are taken for the mailbox of `record`, and answers sealed to its key.
fn serves(directory: &KeyDirectory, record: &KeyRecord, now: UnixTime) -> (bool, bool) {
    let mailbox = record.key.mailbox();
    let stores = directory.key_for_stores(mailbox, now).is_some();
    (stores, directory.key_for_answers(mailbox, now).is_some())
}

#[test]
fn a_record_is_taken_that_names_this_cps_at_any_place_and_no_other() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let directory = open(home.path(), &[&holder], NOW);
    for (cpss, is_taken) in [
        (["cps", "b", "c"], true),
        (["b", "cps", "c"], true),
        (["b", "c", "cps"], true),
        (["b", "c", "d"], false),
    ] {
        let [first, more @ ..] = cpss.map(uri);
        let record = KeyRecord {
            placement: Placement::new(first, more.to_vec(), Some(2)).unwrap(),
            ..holder.record()
        };
        let registered = directory.register(&holder.sign(&record), NOW);
        match registered {
            Ok(registered) => assert_eq!(registered, Registered::Stored),
            Err(Refusal::OtherCps(names)) => assert!(names.contains("https://d.example")),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(serves(&directory, &record, NOW), (is_taken, is_taken));
    }
}

#[test]
fn a_mailbox_is_read_for_a_minute_after_its_last_record_also_after_a_restart() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let record = renewed(&holder.record(), 50);
    let (end, second) = (record.exp, Duration::from_secs(1));
    let directory = open(home.path(), &[&holder], NOW);
    directory.register(&holder.sign(&record), NOW).unwrap();
    let check = |directory: &KeyDirectory| {
        let last = end.plus(MINUTE).minus(second);
        assert_eq!(serves(directory, &record, end), (false, true));
        assert_eq!(serves(directory, &record, last), (false, true));
        assert_eq!(serves(directory, &record, end.plus(MINUTE)), (false, false));
    };
    assert_eq!(serves(&directory, &record, end.minus(second)), (true, true));
    check(&directory);
    directory.purge(end);
    check(&directory);
    drop(directory);
    let directory = open(home.path(), &[&holder], end.plus(second));
    check(&directory);
    directory.purge(end.plus(MINUTE));
    assert_eq!(serves(&directory, &record, end), (false, false));
}

#[test]
fn a_node_that_reads_a_withdrawal_late_seals_to_the_key_for_what_it_has_stored_meanwhile() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let directory = holder.directory(home.path());
    let record = holder.record();
    directory.register(&holder.sign(&record), NOW).unwrap();
    let withdrawal = renewed(&record, 1);
    assert!(withdrawal.exp < LATER);
    assert_eq!(serves(&directory, &record, LATER), (true, true));
    directory.take_in(vec![(String::new(), holder.sign(&withdrawal))], LATER);
    let last = LATER.plus(MINUTE).minus(Duration::from_secs(1));
    assert_eq!(serves(&directory, &record, LATER), (false, true));
    assert_eq!(serves(&directory, &record, last), (false, true));
    assert_eq!(
        serves(&directory, &record, LATER.plus(MINUTE)),
        (false, false)
    );
}
