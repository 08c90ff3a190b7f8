use super::super::epochs::{Closed, Issued};
use super::*;
use crate::filed::{FiledReport, Known, LogReport, MEANING, WitnessReport};
use pennyblack_evidence::log_entry::SkippedKinds;

const NOON: u64 = 20_000 * DAY + DAY / 2;

fn epochs(spent: u64) -> Epochs {
    with_days(spent, &[(20_000, 5), (20_001, 2)])
}

fn with_days(spent: u64, days: &[(u64, u64)]) -> Epochs {
    let epoch = Epoch {
        token_type: 2,
        announced: Some(UnixTime(NOON - DAY)),
        opened: Some(UnixTime(NOON)),
        closed: Some(Closed {
            minute: UnixTime(NOON + 2 * DAY),
            spent,
            replayed: 3,
            refused: 5,
            further_double_spends: 4,
        }),
        issued: Some(Issued {
            minute: UnixTime(NOON + DAY),
            total: 200,
        }),
        double_spends: days
            .iter()
            .map(|&(day, proven)| (day, DayOfSpends { proven, on_word: 1 }))
            .collect(),
        ..Epoch::default()
    };
    let json = serde_json::json!({ "issuer.example": { "ab": epoch } });
    serde_json::from_value(json).unwrap()
}

fn days(first: u64, last: u64) -> Period {
    Period {
        from: Some(UnixTime(first * DAY)),
        until: Some(UnixTime((last + 1) * DAY)),
    }
}

#[test]
fn an_epoch_is_told_with_the_double_spends_of_the_days_asked_for() {
    let report = Report::new(&epochs(100), days(20_001, 20_001));
    let [epoch] = report.epochs.as_slice() else {
        panic!("{report:?}");
    };
    assert_eq!((epoch.issued, epoch.spent), (Some(200), Some(100)));
    assert_eq!((epoch.double_spent, epoch.double_spent_on_word), (2, 1));
    assert_eq!(epoch.double_spent_per_million, Some(30_000.0));
    assert_eq!(epoch.spent_percent, Some(50.0));
    assert_eq!(epoch.reconciled, Some(true));
    let csv = report.to_csv();
    let mut lines = csv.split_terminator("\r\n");
    let columns = lines.next().unwrap().split(',').count();
    assert_eq!(lines.next().unwrap().split(',').count(), columns);
    assert!(csv.contains(",200,100,3,5,4,2,1,true\r\n"), "{csv}");
}

#[test]
fn an_epoch_that_was_not_open_in_the_period_is_not_told() {
    for (first, last) in [(19_000, 19_999), (20_003, 20_010)] {
        assert!(
            Report::new(&epochs(100), days(first, last))
                .epochs
                .is_empty()
        );
    }
}

#[test]
fn more_spent_than_issued_is_not_reconciled() {
    let report = Report::new(&epochs(201), days(20_000, 20_000));
    assert_eq!(report.epochs[0].reconciled, Some(false));
}

#[test]
fn every_day_from_the_first_double_spend_to_the_last_is_told() {
    let epochs = with_days(100, &[(20_000, 5), (20_001, 2), (20_004, 1)]);
    let days = Report::new(&epochs, days(20_001, 20_010)).days;
    let told: Vec<_> = days
        .iter()
        .map(|day| (day.begins.0 / DAY, day.double_spent))
        .collect();
    assert_eq!(told, [(20_001, 2), (20_002, 0), (20_003, 0), (20_004, 1)]);
}

#[test]
fn a_minute_in_a_far_future_makes_no_endless_report() {
    let epochs = with_days(100, &[(20_000, 5), (u64::MAX / DAY, 1)]);
    assert_eq!(Report::new(&epochs, Period::default()).days.len(), 366);
}

fn filed(log: &str, spent: u64) -> FiledReport {
    let cps = LogReport {
        log: log.to_owned(),
        key: "cps.example/log+0+A".to_owned(),
        followed_since: UnixTime(NOON),
        read_at: UnixTime(NOON + 7 * DAY),
        size: 17,
        root: "cm9vdA==".to_owned(),
        entries_read: 17,
        skipped: SkippedKinds::default(),
        witnesses_needed: 1,
        witnesses: vec![WitnessReport {
            name: "witness.example".to_owned(),
            key: "witness.example+0+A".to_owned(),
            cosigned_at: Some(UnixTime(NOON + 6 * DAY)),
        }],
    };
    FiledReport {
        made_at: UnixTime(NOON + 9 * DAY),
        made_by: "pennyblack 1.2.3".to_owned(),
        cps,
        issuers: Vec::new(),
        issuers_not_followed: vec!["issuer.example".to_owned()],
        finding: None,
        known_until: UnixTime(NOON + 7 * DAY),
        report: Report::new(&epochs(spent), days(20_000, 20_001)),
        meaning: MEANING,
    }
}

#[test]
fn the_page_tells_the_numbers_and_holds_nothing_from_elsewhere() {
    let html = filed("cps.example/log", 12_345).to_html();
    for told in [
        "Audit of cps.example/log",
        "12\u{202f}345",
        ">WRONG<",
        "nothing wrong when the logs were last followed",
        "All other numbers are totals of a key",
        "2024-10-04 to 2024-10-05 (UTC)",
        "<dt>made</dt><dd>2024-10-13T12:00:00Z by pennyblack 1.2.3</dd>",
        "<code>pennyblack audit prove</code>",
        "@media print",
        "followed since 2024-10-04T12:00:00Z",
        "checkpoint of 17 entries, read 2024-10-11T12:00:00Z; 17 read and proven<br>root <code>cm9vdA==</code>",
        "cosigned 2024-10-10T12:00:00Z by witness.example",
        "The log of issuer.example was not followed",
        "Nobody can be named",
    ] {
        assert!(html.contains(told), "{told} in {html}");
    }
    for foreign in ["`", "<script", "http:", "https:", "url(", "@import"] {
        assert!(!html.contains(foreign), "{foreign} in {html}");
    }
    let hostile = filed("<img src=x>&\"'", 1).to_html();
    assert!(
        hostile.contains("Audit of &lt;img src=x&gt;&amp;&quot;&#39;"),
        "{hostile}"
    );
}

#[test]
fn a_log_that_no_witness_is_demanded_of_says_so() {
    let mut filed = filed("cps.example/log", 1);
    filed.cps.witnesses.clear();
    filed.cps.witnesses_needed = 0;
    filed.cps.size = 1;
    let html = filed.to_html();
    assert!(html.contains("no witnesses demanded"), "{html}");
    assert!(html.contains("checkpoint of 1 entry,"), "{html}");
}

#[test]
fn what_comes_after_the_log_was_last_read_is_not_said_to_be_sound() {
    let read_at = UnixTime(NOON + 7 * DAY);
    let known = |first, last| {
        let mut filed = filed("cps.example/log", 1);
        filed.report.period = days(first, last);
        let html = filed.to_html();
        (
            filed.known(),
            html.contains("nothing wrong"),
            html.contains("<table"),
        )
    };
    assert_eq!(known(20_000, 20_006), (Known::Whole, true, true));
    assert_eq!(known(20_000, 20_007), (Known::Until(read_at), true, true));
    assert_eq!(known(20_007, 20_008), (Known::Until(read_at), true, true));
    assert_eq!(
        known(20_008, 20_008),
        (Known::Nothing(read_at), false, false)
    );
}
