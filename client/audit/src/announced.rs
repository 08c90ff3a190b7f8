//! What one issuer's log has announced. Not here: what a CPS makes of it (`book`).

use pennyblack_evidence::key_calendar::KeyCalendar;

use super::beginnings::Beginnings;
use super::epochs::{Epoch, Epochs};

/// The keys that one issuer announced, by when they begin.
pub(super) struct Announced {
    pub(super) calendar: KeyCalendar,
    pub(super) beginnings: Beginnings,
    /// Whether its log was read to its end: then a key that is not here was not announced.
    pub(super) is_read: bool,
}

impl Announced {
    /// Of what is known of it, if its log is read to its end.
    pub(super) fn of(issuer: &str, epochs: &Epochs) -> Self {
        let keys = epochs.iter().filter(|(of, ..)| *of == issuer);
        let keys = keys.filter(|(.., epoch)| epoch.announced.is_some());
        Self {
            calendar: calendar_of(keys),
            beginnings: Beginnings::of(issuer, epochs),
            is_read: true,
        }
    }
}

/// Each key was within the limits of the log that stated it when that was read.
pub(super) fn calendar_of<'a>(
    keys: impl Iterator<Item = (&'a str, &'a str, &'a Epoch)>,
) -> KeyCalendar {
    let mut calendar = KeyCalendar::default();
    for begins in keys.filter_map(|(.., epoch)| epoch.not_before) {
        // The CPS may have named another day than the issuer, and a day is full by that:
        // all other keys count.
        _ = calendar.add(begins);
    }
    calendar
}
