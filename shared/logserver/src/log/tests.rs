mod power_loss;

use std::fs;
use std::path::PathBuf;

use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::proof::{verify_consistency, verify_inclusion};
use pennyblack_tlog::{Frontier, TreeHead};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tempfile::TempDir;

use super::*;
use crate::LogKeyError;

fn name() -> KeyName {
    "log.example/log".parse().unwrap()
}

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number} {}", "x".repeat(number as usize % 50)).into_bytes()
}

/// Opens a log and tells what is in it.
fn open(home: &TempDir) -> Result<(TransparencyLog, Vec<Vec<u8>>), OpenLogError> {
    let mut entries = Vec::new();
    let log = TransparencyLog::open(&home.path().join("log"), &name(), |index, entry| {
        assert_eq!(index, entries.len() as u64);
        entries.push(entry.to_vec());
    })?;
    Ok((log, entries))
}

async fn until_signed(log: &TransparencyLog, size: u64) {
    let mut checkpoints = log.checkpoints();
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size >= size);
    signed.await.unwrap();
}

async fn append_numbered(log: &Arc<TransparencyLog>, numbers: std::ops::Range<u64>) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in numbers.clone() {
        let log = Arc::clone(log);
        tasks.spawn(async move { log.append(entry(number)).await.unwrap() });
    }
    let mut places = tasks.join_all().await;
    places.sort_unstable();
    assert!(places.into_iter().eq(numbers));
}

fn head_of(entries: &[Vec<u8>]) -> TreeHead {
    let mut frontier = Frontier::default();
    for entry in entries {
        frontier.push(Hash::of_leaf(entry));
    }
    frontier.head()
}

/// A log of so many entries, closed, and what is in it.
async fn filled(count: u64) -> (TempDir, Vec<Vec<u8>>) {
    let home = tempfile::tempdir().unwrap();
    let (log, none) = open(&home).unwrap();
    assert_eq!(none.len(), 0);
    let log = Arc::new(log);
    append_numbered(&log, 0..count).await;
    until_signed(&log, count).await;
    drop(log);
    let (_, entries) = open(&home).unwrap();
    assert_eq!(entries.len() as u64, count);
    (home, entries)
}

fn public(home: &TempDir, path: &str) -> PathBuf {
    home.path().join("log/public").join(path)
}

/// Another library's reader over the public files.
struct Reader<'a>(&'a TempDir);

impl tlog_tiles::TileReader for Reader<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(
        &self,
        tiles: &[tlog_tiles::Tile],
    ) -> Result<Vec<Vec<u8>>, tlog_tiles::tlog::Error> {
        let path = |tile: &tlog_tiles::Tile| tile.path().replacen("tile/8/", "tile/", 1);
        let read = |tile| fs::read(public(self.0, &path(tile))).unwrap();
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[tokio::test]
async fn another_library_follows_the_log_from_its_public_files_alone() {
    let (home, entries) = filled(600).await;
    let (log, _) = open(&home).unwrap();
    let text = fs::read(public(&home, "checkpoint")).unwrap();
    let key = signed_note::StandardVerifier::new(&log.verifier().to_string()).unwrap();
    let note = signed_note::Note::from_bytes(&text).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(key)]);
    assert_eq!(note.verify(&known).unwrap().0.len(), 1);
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(checkpoint.origin(), "log.example/log");
    assert_eq!(checkpoint.size(), 600);
    let reader = Reader(&home);
    let tree = tlog_tiles::TileHashReader::new(600, *checkpoint.hash(), &reader);
    for index in [0u64, 255, 256, 599] {
        let proof = tlog_tiles::prove_record(600, index, &tree).unwrap();
        let leaf = tlog_tiles::record_hash(&entries[index as usize]);
        tlog_tiles::check_record(&proof, 600, *checkpoint.hash(), index, leaf).unwrap();
    }
}

