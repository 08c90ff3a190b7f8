use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::TransparencyLog;
use pennyblack_tlog::reader::*;
use pennyblack_tlog::{Hash, WitnessPolicy};

fn entry(number: u64) -> Vec<u8> {
    format!("entry {number}").into_bytes()
}

/// A log with these entries, closed; with the key of another if there is one.
async fn log(key_of: Option<&TempDir>, entries: impl Iterator<Item = Vec<u8>>) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    if let Some(other) = key_of {
        fs::copy(other.path().join("key"), home.path().join("key")).unwrap();
    }
    append(&home, entries).await;
    home
}

async fn append(home: &TempDir, entries: impl Iterator<Item = Vec<u8>>) {
    let name = "log.example/log".parse().unwrap();
    let log = TransparencyLog::open(home.path(), &name, |_, _| ()).unwrap();
    // One after the other, so that places are numbers; asked for together it would
    // be faster, and the order any.
    for entry in entries {
        log.append(entry).await.unwrap();
    }
    let size = log.size();
    let mut checkpoints = log.checkpoints();
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == size);
    signed.await.unwrap();
}

fn reader(home: &TempDir) -> LogReader<Mirror> {
    let name = "log.example/log".parse().unwrap();
    let log = TransparencyLog::open(home.path(), &name, |_, _| ()).unwrap();
    let source = Mirror::new(&home.path().join("public"));
    LogReader::new(source, log.verifier().clone(), WitnessPolicy::default())
}

async fn follow(
    reader: &LogReader<Mirror>,
    from: &Position,
) -> Result<(Position, Vec<Vec<u8>>), ReadLogError> {
    let mut entries = Vec::new();
    let checkpoint = reader.checkpoint().await?;
    let to = reader.advance(from, &checkpoint, |index, entry| {
        assert_eq!(index, from.head().size + entries.len() as u64);
        entries.push(entry.to_vec());
        Ok::<_, ReadLogError>(())
    });
    Ok((to.await?, entries))
}

type Spoil = fn(&mut Vec<u8>);
type IsNamed = fn(&ReadLogError) -> bool;

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_log_is_read_in_steps_and_each_entry_once() {
    let home = log(None, std::iter::empty()).await;
    let (mut position, mut read) = (Position::default(), Vec::new());
    for end in [0, 1, 3, 255, 256, 257, 257, 512, 600] {
        append(&home, (read.len() as u64..end).map(entry)).await;
        let reader = reader(&home);
        let (to, entries) = follow(&reader, &position).await.unwrap();
        read.extend(entries);
        assert!(read.iter().cloned().eq((0..end).map(entry)), "{end}");
        // What was kept goes on like what was not.
        position = Position::parse(&to.to_string(), reader.key()).unwrap();
        assert_eq!(position.head(), to.head());
        assert_eq!(position.to_string(), to.to_string());
    }
    let (_, all) = follow(&reader(&home), &Position::default()).await.unwrap();
    assert_eq!(all, read);
}

#[tokio::test]
async fn every_entry_is_proven_and_none_past_the_end() {
    let home = log(None, (0..300).map(entry)).await;
    let reader = reader(&home);
    let checkpoint = reader.checkpoint().await.unwrap();
    for index in [0, 1, 255, 256, 299] {
        let proof = reader.prove(index, &checkpoint).await.unwrap();
        assert_eq!(proof.extra, Some(entry(index)));
        assert!(
            proof
                .verify(Hash::of_leaf(&entry(index)), reader.key())
                .is_ok()
        );
        assert!(
            proof
                .verify(Hash::of_leaf(&entry(index + 1)), reader.key())
                .is_err()
        );
    }
    let past = reader.prove(300, &checkpoint).await;
    assert!(
        matches!(past, Err(ReadLogError::PastTheEnd { .. })),
        "{past:?}"
    );
}

