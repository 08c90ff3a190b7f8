use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pennyblack_tlog::edge::Edge;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::reader::SourceError;
use pennyblack_tlog::{Checkpoint, NoteSigner};

use super::*;
use crate::log_entry::{EpochTotals, Minute};
use crate::oblivious_keys::MAX_UNEXPIRED;
use pennyblack_privacypass::token::TokenKeyId;

const WEEK: u64 = 604_800;

fn cps() -> Authority {
    "cps.example".parse().unwrap()
}

/// The key of an epoch, numbered from 0; `marked` is another one for the same epoch.
fn key(epoch: u8, marked: u8) -> ObliviousKey {
    let begins = u64::from(epoch) * WEEK;
    ObliviousKey {
        key_config: KeyConfigDigest([epoch + 100 * marked; 32]),
        kem_id: 0x20,
        not_before: UnixTime(begins),
        not_after: UnixTime(begins + WEEK + 3_600),
    }
}

/// The minute in which a key is announced: a day before it begins.
fn announced(key: ObliviousKey) -> LogEntry {
    LogEntry {
        minute: Minute::of(key.not_before.minus(Duration::from_secs(86_400))),
        statement: Statement::ObliviousKeyAnnounced(key),
    }
}

fn other() -> LogEntry {
    LogEntry {
        minute: Minute::of(UnixTime(0)),
        statement: Statement::KeyEpochClosed {
            token_key_id: TokenKeyId([1; 32]),
            totals: EpochTotals::default(),
        },
    }
}

/// A CPS's log as it is served.
struct Served {
    signer: NoteSigner,
    edge: Edge,
    files: BTreeMap<String, Vec<u8>>,
    asked: Mutex<Vec<String>>,
}

impl Served {
    fn with(entries: &[LogEntry]) -> Self {
        let name = "cps.example/log".parse().unwrap();
        let mut served = Self {
            signer: NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng()),
            edge: Edge::default(),
            files: BTreeMap::new(),
            asked: Mutex::default(),
        };
        entries.iter().for_each(|entry| served.push(entry));
        served
    }

    fn push(&mut self, entry: &LogEntry) {
        let mut full = Vec::new();
        self.edge.push(&entry.to_bytes(), &mut full).unwrap();
        let full = full.into_iter();
        self.files
            .extend(full.map(|file| (file.tile.to_string(), file.bytes)));
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        match path {
            "key" => Some(format!("{}\n", self.signer.verifier()).into_bytes()),
            "checkpoint" => {
                let head = self.edge.head();
                let checkpoint = Checkpoint::new(self.signer.verifier().name(), head);
                let signed = checkpoint.sign(&self.signer).unwrap();
                Some(signed.to_string().into_bytes())
            }
            path => {
                let mut partial = self.edge.partial(0).into_iter();
                let partial = partial.find(|file| file.tile.to_string() == path);
                let partial = partial.map(|file| file.bytes);
                partial.or_else(|| self.files.get(path).cloned())
            }
        }
    }

    fn follow(&self, memory: Option<ObliviousLogView>) -> Result<ObliviousLogView, NotFollowed> {
        self.follow_at(memory, UnixTime(WEEK))
    }

    fn follow_at(
        &self,
        memory: Option<ObliviousLogView>,
        now: UnixTime,
    ) -> Result<ObliviousLogView, NotFollowed> {
        let (cps, policy) = (cps(), CpsLogPolicy::default());
        let followed = pin!(ObliviousLogView::follow(&cps, &policy, memory, now, self));
        match followed.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(followed) => followed,
            Poll::Pending => panic!("a source that has everything makes nobody wait"),
        }
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut *self.asked.lock().unwrap()).len()
    }
}

impl LogSource for Served {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        self.asked.lock().unwrap().push(path.to_owned());
        let content = self.content(path);
        assert!(content.as_ref().is_none_or(|content| content.len() <= max));
        Ok(content)
    }
}

#[test]
fn a_key_is_announced_or_not_and_an_older_one_is_not_everybodys() {
    let (first, second) = (key(1, 0), key(2, 0));
    let served = Served::with(&[other(), announced(first), announced(second)]);
    let view = served.follow(None).unwrap();
    assert_eq!(view.announced(second.key_config).unwrap(), &second);
    let missing = view.announced(key(2, 1).key_config).unwrap_err();
    assert!(missing.to_string().contains("not in the log"), "{missing}");
    for (key, now, is_newest) in [
        (first, WEEK, true),
        // The second has begun a minute ago at the most.
        (first, 2 * WEEK + 59, true),
        (first, 2 * WEEK + 60, false),
        // The first is accepted still, and everybody has it.
        (second, 2 * WEEK + 59, false),
        (second, 2 * WEEK + 60, true),
    ] {
        let served = [key.key_config];
        let required = view.require_newest(&served, |_| true, UnixTime(now));
        assert_eq!(required.is_ok(), is_newest, "{now}: {required:?}");
    }
}

