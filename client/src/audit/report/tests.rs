use super::super::epochs::{Closed, Issued};
use super::*;

const NOON: u64 = 20_000 * DAY + DAY / 2;

fn epochs(spent: u64) -> Epochs {
    let epoch = Epoch {
        token_type: 2,
        issuer: Some("issuer.example".to_owned()),
        announced: Some(UnixTime(NOON - DAY)),
        opened: Some(UnixTime(NOON)),
        closed: Some(Closed {
            minute: UnixTime(NOON + 2 * DAY),
            spent,
            replayed: 3,
            refused: 4,
        }),
        issued: Some(Issued {
            minute: UnixTime(NOON + DAY),
            total: 200,
        }),
        double_spends: [(20_000, 5), (20_001, 2)]
            .map(|(day, proven)| (day, DayOfSpends { proven, on_word: 1 }))
            .into(),
        ..Epoch::default()
    };
    let json = serde_json::json!({ "ab": epoch });
    serde_json::from_value(json).unwrap()
}

fn days(first: u64, last: u64) -> Period {
    Period {
        from: UnixTime(first * DAY),
        until: UnixTime((last + 1) * DAY),
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
    assert!(csv.contains(",200,100,3,4,2,1,true\r\n"), "{csv}");
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