#[tokio::test]
async fn what_was_changed_dropped_or_removed_is_named() {
    let home = log(None, (0..300).map(entry)).await;
    let reader = reader(&home);
    let public = home.path().join("public");
    let begin = Position::default();
    let cases: [(&str, Spoil, IsNamed); 5] = [
        (
            "tile/entries/000",
            |bytes| bytes[2] ^= 1,
            |error| matches!(error, ReadLogError::Rewritten { index: 0 }),
        ),
        (
            "tile/entries/001.p/44",
            |bytes| drop(bytes.drain(..11)),
            |error| matches!(error, ReadLogError::Bundle(_)),
        ),
        (
            "tile/0/000",
            |bytes| bytes[40] ^= 1,
            |error| matches!(error, ReadLogError::Rewritten { index: 1 }),
        ),
        (
            "tile/1/000.p/1",
            |bytes| bytes[5] ^= 1,
            |error| matches!(error, ReadLogError::Tile { .. }),
        ),
        (
            "checkpoint",
            |bytes| bytes[16] ^= 1,
            |error| matches!(error, ReadLogError::Checkpoint(_)),
        ),
    ];
    for (path, spoil, is_named) in cases {
        let file = public.join(path);
        let sound = fs::read(&file).unwrap();
        change(&file, spoil);
        let error = follow(&reader, &begin).await.unwrap_err();
        assert!(is_named(&error), "{path}: {error}");
        fs::remove_file(&file).unwrap();
        let error = follow(&reader, &begin).await.unwrap_err();
        let is_missing = matches!(
            error,
            ReadLogError::Missing { .. } | ReadLogError::NoCheckpoint
        );
        assert!(is_missing, "{path}: {error}");
        fs::write(&file, sound).unwrap();
    }
    assert!(follow(&reader, &begin).await.is_ok());
}

#[tokio::test]
async fn a_fork_and_a_rollback_are_told_from_damaged_tiles() {
    let one = log(None, (0..270).map(entry)).await;
    let (position, _) = follow(&reader(&one), &Position::default()).await.unwrap();
    let same_size = log(Some(&one), (0..270).map(|number| entry(number ^ 1))).await;
    let larger = log(Some(&one), (0..290).map(|number| entry(number ^ 1))).await;
    for other in [&same_size, &larger] {
        let error = follow(&reader(other), &position).await.unwrap_err();
        assert!(
            matches!(error, ReadLogError::Fork { size: 270, .. }),
            "{error}"
        );
    }
    let shorter = log(Some(&one), (0..269).map(entry)).await;
    let error = follow(&reader(&shorter), &position).await.unwrap_err();
    let known_and_now = ReadLogError::Rollback {
        known: 270,
        now: 269,
    };
    assert_eq!(error.to_string(), known_and_now.to_string());
    // The same history, gone on, with a tile that was spoiled.
    append(&one, (270..290).map(entry)).await;
    let spoilt = reader(&one);
    change(&one.path().join("public/tile/0/000"), |bytes| {
        bytes[0] ^= 1;
    });
    change(&one.path().join("public/tile/1/000.p/1"), |bytes| {
        bytes[0] ^= 1;
    });
    let error = follow(&spoilt, &position).await.unwrap_err();
    assert!(matches!(error, ReadLogError::Root { size: 290 }), "{error}");
}

#[tokio::test]
async fn a_position_that_was_changed_is_refused() {
    let home = log(None, (0..20).map(entry)).await;
    let reader = reader(&home);
    let (position, _) = follow(&reader, &Position::default()).await.unwrap();
    let text = position.to_string();
    for spoilt in [
        text.replacen("bundle A", "bundle B", 1),
        text.replacen("level ", "level AAAA", 1),
        text.replacen("\n20\n", "\n19\n", 1),
        text.replacen("@v1", "@v2", 1),
        String::new(),
    ] {
        assert_ne!(spoilt, text);
        assert!(Position::parse(&spoilt, reader.key()).is_err(), "{spoilt}");
    }
}

