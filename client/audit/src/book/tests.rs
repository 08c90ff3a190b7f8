use std::ops::Range;

use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_evidence::key_calendar::MAX_KEYS_A_DAY;
use pennyblack_evidence::log_entry::{EpochTotals, KeyRecordHash, Minute};
use pennyblack_evidence::oblivious_keys::{KeyConfigDigest, MAX_UNEXPIRED, ObliviousKey};
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce, Token};
use pennyblack_privacypass::token_key::TokenKey;

use super::super::beginnings::Beginnings;
use super::super::misbehaviour::Misbehaviour;
use super::*;

const DAY: u64 = 86_400;

fn key(number: u16) -> TokenKey {
    let mut modulus = [0x55; 256];
    modulus[0] = 0x80;
    modulus[8..10].copy_from_slice(&number.to_be_bytes());
    TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap())
}

const ISSUER: &str = "issuer.example";

/// Without any issuer's log.
fn book() -> Book {
    Book::new(Epochs::default(), [].into_iter())
}

fn followed() -> impl Iterator<Item = &'static str> {
    [ISSUER].into_iter()
}

fn log() -> KeyName {
    "cps.example/log".parse().unwrap()
}

fn take(book: &mut Book, day: u64, statement: Statement) -> Result<(), AuditError> {
    let minute = Minute::of(UnixTime(day * DAY));
    book.take_of_cps(&log(), 7, LogEntry { minute, statement })
}

fn opened(key: TokenKey, begins: u64) -> Statement {
    Statement::KeyEpochOpened {
        issuer: ISSUER.parse().unwrap(),
        key,
        not_before: UnixTime(begins),
    }
}

fn open(book: &mut Book, key: TokenKey) {
    take(book, 0, opened(key, 0)).unwrap();
}

fn take_of(book: &mut Book, issuer: &str, statement: Statement) -> Result<(), AuditError> {
    let log: KeyName = format!("{issuer}/log").parse().unwrap();
    let minute = Minute::of(UnixTime(0));
    book.take_of_issuer(issuer, &log, 7, LogEntry { minute, statement })
}

fn take_of_issuer(book: &mut Book, statement: Statement) -> Result<(), AuditError> {
    take_of(book, ISSUER, statement)
}

fn announced(number: u16, begins: u64) -> Statement {
    Statement::TokenKeyAnnounced {
        key: key(number),
        not_before: UnixTime(begins),
    }
}

/// Announces as many keys for one day as there may be, from this number on.
fn announce_a_day(book: &mut Book, issuer: &str, numbers: Range<u16>, begins: u64) {
    for number in numbers {
        // It is not asked how close they are.
        book.issuers.get_mut(issuer).unwrap().beginnings = Beginnings::default();
        take_of(book, issuer, announced(number, begins)).unwrap();
    }
    book.issuers.get_mut(issuer).unwrap().beginnings = Beginnings::default();
}

/// In form; nobody has signed it, and it is not verified at once.
fn double_spend(key: &TokenKey) -> Statement {
    let request = |byte| SpendRecord::from_bytes(&[byte; SpendRecord::SIZE]).unwrap();
    Statement::DoubleSpend(Box::new(DoubleSpendEvidence {
        token: Token {
            token_type: TokenType::BLIND_RSA_2048,
            nonce: Nonce([1; 32]),
            challenge_digest: ChallengeDigest([1; 32]),
            token_key_id: key.id(),
            authenticator: vec![3; 256].into(),
        },
        cps: "cps.example".parse().unwrap(),
        requests: [request(0), request(1)],
    }))
}

#[test]
fn double_spends_on_more_days_than_keys_can_be_open_are_an_excess() {
    let mut book = book();
    open(&mut book, key(1));
    book.days = MAX_DAYS - 2;
    for day in [5, 5, 6, 6] {
        take(&mut book, day, double_spend(&key(1))).unwrap();
    }
    let excess = take(&mut book, 7, double_spend(&key(1))).unwrap_err();
    assert_eq!(excess.misbehaviour(), Some(Misbehaviour::Excess));
    // What an earlier run has counted counts, and so does one day of another key.
    let mut kept = Book::new(book.into_known().0, [].into_iter());
    assert_eq!(kept.days, 3);
    kept.days = MAX_DAYS - 1;
    open(&mut kept, key(2));
    take(&mut kept, 5, double_spend(&key(2))).unwrap();
    let excess = take(&mut kept, 6, double_spend(&key(2))).unwrap_err();
    assert_eq!(excess.misbehaviour(), Some(Misbehaviour::Excess));
}

