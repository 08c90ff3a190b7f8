//! At which CPSs a mailbox is polled, and until when, in a file beside its key: all that a
//! record of it names or has named that may still lead somebody there. **They are written
//! down before the record is published** (docs/protocol.md section 5.1). Not here: polling
//! (`follower`).

use std::path::Path;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_http::ServiceAddress;
use pennyblack_protocol::key_record::is_polled;
use serde::{Deserialize, Serialize};

use super::beside_key::{BesideKey, BesideKeyError};

const FILE: BesideKey = BesideKey {
    suffix: ".cpss",
    what: "at which CPSs the mailbox is polled",
    advice: "delete it, and name all CPSs at which the mailbox was registered in the last week",
};

/// A CPS that records of a mailbox name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolledCps {
    cps: ServiceAddress,
    /// When the last of them ends.
    until: UnixTime,
}

/// The CPSs at which a mailbox is polled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolledCpss(Vec<PolledCps>);

impl PolledCpss {
    /// Of the key in this file; none if nothing was written down.
    ///
    /// # Errors
    /// [`BesideKeyError`].
    pub fn of(mailbox_key: &Path) -> Result<Self, BesideKeyError> {
        FILE.read(mailbox_key).map(Self)
    }

    /// Writes down that a record of the key in this file, which ends at `exp`, names these
    /// CPSs, and forgets those that are not polled any more. Returns what was there before.
    /// Waits for the disk.
    ///
    /// # Errors
    /// [`BesideKeyError`]: then the record must not be published.
    pub fn add(
        mailbox_key: &Path,
        cpss: &[ServiceAddress],
        exp: UnixTime,
        now: UnixTime,
    ) -> Result<Self, BesideKeyError> {
        let mut before = Self::default();
        let add = |all: &mut Vec<PolledCps>| {
            before.0.clone_from(all);
            all.retain(|one| is_polled(one.until, now));
            for cps in cpss {
                let known = all.iter_mut().find(|one| is_same(&one.cps, cps));
                match known {
                    Some(known) => {
                        known.cps = cps.clone();
                        known.until = later(known.until, exp);
                    }
                    None => all.push(PolledCps {
                        cps: cps.clone(),
                        until: exp,
                    }),
                }
            }
        };
        FILE.change(mailbox_key, add)?;
        Ok(before)
    }

    /// Takes back what [`add`](Self::add) has written down, for a record that no CPS has, so
    /// that a wrong address is not polled for as long as the record would have lived. Waits for
    /// the disk.
    ///
    /// # Errors
    /// [`BesideKeyError`].
    pub fn take_back(
        mailbox_key: &Path,
        cpss: &[ServiceAddress],
        exp: UnixTime,
        before: &Self,
    ) -> Result<(), BesideKeyError> {
        let take_back = |all: &mut Vec<PolledCps>| {
            let (old, written) = (&before.0, std::mem::take(all));
            *all = written
                .into_iter()
                .filter_map(|one| before.in_place_of(one, cpss, exp))
                .collect();
            // By a clock that is ahead those were forgotten that are polled yet.
            let is_missing =
                |one: &&PolledCps| !all.iter().any(|there| is_same(&there.cps, &one.cps));
            let forgotten: Vec<_> = old.iter().filter(is_missing).cloned().collect();
            all.extend(forgotten);
        };
        FILE.change(mailbox_key, take_back)?;
        Ok(())
    }

    /// What stands there once a record of these CPSs, which ends at `exp`, is taken back.
    fn in_place_of(
        &self,
        one: PolledCps,
        cpss: &[ServiceAddress],
        exp: UnixTime,
    ) -> Option<PolledCps> {
        // Another has written since how the CPS is reached.
        if !cpss.contains(&one.cps) {
            return Some(one);
        }
        let old = self.0.iter().find(|old| is_same(&old.cps, &one.cps));
        match (old, one.until == exp) {
            (old, true) => old.cloned(),
            // Another record ends later, and is reached as before.
            (Some(old), false) => Some(PolledCps {
                cps: old.cps.clone(),
                ..one
            }),
            (None, false) => Some(one),
        }
    }

    /// Where to poll now: at `named`, and at those that were written down.
    #[must_use]
    pub fn with(&self, named: Vec<ServiceAddress>, now: UnixTime) -> Vec<ServiceAddress> {
        let mut all = named;
        for one in self.0.iter().filter(|one| is_polled(one.until, now)) {
            if !all.iter().any(|cps| is_same(cps, &one.cps)) {
                all.push(one.cps.clone());
            }
        }
        all
    }
}

/// Two records that end in one second have an end each, **so that one can be taken back and
/// the other stays**.
fn later(until: UnixTime, exp: UnixTime) -> UnixTime {
    match until == exp {
        true => exp.plus(Duration::from_secs(1)),
        false => until.max(exp),
    }
}