/// Reads on until the entry with this index was visited.
async fn follow_until(
    reader: &LogReader<Mirror>,
    from: &Position,
    last: u64,
) -> Result<(Position, Vec<Vec<u8>>), ReadLogError> {
    let (enough, is_enough) = tokio::sync::oneshot::channel();
    let (mut enough, mut entries) = (Some(enough), Vec::new());
    let visit = |index, entry: &[u8]| {
        entries.push(entry.to_vec());
        if index == last {
            enough.take().unwrap().send(()).unwrap();
        }
        Ok::<_, ReadLogError>(())
    };
    let over = async {
        // Without an answer it is never enough.
        if is_enough.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let checkpoint = reader.checkpoint().await?;
    let to = reader.advance_until(from, &checkpoint, visit, over).await?;
    match to.stopped {
        None => Ok((to.position, entries)),
        Some(error) => Err(error),
    }
}

#[tokio::test]
async fn a_log_that_was_read_in_part_is_read_on_from_there() {
    let home = log(None, (0..10).map(entry)).await;
    let (begun, mut read) = follow(&reader(&home), &Position::default()).await.unwrap();
    append(&home, (10..700).map(entry)).await;
    let reader = reader(&home);
    let (position, part) = follow_until(&reader, &begun, 100).await.unwrap();
    // Files are read whole.
    assert_eq!((position.head().size, position.signed().size), (256, 700));
    read.extend(part);
    // It is kept as what it is.
    let text = position.to_string();
    let position = Position::parse(&text, reader.key()).unwrap();
    assert_eq!(position.to_string(), text);
    assert_eq!((position.head().size, position.signed().size), (256, 700));
    for spoilt in [
        text.replacen("read 256 ", "read 255 ", 1),
        text.replacen("read 256 ", "read 700 ", 1),
        text.replacen("read 256 ", "read 256 A", 1),
        text.replacen("\nread 256 ", "\nlevel ", 1),
    ] {
        assert_ne!(spoilt, text);
        assert!(Position::parse(&spoilt, reader.key()).is_err(), "{spoilt}");
    }
    let (position, rest) = follow(&reader, &position).await.unwrap();
    read.extend(rest);
    assert!(read.into_iter().eq((0..700).map(entry)));
    let (whole, _) = follow(&reader, &Position::default()).await.unwrap();
    assert_eq!(position.to_string(), whole.to_string());
}

#[tokio::test]
async fn what_was_signed_counts_also_where_it_was_not_read_yet() {
    let home = log(None, (0..700).map(entry)).await;
    let (position, _) = follow_until(&reader(&home), &Position::default(), 0)
        .await
        .unwrap();
    // Of what was read nothing is taken back.
    let shorter = log(Some(&home), (0..600).map(entry)).await;
    let refused = follow(&reader(&shorter), &position).await.unwrap_err();
    let is_named = matches!(
        refused,
        ReadLogError::Rollback {
            known: 700,
            now: 600
        }
    );
    assert!(is_named, "{refused}");
    let other = log(Some(&home), (0..650).chain(1000..1100).map(entry)).await;
    let refused = follow(&reader(&other), &position).await.unwrap_err();
    assert!(matches!(refused, ReadLogError::Fork { .. }), "{refused}");
}

#[tokio::test]
async fn entries_that_are_not_in_the_signed_tree_are_refused_also_when_the_time_is_up() {
    let home = log(None, (0..700).map(entry)).await;
    let reader = reader(&home);
    let public = home.path().join("public/tile");
    // Both tiles are of one another; those above were not asked for yet.
    change(&public.join("entries/000"), |bytes| bytes[2] ^= 1);
    let forged = [entry(0)[0] ^ 1]
        .into_iter()
        .chain(entry(0).into_iter().skip(1));
    let forged = Hash::of_leaf(&forged.collect::<Vec<_>>());
    change(&public.join("0/000"), |bytes| {
        bytes[..32].copy_from_slice(&forged.0);
    });
    let refused = follow_until(&reader, &Position::default(), 0).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, ReadLogError::Root { size: 700 }),
        "{refused}"
    );
}
