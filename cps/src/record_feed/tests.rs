use std::collections::BTreeSet;

use pennyblack_evidence::log_entry::Statement;
use pennyblack_protocol::key_record::KeyRecord;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_service::worker_pool::PoolError;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::key_directory::tests::holder::{Holder, NOW};
use crate::large_answers::testing::while_full;

/// A feed of a directory and a log that are changed by hand.
struct Scene {
    _home: TempDir,
    holder: Holder,
    feed: Arc<RecordFeed>,
}

impl Scene {
    fn new() -> Self {
        let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
        let cps = "cps.example".parse().unwrap();
        let feed = RecordFeed {
            keys: holder.directory(home.path()),
            log: Arc::new(CpsLog::open(&home.path().join("log"), &cps).unwrap()),
            large: Arc::new(LargeAnswers::start().unwrap()),
            clock: Clock::by_hand(NOW).0,
        };
        Self {
            _home: home,
            holder,
            feed: Arc::new(feed),
        }
    }

    /// Lists so many records.
    fn list(&self, count: usize) -> Vec<KeyRecordHash> {
        let like = self.holder.record();
        let records = (0..count).map(|_| {
            let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
            let key = key.config().clone();
            let token = self.holder.sign(&KeyRecord {
                key,
                ..like.clone()
            });
            self.feed.keys.list_without_limit(&token, NOW);
            KeyRecordHash::of(&token)
        });
        records.collect()
    }

    /// States it, and waits until it is under a checkpoint.
    async fn state(&self, statements: impl IntoIterator<Item = Statement>) {
        let statements: Vec<_> = statements.into_iter().collect();
        let log = &self.feed.log;
        log.state_records(&statements, NOW).await.unwrap();
        let published = log.published().unwrap();
        let (size, mut checkpoints) = (published.size(), published.checkpoints());
        let signed = checkpoints.wait_for(|last| last.checkpoint().head.size >= size);
        signed.await.unwrap();
    }

    async fn publish(&self, hashes: &[KeyRecordHash]) {
        let published = hashes.iter().copied().map(Statement::KeyRecordPublished);
        self.state(published).await;
    }

    /// The lines of an answer, and its last one apart.
    fn page(&self, after: Option<u64>) -> (Vec<Value>, Value) {
        let text = self.feed.encoded(after, NOW).unwrap().unwrap();
        assert!(text.len() <= MAX_BYTES && text.ends_with(b"\n"));
        let text = String::from_utf8(text).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut lines: Vec<Value> = lines.collect();
        assert!(lines.len() <= MAX_LINES);
        let end = lines.pop().unwrap();
        (lines, end)
    }

    /// All answers from a place on: their lines, how many each has, and the last place.
    fn pages(&self, mut after: Option<u64>) -> (Vec<Value>, Vec<usize>, Option<u64>) {
        let (mut all, mut counts) = (Vec::new(), Vec::new());
        loop {
            let (lines, end) = self.page(after);
            counts.push(lines.len());
            all.extend(lines);
            let next = end["after"].as_u64();
            if end["complete"].as_bool().unwrap() {
                return (all, counts, next);
            }
            assert!(next > after, "answers without an end");
            after = next;
        }
    }
}

fn hash_of(line: &Value) -> KeyRecordHash {
    match line["record"].as_str() {
        Some(token) => KeyRecordHash::of(token),
        None => line["ended"].as_str().unwrap().parse().unwrap(),
    }
}