#[tokio::test]
async fn entries_keep_their_places_and_what_was_signed_stays_true() {
    let (home, before) = filled(300).await;
    let (log, _) = open(&home).unwrap();
    let (log, old) = (Arc::new(log), head_of(&before));
    assert_eq!(log.checkpoint().verify(log.verifier()), Ok(old));
    append_numbered(&log, 300..1_000).await;
    until_signed(&log, 1_000).await;
    let new = log.checkpoint().verify(log.verifier()).unwrap();
    let proof = log.prove_consistency(300, 1_000).unwrap();
    assert_eq!(verify_consistency(&old, &new, &proof), Ok(()));
    for index in [0, 299, 300, 511, 512, 999] {
        let proof = log.prove_inclusion(index, 1_000).unwrap();
        let entry = &log.entries(index, 1).unwrap()[0].1;
        let leaf = Hash::of_leaf(entry);
        assert_eq!(verify_inclusion(leaf, index, &new, &proof), Ok(()));
    }
    drop(log);
    let (log, after) = open(&home).unwrap();
    assert_eq!(after[..300], before);
    let read = log.entries(250, 600).unwrap();
    assert!(read.iter().map(|(at, _)| *at).eq(250..850));
    assert!(read.iter().zip(&after[250..]).all(|((_, a), b)| **a == **b));
    assert_eq!(log.entries(1_000, 5).unwrap(), []);
    // Partial forms of tiles that are full are gone.
    assert!(public(&home, "tile/entries/001").exists());
    assert!(!public(&home, "tile/entries/001.p").exists());
    assert!(public(&home, "tile/entries/003.p/232").exists());
}

#[tokio::test]
async fn an_entry_can_be_read_as_soon_as_it_is_promised() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = open(&home).unwrap();
    for number in 0..20 {
        let place = log.append(entry(number)).await.unwrap();
        assert_eq!(place, number);
        assert_eq!(log.size(), number + 1);
        let read = log.entries(0, 100).unwrap();
        assert_eq!(read.len() as u64, number + 1);
        assert_eq!(*read[number as usize].1, entry(number));
    }
    let refused = log.append(vec![0; MAX_ENTRY_SIZE + 1]).await;
    assert_eq!(refused, Err(AppendError::Size(MAX_ENTRY_SIZE + 1)));
}

#[tokio::test]
async fn cosignatures_are_published_with_the_checkpoint_they_are_for() {
    use pennyblack_tlog::cosignature::cosignature;
    use pennyblack_tlog::{AddCheckpoint, Cosigner};
    let (home, _) = filled(5).await;
    let (log, _) = open(&home).unwrap();
    let checkpoint = SignedCheckpoint::clone(&log.checkpoint());
    let request = AddCheckpoint {
        old_size: 0,
        proof: Vec::new(),
        checkpoint,
    };
    let mut rng = StdRng::seed_from_u64(1);
    let witness = "witness.example".parse().unwrap();
    let key = NoteSigner::generate(witness, SignatureType::CosignatureV1, &mut rng);
    let witness = Cosigner::new(key).unwrap();
    let now = pennyblack_base::time::UnixTime(1_795_000_000);
    let line = || vec![request.cosign(&witness, now)];
    assert!(!log.publish_cosignatures(4, line()).await.unwrap());
    assert!(log.publish_cosignatures(5, line()).await.unwrap());
    drop(log);
    // On disk, too.
    let (log, _) = open(&home).unwrap();
    let found = cosignature(&log.checkpoint(), witness.verifier()).unwrap();
    assert_eq!(found.unwrap().time, now);
}