#[test]
fn a_log_has_its_number_of_keys_a_day_also_over_several_runs_and_whatever_another_has() {
    let most = u16::try_from(MAX_KEYS_A_DAY).unwrap();
    let mut book = book();
    for number in 0..most {
        if number == most / 2 {
            book = Book::new(book.into_known().0, [].into_iter());
        }
        open(&mut book, key(number));
    }
    let mut book = Book::new(book.into_known().0, [].into_iter());
    let excess = take(&mut book, 0, opened(key(most), 0)).unwrap_err();
    assert_eq!(excess.misbehaviour(), Some(Misbehaviour::Excess));

    // The issuer has one key on that day, which the CPS has not, and as many others
    // elsewhere as there may be; so has another issuer.
    let other = "other.example";
    let both = || [ISSUER, other].into_iter();
    let mut book = Book::new(book.into_known().0, both());
    take_of_issuer(&mut book, announced(1_000, 0)).unwrap();
    announce_a_day(&mut book, ISSUER, 2_000..2_000 + most, DAY);
    let mut book = Book::new(book.into_known().0, both());
    announce_a_day(&mut book, other, 4_000..4_000 + most, DAY);
    let mut book = Book::new(book.into_known().0, both());
    take(&mut book, 0, opened(key(2_000), DAY)).unwrap();
    for issuer in both() {
        book.issuers.get_mut(issuer).unwrap().beginnings = Beginnings::default();
        let excess = take_of(&mut book, issuer, announced(6_000, DAY)).unwrap_err();
        assert_eq!(excess.misbehaviour(), Some(Misbehaviour::Excess));
    }
}

#[test]
fn when_a_key_begins_is_its_issuers_word_and_no_cpss() {
    let mut book = book();
    // Where the issuer's next key is to begin.
    take(&mut book, 0, opened(key(1), 2 * DAY)).unwrap();
    let mut book = Book::new(book.into_known().0, followed());
    take_of_issuer(&mut book, announced(1, DAY)).unwrap();
    let mut book = Book::new(book.into_known().0, followed());
    take_of_issuer(&mut book, announced(2, 2 * DAY)).unwrap();
}

#[test]
fn keys_of_a_cps_that_names_other_days_than_the_issuer_do_not_hide_the_rest() {
    let most = u16::try_from(MAX_KEYS_A_DAY).unwrap();
    let mut book = book();
    for number in 0..most {
        take(&mut book, 0, opened(key(number), DAY)).unwrap();
        take(&mut book, 0, opened(key(1_000 + number), 2 * DAY)).unwrap();
    }
    // By the issuer's word too many keys begin on the first day.
    let moved = 2_000..2_100;
    for number in moved.clone() {
        take(&mut book, 0, opened(key(number), 3 * DAY)).unwrap();
    }
    let mut book = Book::new(book.into_known().0, followed());
    announce_a_day(&mut book, ISSUER, moved, DAY);
    let mut book = Book::new(book.into_known().0, [].into_iter());
    for begins in [DAY, 2 * DAY] {
        let excess = take(&mut book, 0, opened(key(3_000), begins)).unwrap_err();
        assert_eq!(excess.misbehaviour(), Some(Misbehaviour::Excess));
    }
}

#[test]
fn of_more_keys_than_a_state_has_room_for_nobody_is_accused() {
    let mut book = Book::new(Epochs::default(), followed());
    book.keys = MAX_EPOCHS - 1;
    take_of_issuer(&mut book, announced(1, 0)).unwrap();
    // Of a key that is known more may be said.
    take(&mut book, 0, opened(key(1), 0)).unwrap();
    let of_issuer = take_of_issuer(&mut book, announced(2, DAY));
    let elsewhere = Statement::KeyEpochOpened {
        issuer: "other.example".parse().unwrap(),
        key: key(3),
        not_before: UnixTime(0),
    };
    let of_cps = take(&mut book, 0, elsewhere);
    for refused in [of_issuer, of_cps] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, AuditError::TooManyKeys { .. }),
            "{refused}"
        );
        assert_eq!(refused.misbehaviour(), None);
    }
    assert_eq!(Book::new(book.into_known().0, followed()).keys, 1);
}

#[test]
fn a_key_is_kept_until_its_epoch_is_closed_and_no_double_spend_follows() {
    let mut book = book();
    open(&mut book, key(1));
    take(&mut book, 1, double_spend(&key(1))).unwrap();
    let closed = Statement::KeyEpochClosed {
        token_key_id: key(1).id(),
        totals: EpochTotals::default(),
    };
    take(&mut book, 2, closed).unwrap();
    assert_eq!(book.epochs.get(ISSUER, key(1).id()).unwrap().token_key, "");
    let late = take(&mut book, 3, double_spend(&key(1))).unwrap_err();
    assert_eq!(late.misbehaviour(), Some(Misbehaviour::Contradiction));
}