fn indices(lines: &[Value]) -> Vec<u64> {
    lines
        .iter()
        .map(|line| line["index"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn answers_have_a_thousand_lines_and_go_on_where_they_ended() {
    let scene = Scene::new();
    assert_eq!(scene.pages(None), (vec![], vec![0], None));
    let hashes = scene.list(1_200);
    scene.publish(&hashes).await;
    let (lines, counts, last) = scene.pages(None);
    assert_eq!(lines.len(), 1_200);
    assert!(counts.len() > 1 && counts[0] < MAX_LINES, "{counts:?}");
    let places = indices(&lines);
    assert!(places.is_sorted_by(|one, next| one < next));
    assert_eq!((last, places.last().copied()), (Some(1_199), Some(1_199)));
    let told: BTreeSet<_> = lines.iter().map(hash_of).collect();
    assert_eq!(told, hashes.iter().copied().collect());
    assert_eq!(lines[0]["minute"].as_u64(), Some(NOW.0 - NOW.0 % 60));
    let ends = told.iter().take(1_100).copied();
    scene.state(ends.map(Statement::KeyRecordEnded)).await;
    let (lines, counts, _) = scene.pages(last);
    assert_eq!((lines.len(), counts), (1_100, vec![MAX_LINES - 1, 101]));
    // A reader that knows more than there is sees by the last line that there is less.
    assert_eq!(scene.pages(Some(5_000)), (vec![], vec![0], Some(2_299)));
}

#[tokio::test]
async fn who_was_given_a_record_is_told_of_its_end_and_nobody_else() {
    let scene = Scene::new();
    let hashes = scene.list(3);
    scene.publish(&hashes[..2]).await;
    let (before, _, after) = scene.pages(None);
    let (first, second) = (hash_of(&before[0]), hash_of(&before[1]));
    scene.state([Statement::KeyRecordEnded(first)]).await;
    scene.publish(&hashes[2..]).await;
    let (since, _, _) = scene.pages(after);
    assert_eq!(
        since.iter().map(hash_of).collect::<Vec<_>>(),
        [first, hashes[2]]
    );
    assert!(since[0].get("ended").is_some());
    let (anew, _, _) = scene.pages(None);
    let anew: Vec<_> = anew.iter().map(hash_of).collect();
    assert_eq!(anew, [second, hashes[2]]);
    let text = first.to_string();
    assert_eq!(since[0]["ended"], Value::from(text));
}

#[tokio::test]
async fn a_record_that_is_not_listed_has_no_line_and_holds_nobody_up() {
    let scene = Scene::new();
    let unlisted = (0..2 * MAX_SEEN).map(|n| KeyRecordHash::of(&n.to_string()));
    scene.publish(&unlisted.collect::<Vec<_>>()).await;
    let hashes = scene.list(1);
    scene.publish(&hashes).await;
    let (lines, counts, _) = scene.pages(None);
    assert_eq!(lines.iter().map(hash_of).collect::<Vec<_>>(), hashes);
    assert!((2..=3).contains(&counts.len()), "{counts:?}");
}

/// Statements become durable in any order of their places.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_asks_while_much_is_published_misses_nothing() {
    let scene = Scene::new();
    let hashes: Vec<_> = (0..3_000)
        .map(|n: u32| KeyRecordHash::of(&n.to_string()))
        .collect();
    let log = Arc::clone(&scene.feed.log);
    let published = hashes.iter().copied().map(Statement::KeyRecordPublished);
    let published: Vec<_> = published.collect();
    let stated = tokio::spawn(async move { log.state_records(&published, NOW).await });
    let (mut told, mut after) = (BTreeSet::new(), None);
    while told.len() < hashes.len() {
        let found = scene.feed.log.record_entries(after, MAX_SEEN).unwrap();
        told.extend(found.entries.iter().map(|(_, entry)| entry.hash));
        after = found.end.checked_sub(1).max(after);
        let is_over = stated.is_finished() && after == Some(2_999);
        assert!(!is_over || told.len() == hashes.len(), "{}", told.len());
        tokio::task::yield_now().await;
    }
    stated.await.unwrap().unwrap();
}

#[tokio::test]
async fn answers_wait_for_the_threads_of_large_answers() {
    let scene = Scene::new();
    let room = AnswerRoom::uncounted();
    scene.feed.keys.set_complete();
    let page = async || scene.feed.page(None, &room).await;
    assert!(page().await.unwrap().is_some());
    let refused = while_full(&scene.feed.large, &room, &page).await;
    assert!(
        matches!(refused, Err(Refusal::Pool(PoolError::Busy { .. }))),
        "it was made without waiting for its turn"
    );
    assert!(page().await.is_ok());
}