/// Copies a directory as a backup does.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for found in fs::read_dir(from).unwrap() {
        let found = found.unwrap();
        let target = to.join(found.file_name());
        if found.file_type().unwrap().is_dir() {
            copy(&found.path(), &target);
        } else {
            fs::copy(found.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_log_that_has_less_than_it_signed_for_does_not_start() {
    type Spoil = fn(&TempDir);
    let spoil: [(&str, Spoil); 5] = [
        ("is missing", |home| {
            fs::remove_file(public(home, "tile/entries/000")).unwrap();
        }),
        ("is missing", |home| {
            fs::remove_file(public(home, "tile/1/000.p/1")).unwrap();
        }),
        ("no checkpoint", |home| {
            fs::remove_file(public(home, "checkpoint")).unwrap();
        }),
        ("no checkpoint", |home| {
            fs::remove_dir_all(public(home, "")).unwrap();
        }),
        ("no key", |home| {
            fs::remove_file(home.path().join("log/key")).unwrap();
        }),
    ];
    for (sentence, spoil) in spoil {
        let (home, _) = filled(300).await;
        spoil(&home);
        // Again and again: the refusal changes nothing.
        for _ in 0..2 {
            let error = open(&home).unwrap_err().to_string();
            assert!(error.contains(sentence), "{sentence}: {error}");
        }
    }
}

#[tokio::test]
async fn a_log_whose_entries_were_changed_does_not_start() {
    let (home, _) = filled(300).await;
    let bundle = public(&home, "tile/entries/000");
    let good = fs::read(&bundle).unwrap();
    let mut changed = good.clone();
    changed[5] ^= 1;
    fs::write(&bundle, &changed).unwrap();
    assert!(open(&home).is_err());
    // With everything that is left in the journal out of the way, and tiles to match.
    let journal = home.path().join("log/journal");
    fs::remove_dir_all(&journal).unwrap();
    let error = open(&home).unwrap_err();
    assert!(matches!(error, OpenLogError::Different(_)), "{error}");
    fs::write(&bundle, &good).unwrap();
    open(&home).unwrap();
    let checkpoint = public(&home, "checkpoint");
    let text = fs::read_to_string(&checkpoint).unwrap();
    fs::write(&checkpoint, text.replacen("\n300\n", "\n299\n", 1)).unwrap();
    let error = open(&home).unwrap_err();
    assert!(matches!(error, OpenLogError::Checkpoint(_)), "{error}");
}

#[tokio::test]
async fn a_log_restored_to_an_earlier_day_does_not_start() {
    let (home, _) = filled(300).await;
    let backup = tempfile::tempdir().unwrap();
    copy(&public(&home, ""), backup.path());
    let (log, _) = open(&home).unwrap();
    let log = Arc::new(log);
    append_numbered(&log, 300..700).await;
    until_signed(&log, 700).await;
    drop(log);
    // So the journal has no entries that could be put into the old tiles again.
    open(&home).unwrap();
    fs::remove_dir_all(public(&home, "")).unwrap();
    copy(backup.path(), &public(&home, ""));
    let error = open(&home).unwrap_err();
    assert!(
        matches!(
            error,
            OpenLogError::Fewer {
                signed: 300,
                known: 700
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_log_keeps_its_name() {
    let (home, _) = filled(1).await;
    let other = "other.example/log".parse().unwrap();
    let error = TransparencyLog::open(&home.path().join("log"), &other, |_, _| ()).unwrap_err();
    assert!(
        matches!(error, OpenLogError::Key(LogKeyError::Name { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn the_log_over_http_is_its_files_with_the_header_fields_of_c2sp() {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    let (home, _) = filled(300).await;
    let (log, _) = open(&home).unwrap();
    let key = log.verifier().to_string() + "\n";
    let router = crate::routes::router(Arc::new(log)).into_router();
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let field = |name| {
            head.headers
                .get(name)
                .map(|v| v.to_str().unwrap().to_owned())
        };
        let (kind, caching) = (field("content-type"), field("cache-control"));
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        (head.status.as_u16(), kind, caching, body)
    };
    for path in [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/entries/000",
    ] {
        let (status, kind, caching, body) = get(&format!("/log/{path}")).await;
        assert_eq!(status, 200);
        assert_eq!(body, fs::read(public(&home, path)).unwrap());
        if path == "checkpoint" {
            assert_eq!(kind.unwrap(), "text/plain; charset=utf-8");
            assert_eq!(caching.unwrap(), "no-cache");
        } else {
            assert_eq!(kind.unwrap(), "application/octet-stream");
            assert!(caching.unwrap().contains("immutable"));
        }
    }
    assert_eq!(get("/log/key").await.3, key.into_bytes());
    for path in [
        "tile/0/001",
        "tile/0/002",
        "tile/0/0",
        "tile/entries/..%2F..%2F..%2Fkey",
        "tile/entries/../../../key",
        "../key",
        "journal/lock",
    ] {
        let (status, _, caching, _) = get(&format!("/log/{path}")).await;
        assert_eq!((status, caching), (404, None), "{path}");
    }
}