#[test]
fn so_many_parsed_keys_are_held_and_no_more() {
    let mut book = book();
    for number in 0..200 {
        open(&mut book, key(number));
    }
    book.calendar = KeyCalendar::default();
    for number in 200..400 {
        open(&mut book, key(number));
    }
    for number in 0..400 {
        take(&mut book, 1, double_spend(&key(number))).unwrap();
        assert!(book.verifiers.len() <= MAX_VERIFIERS);
    }
}

#[test]
fn two_keys_that_begin_close_to_each_other_are_found_also_by_a_later_run() {
    let take = take_of_issuer;
    let total = |number: u16, issued| Statement::IssuanceTotal {
        token_key_id: key(number).id(),
        issued,
    };
    let mut book = Book::new(Epochs::default(), followed());
    take(&mut book, announced(1, DAY)).unwrap();
    take(&mut book, announced(2, DAY + 1_200)).unwrap();
    let mut book = Book::new(book.into_known().0, followed());
    for begins in [DAY - 1_199, DAY, DAY + 1, DAY + 2_399] {
        let mut run = Book::new(book.epochs.clone(), followed());
        let found = take(&mut run, announced(3, begins)).unwrap_err();
        assert_eq!(found.misbehaviour(), Some(Misbehaviour::KeysTooClose));
    }
    // One that was used is in the way, one that was given up unused is not.
    take(&mut book, announced(4, 9 * DAY)).unwrap();
    take(&mut book, announced(5, 5 * DAY)).unwrap();
    take(&mut book, total(4, 1)).unwrap();
    take(&mut book, total(5, 0)).unwrap();
    let mut book = Book::new(book.into_known().0, followed());
    take(&mut book, announced(6, 5 * DAY + 1)).unwrap();
    take(&mut book, announced(7, 9 * DAY + 1)).unwrap_err();
}

#[test]
fn a_key_is_missed_only_when_all_of_the_issuers_log_is_known() {
    let mut before = book();
    open(&mut before, key(1));
    let known = before.into_known().0;
    let mut unread = Book::new(known.clone(), followed());
    unread.is_not_read(ISSUER);
    unread.reconcile().unwrap();
    assert_eq!(unread.uncompared(), [ISSUER]);
    let missed = Book::new(known, followed()).reconcile().unwrap_err();
    assert!(
        matches!(missed, AuditError::NotAnnounced { .. }),
        "{missed}"
    );
}

#[test]
fn a_cps_with_too_many_oblivious_keys_at_a_time_is_found_also_by_a_later_run() {
    let oblivious = |number: u8| {
        Statement::ObliviousKeyAnnounced(ObliviousKey {
            key_config: KeyConfigDigest([number; 32]),
            kem_id: 0x20,
            not_before: UnixTime(number.into()),
            not_after: UnixTime(9 * DAY),
        })
    };
    let mut before = book();
    for number in 0..15 {
        take(&mut before, 1, oblivious(number)).unwrap();
    }
    assert_eq!(before.new_statements().oblivious_keys, 15);
    let (epochs, kept) = before.into_known();
    let mut book = Book::new(epochs, followed()).with_oblivious_keys(kept);
    take(&mut book, 8, oblivious(15)).unwrap();
    assert_eq!(book.new_statements().oblivious_keys, 1);
    let one_more = oblivious(MAX_UNEXPIRED as u8);
    let found = take(&mut book, 8, one_more.clone()).unwrap_err();
    assert_eq!(found.misbehaviour(), Some(Misbehaviour::Excess));
    take(&mut book, 9, one_more.clone()).unwrap();
    let found = take(&mut book, 9, one_more.clone()).unwrap_err();
    assert_eq!(found.misbehaviour(), Some(Misbehaviour::Excess));
    // An issuer has none.
    let found = take_of_issuer(&mut book, one_more).unwrap_err();
    assert_eq!(found.misbehaviour(), Some(Misbehaviour::Contradiction));
}

#[test]
fn key_records_are_counted_and_nothing_is_concluded_from_them() {
    let hash = KeyRecordHash([7; 32]);
    let mut book = book();
    // Ended without need, and published twice.
    for (statement, count) in [
        (Statement::KeyRecordEnded(hash), 1),
        (Statement::KeyRecordPublished(hash), 2),
    ] {
        for _ in 0..count {
            take(&mut book, 1, statement.clone()).unwrap();
        }
        // An issuer has none.
        let found = take_of_issuer(&mut book, statement).unwrap_err();
        assert_eq!(found.misbehaviour(), Some(Misbehaviour::Contradiction));
    }
    let records = book.new_statements().records;
    assert_eq!((records.published, records.ended), (2, 1));
}
