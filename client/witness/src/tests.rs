use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use pennyblack_tlog::cosignature::cosignature;
use pennyblack_tlog::{
    Checkpoint, Frontier, Hash, Node, NoteSigner, SignedCheckpoint, TreeHead, prove_consistency,
};
use tempfile::TempDir;

use super::*;

const NOW: UnixTime = UnixTime(1_795_000_000);
const LOG: &str = "log.example/log";

/// A log that signs for as many entries as it is told, of any history.
struct Log(NoteSigner);

impl Log {
    fn new() -> Self {
        let name = LOG.parse().unwrap();
        let kind = SignatureType::Ed25519;
        Self(NoteSigner::generate(name, kind, &mut rand::rng()))
    }

    fn key(&self) -> VerifierKey {
        self.0.verifier().clone()
    }

    fn leaf(history: u64, index: u64) -> Hash {
        Hash::of_leaf(&[history.to_be_bytes(), index.to_be_bytes()].concat())
    }

    fn head(history: u64, size: u64) -> TreeHead {
        let mut frontier = Frontier::default();
        (0..size).for_each(|index| frontier.push(Self::leaf(history, index)));
        frontier.head()
    }

    fn signed(&self, history: u64, size: u64) -> SignedCheckpoint {
        let head = Self::head(history, size);
        Checkpoint::new(self.0.verifier().name(), head)
            .sign(&self.0)
            .unwrap()
    }

    fn request(&self, history: u64, old: u64, new: u64) -> AddCheckpoint {
        let node = |node: Node| {
            let mut part = Frontier::default();
            let leaves = node.index << node.level..(node.index + 1) << node.level;
            leaves.for_each(|index| part.push(Self::leaf(history, index)));
            Ok::<_, std::convert::Infallible>(part.head().root)
        };
        AddCheckpoint {
            old_size: old,
            proof: prove_consistency(old, new, node).unwrap(),
            checkpoint: self.signed(history, new),
        }
    }
}

fn open(home: &TempDir, log: &Log) -> Result<Witness, OpenWitnessError> {
    let name = "witness.example".parse().unwrap();
    Witness::open(&home.path().join("state"), &name, [log.key()])
}

