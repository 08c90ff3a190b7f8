//! What a mailbox key is registered for, in a file beside the key's. A key has one record for
//! each signer, so a second one ends the first, and no CPS says so. Not here: registering it.

use std::path::{Path, PathBuf};

use pennyblack_base::time::UnixTime;
use pennyblack_http::ServiceAddress;
use serde::{Deserialize, Serialize};

use super::Publisher;
use super::beside_key::{BesideKey, BesideKeyError};

const FILE: BesideKey = BesideKey {
    suffix: ".registered",
    what: "what the key is registered for",
    advice: "delete it if you know which numbers that is",
};

/// What a key is registered for by one signer at one CPS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The CPS's authority.
    pub cps: String,
    /// The SPC or number that signed.
    pub iss: String,
    /// Its numbers, in words.
    pub numbers: String,
    /// When the record ends; `None` if it was to be renewed.
    pub until: Option<UnixTime>,
}

impl Registration {
    /// Those that `publisher` makes: one at each CPS.
    #[must_use]
    pub fn by(publisher: &Publisher, until: Option<UnixTime>) -> Vec<Self> {
        let at = |cps: &ServiceAddress| Self {
            cps: cps.authority().to_string(),
            // An SPC is one holder's in either case.
            iss: publisher.identity.iss().to_ascii_uppercase(),
            numbers: publisher.coverage.to_string(),
            until,
        };
        publisher.cpss.addresses().iter().map(at).collect()
    }

    fn is_in_place_of(&self, other: &Self) -> bool {
        (&self.cps, &self.iss) == (&other.cps, &other.iss)
    }

    fn has_ended(&self, now: UnixTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// All that a key is registered for.
#[derive(Debug)]
pub struct Registrations {
    mailbox_key: PathBuf,
    all: Vec<Registration>,
}

impl Registrations {
    /// Of the key in this file; none if nothing was recorded.
    ///
    /// # Errors
    /// [`BesideKeyError`].
    pub fn of(mailbox_key: &Path) -> Result<Self, BesideKeyError> {
        Ok(Self {
            mailbox_key: mailbox_key.to_owned(),
            all: FILE.read(mailbox_key)?,
        })
    }

    /// The registration for other numbers that `new` would end.
    #[must_use]
    pub fn ended_by(&self, new: &Registration, now: UnixTime) -> Option<&Registration> {
        let mut others = self.all.iter();
        others.find(|old| {
            new.is_in_place_of(old) && old.numbers != new.numbers && !old.has_ended(now)
        })
    }

    /// Records them, in place of what they end.
    ///
    /// # Errors
    /// [`BesideKeyError`].
    pub fn record(&mut self, new: Vec<Registration>, now: UnixTime) -> Result<(), BesideKeyError> {
        let replace = |all: &mut Vec<Registration>| {
            all.retain(|old| !new.iter().any(|new| new.is_in_place_of(old)) && !old.has_ended(now));
            all.extend(new);
        };
        self.all = FILE.change(&self.mailbox_key, replace)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(iss: &str, numbers: &str, until: Option<u64>) -> Registration {
        Registration {
            cps: "cps.example".to_owned(),
            iss: iss.to_owned(),
            numbers: numbers.to_owned(),
            until: until.map(UnixTime),
        }
    }

    #[test]
    fn a_record_for_other_numbers_by_the_same_signer_is_ended_while_it_lasts() {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("office.mailbox");
        std::fs::write(&key, "").unwrap();
        let mut known = Registrations::of(&key).unwrap();
        let first = registration("683G", "12155550100", Some(100));
        assert_eq!(known.ended_by(&first, UnixTime(50)), None);
        known.record(vec![first.clone()], UnixTime(50)).unwrap();

        let known = Registrations::of(&key).unwrap();
        let second = registration("683G", "12155550101", Some(200));
        assert_eq!(known.ended_by(&second, UnixTime(99)), Some(&first));
        assert_eq!(known.ended_by(&second, UnixTime(100)), None);
        assert_eq!(known.ended_by(&first, UnixTime(99)), None);
        let other = registration("709J", "12155550101", Some(200));
        assert_eq!(known.ended_by(&other, UnixTime(99)), None);
    }

    #[test]
    fn one_that_is_renewed_does_not_end_by_itself_and_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("office.mailbox");
        std::fs::write(&key, "").unwrap();
        let mut known = Registrations::of(&key).unwrap();
        let first = registration("683G", "12155550100", None);
        known.record(vec![first.clone()], UnixTime(50)).unwrap();
        let second = registration("683G", "12155550101", None);
        assert_eq!(known.ended_by(&second, UnixTime(5000)), Some(&first));
        known.record(vec![second.clone()], UnixTime(5000)).unwrap();
        let known = Registrations::of(&key).unwrap();
        assert_eq!(known.ended_by(&second, UnixTime(5000)), None);
        assert_eq!(known.ended_by(&first, UnixTime(5000)), Some(&second));
    }

    #[test]
    fn a_file_that_says_something_else_is_an_error_and_not_nothing() {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("office.mailbox");
        std::fs::write(home.path().join("office.mailbox.registered"), "{}").unwrap();
        let error = Registrations::of(&key).unwrap_err().to_string();
        assert!(error.contains("office.mailbox.registered"), "{error}");
    }
}