/// A CPS may be reached in several ways.
fn is_same(one: &ServiceAddress, other: &ServiceAddress) -> bool {
    one.authority() == other.authority()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn cps(name: &str) -> ServiceAddress {
        format!("https://{name}.example").parse().unwrap()
    }

    fn key(home: &Path) -> PathBuf {
        let path = home.join("office.mailbox");
        std::fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn a_cps_is_polled_two_minutes_longer_than_the_last_record_that_names_it() {
        let home = tempfile::tempdir().unwrap();
        let key = key(home.path());
        let (made, a, b) = (UnixTime(1_000), cps("a"), cps("b"));
        PolledCpss::add(&key, std::slice::from_ref(&a), UnixTime(5_000), made).unwrap();
        // A newer record names another, and one that ends sooner takes nothing back.
        let both = [a.clone(), b.clone()];
        PolledCpss::add(&key, &both, UnixTime(2_000), made).unwrap();
        let polled = |now| {
            PolledCpss::of(&key)
                .unwrap()
                .with(Vec::new(), UnixTime(now))
        };
        assert_eq!(polled(2_119), both);
        assert_eq!(polled(2_120), std::slice::from_ref(&a));
        assert_eq!(polled(5_119), [a]);
        assert_eq!(polled(5_120), []);
        let before = PolledCpss::add(&key, &[b], UnixTime(9_000), UnixTime(5_120)).unwrap();
        assert_eq!(
            (before.0.len(), PolledCpss::of(&key).unwrap().0.len()),
            (2, 1)
        );
    }

    #[test]
    fn what_is_named_is_polled_in_the_way_in_which_it_is_named() {
        let home = tempfile::tempdir().unwrap();
        let key = key(home.path());
        PolledCpss::add(&key, &[cps("a"), cps("b")], UnixTime(9), UnixTime(1)).unwrap();
        let tunnel: ServiceAddress = "a.example=http://127.0.0.1:1".parse().unwrap();
        let all = PolledCpss::of(&key)
            .unwrap()
            .with(vec![tunnel.clone()], UnixTime(1));
        assert_eq!(all, [tunnel, cps("b")]);
    }

    #[test]
    fn what_a_record_that_nobody_has_added_is_taken_back_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let key = &key(home.path());
        let now = UnixTime(1);
        let add = |names: &[&str], exp| {
            let cpss: Vec<_> = names.iter().map(|name| cps(name)).collect();
            let before = PolledCpss::add(key, &cpss, UnixTime(exp), now).unwrap();
            move || PolledCpss::take_back(key, &cpss, UnixTime(exp), &before).unwrap()
        };
        drop(add(&["a", "b"], 500));
        let listed = PolledCpss::of(key).unwrap();
        let take_back = add(&["b", "c"], 900);
        take_back();
        assert_eq!(PolledCpss::of(key).unwrap(), listed);
        // Another has published a record of the same CPS meanwhile.
        let take_back = add(&["c"], 900);
        drop(add(&["c"], 901));
        take_back();
        assert_eq!(PolledCpss::of(key).unwrap().0.len(), 3);
    }

    #[test]
    fn of_two_records_that_end_at_once_the_published_one_stays() {
        let home = tempfile::tempdir().unwrap();
        let (key, now, exp) = (&key(home.path()), UnixTime(1), UnixTime(900));
        let cpss = [cps("a")];
        let refused = PolledCpss::add(key, &cpss, exp, now).unwrap();
        PolledCpss::add(key, &cpss, exp, now).unwrap();
        PolledCpss::take_back(key, &cpss, exp, &refused).unwrap();
        let listed = PolledCpss::of(key).unwrap();
        assert_eq!(listed.with(Vec::new(), exp), cpss);
    }

    #[test]
    fn a_clock_that_was_ahead_has_forgotten_nothing_once_its_record_is_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let (key, a, b) = (&key(home.path()), cps("a"), cps("b"));
        PolledCpss::add(key, &[a, b.clone()], UnixTime(900), UnixTime(1)).unwrap();
        let listed = PolledCpss::of(key).unwrap();
        // In 1970, as in 2070, a record is refused.
        let wrong = UnixTime(3_000_000_000);
        let before = PolledCpss::add(key, std::slice::from_ref(&b), wrong, wrong).unwrap();
        PolledCpss::take_back(key, std::slice::from_ref(&b), wrong, &before).unwrap();
        let mut again = PolledCpss::of(key).unwrap();
        again.0.sort_by_key(|one| one.cps.to_string());
        assert_eq!(again, listed);
    }

    #[test]
    fn a_wrong_way_to_a_cps_that_is_polled_is_taken_back_whatever_ends_first() {
        let home = tempfile::tempdir().unwrap();
        let (key, now) = (&key(home.path()), UnixTime(1));
        PolledCpss::add(key, &[cps("a")], UnixTime(900), now).unwrap();
        let listed = PolledCpss::of(key).unwrap();
        let wrong: [ServiceAddress; 1] = ["a.example=http://127.0.0.1:1".parse().unwrap()];
        let before = PolledCpss::add(key, &wrong, UnixTime(500), now).unwrap();
        PolledCpss::take_back(key, &wrong, UnixTime(500), &before).unwrap();
        assert_eq!(PolledCpss::of(key).unwrap(), listed);
    }

    #[test]
    fn those_who_write_at_once_take_nothing_from_each_other() {
        let home = tempfile::tempdir().unwrap();
        let key = key(home.path());
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (key, cps) = (&key, cps(&format!("n{number}")));
                scope.spawn(move || PolledCpss::add(key, &[cps], UnixTime(9), UnixTime(1)));
            }
        });
        assert_eq!(PolledCpss::of(&key).unwrap().0.len(), 8);
    }

    #[test]
    fn a_file_that_says_something_else_is_an_error_and_not_nothing() {
        let home = tempfile::tempdir().unwrap();
        let key = key(home.path());
        std::fs::write(home.path().join("office.mailbox.cpss"), "{}").unwrap();
        let error = PolledCpss::of(&key).unwrap_err().to_string();
        assert!(error.contains("office.mailbox.cpss"), "{error}");
        assert!(PolledCpss::add(&key, &[cps("a")], UnixTime(9), UnixTime(1)).is_err());
    }
}