#[test]
fn a_key_of_every_known_kem_is_to_be_served() {
    let x25519 = key(1, 0);
    let xwing = ObliviousKey {
        kem_id: 0x647a,
        ..key(1, 1)
    };
    let served = Served::with(&[announced(x25519), announced(xwing)]);
    let view = served.follow(None).unwrap();
    let now = UnixTime(WEEK + 60);
    let only = [x25519.key_config];
    let refused = view.require_newest(&only, |_| true, now).unwrap_err();
    let NotAnnounced::LeftOut { key_config, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(*key_config, xwing.key_config);
    view.require_newest(&only, |kem_id| kem_id == 0x20, now)
        .unwrap();
    let both = [x25519.key_config, xwing.key_config];
    view.require_newest(&both, |_| true, now).unwrap();
}

#[test]
fn what_is_remembered_is_read_on_from_and_nothing_twice() {
    let mut served = Served::with(&[announced(key(1, 0))]);
    let view = served.follow(None).unwrap();
    let json = view.to_json().unwrap();
    let view = ObliviousLogView::from_json(&json).unwrap();
    served.asked();
    let again = served.follow(Some(view.clone())).unwrap();
    assert_eq!((again.clone(), served.asked()), (view, 1));
    served.push(&announced(key(2, 0)));
    let later = served.follow(Some(again)).unwrap();
    assert!(later.announced(key(2, 0).key_config).is_ok());
    assert!(later.announced(key(1, 0).key_config).is_ok());
    let damaged = json.replace("\"edge\":[\"", "\"edge\":[\"A");
    assert!(ObliviousLogView::from_json(&damaged).is_err());
    let of_a_later_version = json.replacen('{', r#"{"more":1,"#, 1);
    assert!(ObliviousLogView::from_json(&of_a_later_version).is_err());
}

#[test]
fn a_log_that_takes_back_what_it_showed_is_refused() {
    let long = Served::with(&[announced(key(1, 0)), announced(key(2, 0))]);
    let view = long.follow(None).unwrap();
    let mut other_history = Served {
        signer: long.signer,
        ..Served::with(&[announced(key(1, 0))])
    };
    let rolled_back = other_history.follow(Some(view.clone())).unwrap_err();
    let contradicts =
        |error: &ObliviousLogError| matches!(error, ObliviousLogError::Contradiction(_));
    assert!(contradicts(&rolled_back.error), "{rolled_back}");
    other_history.push(&announced(key(2, 1)));
    let forked = other_history.follow(Some(view.clone())).unwrap_err();
    assert!(contradicts(&forked.error), "{forked}");
    // A longer one, whose entries do not lead on from the first two.
    other_history.push(&announced(key(3, 1)));
    let forked = other_history.follow(Some(view.clone())).unwrap_err();
    assert!(contradicts(&forked.error), "{forked}");
    assert!(forked.remembered.is_none());
    // Another key is another log.
    let other_key = Served::with(&[announced(key(1, 0)), announced(key(2, 0))]);
    assert!(other_key.follow(Some(view)).is_err());
}

#[test]
fn keys_without_number_are_those_of_single_clients() {
    let many = (0..=u8::try_from(MAX_UNEXPIRED).unwrap()).map(|number| {
        let key_config = KeyConfigDigest([number; 32]);
        let key = key(1, 0);
        announced(ObliviousKey {
            key_config,
            not_before: key.not_before.plus(Duration::from_secs(number.into())),
            ..key
        })
    });
    let served = Served::with(&many.collect::<Vec<_>>());
    let refused = served.follow(None).unwrap_err();
    let error = refused.error.to_string();
    assert!(error.contains("entry 16 of the CPS's log"), "{error}");
    // What it has signed is remembered, though nothing follows from it.
    assert_eq!(refused.remembered.unwrap().position.signed().size, 17);
}

#[test]
fn of_a_long_log_the_end_is_read_and_the_rest_is_compared() {
    let mut served = Served::with(&[announced(key(1, 0))]);
    let early = served.follow(None).unwrap();
    for _ in 0..MAX_ENTRIES + 300 {
        served.push(&other());
    }
    served.push(&announced(key(2, 0)));
    served.asked();
    let view = served.follow(None).unwrap();
    let bundles = usize::try_from(MAX_ENTRIES / 256).unwrap();
    assert!(served.asked() < bundles + 12);
    assert!(view.announced(key(2, 0).key_config).is_ok());
    assert_eq!(remembered(&view), view);
    // A log of another beginning is found out, also where its entries are not read.
    let mut forked = Served {
        signer: served.signer,
        ..Served::with(&[announced(key(1, 1))])
    };
    for _ in 0..MAX_ENTRIES + 300 {
        forked.push(&other());
    }
    let error = forked.follow(Some(early)).unwrap_err().error;
    assert!(
        matches!(error, ObliviousLogError::Contradiction(_)),
        "{error}"
    );
}

/// The view as it is read again.
fn remembered(view: &ObliviousLogView) -> ObliviousLogView {
    ObliviousLogView::from_json(&view.to_json().unwrap()).unwrap()
}

/// A CPS could announce a key, and hide it from those who read later behind so many entries.
#[test]
fn who_remembers_a_log_passes_over_none_of_its_entries() {
    let mut served = Served::with(&[announced(key(1, 0))]);
    let began = served.follow(None).unwrap();
    served.push(&announced(key(2, 0)));
    for _ in 0..2 * MAX_ENTRIES + 600 {
        served.push(&other());
    }
    let bundles = usize::try_from(MAX_ENTRIES / 256).unwrap();
    let (mut view, mut parts) = (began.clone(), Vec::new());
    let later = UnixTime(WEEK + 60);
    let end = loop {
        served.asked();
        match served.follow_at(Some(remembered(&view)), later) {
            Ok(end) => break end,
            Err(refused) => {
                assert!(refused.error.may_pass(), "{refused}");
                view = *refused.remembered.unwrap();
            }
        }
        assert!(served.asked() < bundles + 24);
        // The log was not read to its end.
        assert_eq!(view.read, began.read);
        assert!(view.announced(key(2, 0).key_config).is_ok());
        parts.push(view.clone());
        served.push(&other());
    };
    assert_eq!(parts.len(), 2);
    assert_eq!((end.head(), end.read), (served.edge.head(), Some(later)));
    assert_eq!(remembered(&end), end);
    // With a part the log's whole tree is remembered: another is a second history.
    let mut forked = Served {
        signer: served.signer,
        ..Served::with(&[announced(key(1, 0)), announced(key(2, 0))])
    };
    forked.push(&announced(key(3, 0)));
    for _ in 0..2 * MAX_ENTRIES + 600 {
        forked.push(&other());
    }
    for memory in parts {
        let refused = forked.follow(Some(memory)).unwrap_err();
        let is_found = matches!(refused.error, ObliviousLogError::Contradiction(_));
        assert!(is_found, "{refused}");
    }
}

#[test]
fn an_announcement_is_dated_by_the_last_reading_to_the_logs_end() {
    let mut served = Served::with(&[announced(key(1, 0))]);
    let view = served.follow(None).unwrap();
    let read = UnixTime(3 * WEEK);
    let view = served.follow_at(Some(view), read).unwrap();
    served.push(&announced(key(2, 0)));
    let later = read.plus(Duration::from_secs(60));
    let follow = |view: &ObliviousLogView| served.follow_at(Some(remembered(view)), later);
    let refused = follow(&view).unwrap_err();
    assert!(
        refused.to_string().contains("not in the log at"),
        "{refused}"
    );
    assert!(!refused.error.may_pass());
    // It stays so: the log was not read to its end.
    let again = follow(&refused.remembered.unwrap()).unwrap_err();
    assert!(again.to_string().contains("not in the log at"), "{again}");
}

/// A CPS whose clock was wrong for a minute has announced a key of next year. **Its readers go
/// by their own clocks.**
#[test]
fn a_key_of_a_clock_that_was_ahead_takes_none_of_todays_away() {
    let mut served = Served::with(&[announced(key(1, 0))]);
    let follower = served.follow(None).unwrap();
    served.push(&announced(key(53, 0)));
    for memory in [None, Some(follower)] {
        let view = served.follow(memory).unwrap();
        assert!(view.announced(key(1, 0).key_config).is_ok());
    }
}