fn status(answer: Result<SignatureLine, NotCosigned>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(NotCosigned::Refused(refusal)) => refusal.status(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_was_seen_outlives_the_program_and_is_never_gone_back_on() {
    let (home, log) = (tempfile::tempdir().unwrap(), Log::new());
    let key = open(&home, &log).unwrap().key().clone();
    for (history, old, new, expected) in [
        (1, 0, 5, 200),
        // Again, as after an answer that was lost.
        (1, 0, 5, 409),
        (1, 5, 5, 200),
        (1, 5, 9, 200),
        (1, 0, 3, 409),
        (1, 9, 3, 400),
        // Another history, larger and of the same size.
        (2, 9, 12, 422),
        (2, 9, 9, 409),
        (2, 0, 12, 409),
        (1, 9, 12, 200),
    ] {
        // A life for each question.
        let witness = open(&home, &log).unwrap();
        assert_eq!(witness.key(), &key);
        let request = log.request(history, old, new);
        let answer = witness.add_checkpoint(&request, NOW);
        if let Ok(line) = &answer {
            let mut cosigned = request.checkpoint.clone();
            cosigned.add(line.clone());
            let found = cosignature(&cosigned, &key).unwrap().unwrap();
            assert_eq!(found.time, NOW);
        }
        assert_eq!(status(answer), expected, "{history}: {old} to {new}");
    }
}

#[test]
fn two_histories_of_one_size_are_kept_as_evidence() {
    let (home, log) = (tempfile::tempdir().unwrap(), Log::new());
    let witness = open(&home, &log).unwrap();
    for (history, old, new) in [(1, 0, 5), (2, 5, 5), (3, 5, 5)] {
        let _ = witness.add_checkpoint(&log.request(history, old, new), NOW);
    }
    let files = fs::read_dir(home.path().join("state")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let evidence: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "fork"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    // The first contradiction; both its sides are signed.
    let expected = format!("{}\n{}", log.signed(1, 5), log.signed(2, 5));
    assert_eq!(evidence, [expected]);
}

#[test]
fn of_many_who_ask_at_once_those_of_one_history_are_cosigned() {
    let (home, log) = (tempfile::tempdir().unwrap(), Log::new());
    let witness = Arc::new(open(&home, &log).unwrap());
    let requests = (1..=16).map(|history| log.request(history, 0, 4 + history % 3));
    let asking: Vec<_> = requests
        .map(|request| {
            let witness = Arc::clone(&witness);
            std::thread::spawn(move || status(witness.add_checkpoint(&request, NOW)))
        })
        .collect();
    let mut answers: Vec<_> = asking.into_iter().map(|one| one.join().unwrap()).collect();
    answers.sort_unstable();
    let mut expected = vec![409; 16];
    expected[0] = 200;
    assert_eq!(answers, expected);
}

#[test]
fn a_witness_that_may_have_forgotten_does_not_start() {
    let (home, log) = (tempfile::tempdir().unwrap(), Log::new());
    let witness = open(&home, &log).unwrap();
    witness.add_checkpoint(&log.request(1, 0, 5), NOW).unwrap();
    assert!(matches!(
        open(&home, &log),
        Err(OpenWitnessError::Directory(OpenDiskError::InUse(_)))
    ));
    drop(witness);
    let state = home.path().join("state");
    let key = state.join("key");
    let mode = fs::metadata(&key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let last = last_seen(&home);
    let sound = fs::read_to_string(&last).unwrap();
    for changed in [
        "",
        "x",
        &sound.replacen("\n5\n", "\n4\n", 1),
        &"a\n".repeat(100_000),
    ] {
        fs::write(&last, changed).unwrap();
        let refused = open(&home, &log);
        assert!(
            matches!(refused, Err(OpenWitnessError::LastSeen(_))),
            "{refused:?}"
        );
    }
    fs::write(&last, &sound).unwrap();
    // The log has another key now, and the one that it had is not given.
    let refused = open(&home, &Log::new()).unwrap_err();
    let unsigned = LastSeenError::Unsigned {
        path: last,
        origin: LOG.to_owned(),
    };
    assert_eq!(refused.to_string(), unsigned.to_string());

    let other = "other.example".parse().unwrap();
    let refused = Witness::open(&state, &other, [log.key()]);
    assert!(matches!(
        refused,
        Err(OpenWitnessError::Key(WitnessKeyError::Name { .. }))
    ));
    fs::remove_file(&key).unwrap();
    let refused = open(&home, &log);
    assert!(matches!(
        refused,
        Err(OpenWitnessError::Key(WitnessKeyError::Lost(_)))
    ));
}

/// Where a witness keeps what it has seen of the log.
fn last_seen(home: &TempDir) -> PathBuf {
    let files = fs::read_dir(home.path().join("state")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let last = files.find(|path| path.extension().is_some_and(|end| end == "checkpoint"));
    last.unwrap()
}

#[test]
fn a_witness_without_what_it_has_seen_does_not_start_as_if_new() {
    let (home, log) = (tempfile::tempdir().unwrap(), Log::new());
    // Of a log that was never asked about, too: the witness cannot tell the two apart.
    for seen in [0, 5] {
        let witness = open(&home, &log).unwrap();
        if seen > 0 {
            let request = log.request(1, 0, seen);
            witness.add_checkpoint(&request, NOW).unwrap();
        }
        drop(witness);
        // An ordinary start needs nothing from the operator.
        assert!(open(&home, &log).is_ok());
        let file = last_seen(&home);
        let kept = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let refused = open(&home, &log).unwrap_err();
        assert!(
            matches!(
                refused,
                OpenWitnessError::LastSeen(LastSeenError::Missing { .. })
            ),
            "{refused}"
        );
        assert!(refused.to_string().contains("--new-log"), "{refused}");
        fs::write(&file, kept).unwrap();
    }
    let witness = open(&home, &log).unwrap();
    assert_eq!(
        status(witness.add_checkpoint(&log.request(2, 0, 3), NOW)),
        409
    );
}

#[test]
fn a_log_is_added_on_the_word_of_the_operator_once() {
    let (home, first) = (tempfile::tempdir().unwrap(), Log::new());
    drop(open(&home, &first).unwrap());
    let name = "second.example/log".parse().unwrap();
    let kind = SignatureType::Ed25519;
    let second = NoteSigner::generate(name, kind, &mut rand::rng());
    let (state, second) = (home.path().join("state"), second.verifier().clone());
    let name = "witness.example".parse().unwrap();
    let both = || Witness::open(&state, &name, [first.key(), second.clone()]);
    assert!(matches!(
        both(),
        Err(OpenWitnessError::LastSeen(LastSeenError::Missing { .. }))
    ));
    Witness::begin_log(&state, &second).unwrap();
    let witness = both().unwrap();
    // Not while it is at work, and not again, which would make it forget.
    assert!(matches!(
        Witness::begin_log(&state, &second),
        Err(OpenWitnessError::Directory(OpenDiskError::InUse(_)))
    ));
    drop(witness);
    for known in [first.key(), second.clone()] {
        assert!(matches!(
            Witness::begin_log(&state, &known),
            Err(OpenWitnessError::LastSeen(LastSeenError::Known { .. }))
        ));
    }
}

#[test]
fn a_first_start_that_broke_off_begins_again() {
    let (home, log) = (tempfile::tempdir().unwrap(), Log::new());
    let key = open(&home, &log).unwrap().key().clone();
    fs::remove_file(home.path().join("state").join("key")).unwrap();
    // Nothing was cosigned with it.
    assert_ne!(*open(&home, &log).unwrap().key(), key);
}

#[test]
fn an_old_key_in_a_fresh_directory_cosigns_nothing() {
    let (old, fresh, log) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        Log::new(),
    );
    let witness = open(&old, &log).unwrap();
    witness.add_checkpoint(&log.request(1, 0, 5), NOW).unwrap();
    drop(open(&fresh, &log).unwrap());
    let key = |home: &TempDir| home.path().join("state").join("key");
    fs::copy(key(&old), key(&fresh)).unwrap();
    let refused = open(&fresh, &log).unwrap_err();
    assert!(
        matches!(
            refused,
            OpenWitnessError::LastSeen(LastSeenError::OtherKey { .. })
        ),
        "{refused}"
    );
}

#[test]
fn the_last_checkpoint_is_shown_to_prove_a_refusal() {
    let (home, log) = (tempfile::tempdir().unwrap(), Log::new());
    let witness = open(&home, &log).unwrap();
    let named = origin_in_path(LOG);
    assert_eq!(witness.last_checkpoint(&named).unwrap(), None);
    witness.add_checkpoint(&log.request(1, 0, 5), NOW).unwrap();
    let _ = witness.add_checkpoint(&log.request(2, 5, 9), NOW);
    let shown = witness.last_checkpoint(&named).unwrap().unwrap();
    assert_eq!(shown, log.signed(1, 5));
    let unknown = witness.last_checkpoint(&origin_in_path("other.example/log"));
    assert_eq!(unknown.unwrap(), None);
}

#[test]
fn a_checkpoint_that_cannot_be_kept_is_not_cosigned() {
    let (home, log) = (tempfile::tempdir().unwrap(), Log::new());
    let witness = open(&home, &log).unwrap();
    let (state, away) = (home.path().join("state"), home.path().join("away"));
    fs::rename(&state, &away).unwrap();
    let refused = witness.add_checkpoint(&log.request(1, 0, 5), NOW);
    assert!(
        matches!(refused, Err(NotCosigned::LastSeen(_))),
        "{refused:?}"
    );
    fs::rename(&away, &state).unwrap();
    // Nothing was promised, so another history may be.
    assert_eq!(
        status(witness.add_checkpoint(&log.request(2, 0, 3), NOW)),
        200
    );
}

#[test]
fn only_logs_that_are_known_are_cosigned_and_a_witness_is_no_log() {
    let (home, log) = (tempfile::tempdir().unwrap(), Log::new());
    let witness = open(&home, &log).unwrap();
    let mut stranger = log.request(1, 0, 5);
    let text = stranger.to_string().replace(LOG, "other.example/log");
    stranger = text.parse().unwrap();
    assert_eq!(status(witness.add_checkpoint(&stranger, NOW)), 404);
    let impostor = Log::new().request(1, 0, 5);
    assert_eq!(status(witness.add_checkpoint(&impostor, NOW)), 403);
    let name = "other.example".parse().unwrap();
    let elsewhere = home.path().join("other");
    let refused = Witness::open(&elsewhere, &name, [witness.key().clone()]);
    assert!(matches!(refused, Err(OpenWitnessError::NotALog(_))));
}
