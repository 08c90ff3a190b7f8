//! A CPS that has nothing but key records: a log of them, their feed, and their texts, as
//! docs/protocol.md section 5.2 has them. It registers what the test says, and verifies nothing:
//! a test of a reader needs one that lies.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{KeyRecordHash, LogEntry, Minute, Statement};
use pennyblack_logserver::TransparencyLog;
use pennyblack_tlog::VerifierKey;
use serde_json::json;

use crate::meddler::{Meddler, answer};
use crate::wait::until;

/// Most lines of a page.
const PAGE: usize = 1_000;
/// Longest wait for a checkpoint.
const SOON: Duration = Duration::from_secs(60);

/// What it shows. Clones share it.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Feed>>);

#[derive(Default)]
struct Feed {
    /// The oldest first.
    lines: Vec<Line>,
    /// As far as its log has been read for it: one that is read to its end says so.
    last: Option<u64>,
}

#[derive(Clone)]
struct Line {
    index: u64,
    minute: u64,
    hash: KeyRecordHash,
    /// None of a record that has ended.
    record: Option<String>,
}

impl Line {
    fn text(&self) -> String {
        let (index, minute) = (self.index, self.minute);
        let line = match &self.record {
            Some(record) => json!({ "index": index, "minute": minute, "record": record }),
            None => json!({ "index": index, "minute": minute, "ended": self.hash.to_string() }),
        };
        line.to_string()
    }
}

/// A running one; it ends when dropped.
pub struct FeedCps {
    log: TransparencyLog,
    shown: Shown,
    meddler: Meddler,
    /// The files of the log.
    files: PathBuf,
    clock: UnixTime,
}

impl FeedCps {
    /// Begins one with this authority in a directory of its own, by whose clock it is `now`.
    ///
    /// # Panics
    /// When the log cannot be opened.
    pub async fn start(authority: &str, directory: &Path, now: UnixTime) -> Self {
        let name = format!("{authority}/log").parse().unwrap();
        let place = directory.to_owned();
        let log = tokio::task::spawn_blocking(move || {
            TransparencyLog::open(&place, &name, |_, _| ()).unwrap()
        });
        let log = log.await.unwrap();
        let shown = Shown::default();
        let files = directory.join("public");
        let (own, feed) = (files.clone(), shown.clone());
        let serve = move |path: &str, _: Vec<u8>| served(&own, &feed, path);
        Self {
            meddler: Meddler::start(None, serve).await.unwrap(),
            log,
            shown,
            files,
            clock: now,
        }
    }

    /// The key of its log.
    #[must_use]
    pub const fn log_key(&self) -> &VerifierKey {
        self.log.verifier()
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.meddler.address()
    }

    /// How often it was asked for a path that begins like this.
    #[must_use]
    pub fn asked(&self, path: &str) -> usize {
        self.meddler.asked(path)
    }

    /// Publishes records, and returns when they are under a checkpoint.
    pub async fn publish(&self, records: impl IntoIterator<Item = String>) {
        let stated = stream::iter(records).map(async |record| {
            self.state(&record, Statement::KeyRecordPublished, (self.clock, true))
                .await;
        });
        // Many in one commit.
        stated.buffered(256).collect::<()>().await;
        self.lines(|lines| lines.sort_by_key(|line| line.index));
        self.until_signed().await;
    }

    /// Ends a record.
    pub async fn end(&self, record: &str) {
        let hash = KeyRecordHash::of(record);
        self.lines(|lines| lines.retain(|line| line.hash != hash));
        self.state(record, Statement::KeyRecordEnded, (self.clock, true))
            .await;
        self.until_signed().await;
    }

    /// Publishes a record in its log, and shows it to nobody.
    pub async fn withhold(&self, record: &str) {
        self.withhold_as_of(record, self.clock).await;
    }

    /// The same, with an entry that claims to be of another time.
    pub async fn withhold_as_of(&self, record: &str, time: UnixTime) {
        self.state(record, Statement::KeyRecordPublished, (time, false))
            .await;
        self.until_signed().await;
    }

    /// Publishes so many hashes of nothing in its log, which claim to be of this time.
    pub async fn flood(&self, hashes: usize, time: UnixTime) {
        let size = self.log.size();
        let stated = stream::iter(0..hashes).map(async |place| {
            let nothing = format!("{size} {place}");
            self.state(&nothing, Statement::KeyRecordPublished, (time, false))
                .await;
        });
        stated.buffered(256).collect::<()>().await;
        self.until_signed().await;
    }

    /// Shows a record of which its log says nothing, as if it were at this index.
    pub fn forge(&self, record: &str, index: u64) {
        let minute = Minute::of(self.clock).start().0;
        let (hash, record) = (KeyRecordHash::of(record), Some(record.to_owned()));
        self.lines(|lines| {
            lines.retain(|line| line.index != index);
            lines.push(Line {
                index,
                minute,
                hash,
                record,
            });
            lines.sort_by_key(|line| line.index);
        });
    }

    /// Forgets what it has shown from this index on.
    pub fn roll_back(&self, index: u64) {
        self.lines(|lines| lines.retain(|line| line.index < index));
    }

    /// Answers everything with `change` of what it would answer.
    pub fn turn_to(&self, change: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) {
        let (files, feed) = (self.files.clone(), self.shown.clone());
        self.meddler
            .turn_to(move |path, _| change(path, served(&files, &feed, path)));
    }

    fn lines(&self, change: impl FnOnce(&mut Vec<Line>)) {
        self.feed(|feed| change(&mut feed.lines));
    }

    fn feed(&self, change: impl FnOnce(&mut Feed)) {
        change(&mut self.shown.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn state(
        &self,
        record: &str,
        statement: fn(KeyRecordHash) -> Statement,
        (time, is_shown): (UnixTime, bool),
    ) {
        let hash = KeyRecordHash::of(record);
        let statement = statement(hash);
        let is_end = matches!(statement, Statement::KeyRecordEnded(_));
        let minute = Minute::of(time);
        let entry = LogEntry { minute, statement };
        let index = self.log.append(entry.to_bytes()).await.unwrap();
        let line = Line {
            index,
            minute: minute.start().0,
            hash,
            record: (!is_end).then(|| record.to_owned()),
        };
        self.feed(|feed| {
            feed.last = feed.last.max(Some(index));
            if is_shown {
                feed.lines.push(line);
            }
        });
    }

    async fn until_signed(&self) {
        until("a checkpoint", SOON, async || {
            let signed = self.log.checkpoint().checkpoint().head.size;
            (signed == self.log.size()).then_some(())
        })
        .await;
    }
}

fn served(files: &Path, shown: &Shown, path: &str) -> Vec<u8> {
    if let Some(file) = path.strip_prefix("/log/") {
        return match std::fs::read(files.join(file)) {
            Ok(bytes) => content("application/octet-stream", &bytes),
            Err(_) => answer("404 Not Found", ""),
        };
    }
    if let Some(hash) = path.strip_prefix("/v1/records/") {
        let feed = shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = feed.lines.iter().find(|line| line.hash.to_string() == hash);
        return match found.and_then(|line| line.record.as_ref()) {
            Some(record) => content(
                "application/vnd.pennyblack.key-record+jwt",
                record.as_bytes(),
            ),
            None => answer("404 Not Found", ""),
        };
    }
    match path.strip_prefix("/v1/keys/feed") {
        Some(query) => page(shown, query.strip_prefix("?after=")),
        None => answer("404 Not Found", ""),
    }
}

fn page(shown: &Shown, after: Option<&str>) -> Vec<u8> {
    let feed = shown.0.lock().unwrap_or_else(PoisonError::into_inner);
    let after: Option<u64> = after.map(|after| after.parse().unwrap());
    let mut new = feed.lines.iter().filter(|line| Some(line.index) > after);
    let given: Vec<_> = new.by_ref().take(PAGE).collect();
    let is_complete = new.next().is_none();
    let last = given.last().map(|line| line.index).or(after);
    let last = if is_complete {
        last.max(feed.last)
    } else {
        last
    };
    let end = json!({ "after": last, "complete": is_complete });
    let texts = given.iter().map(|line| line.text());
    let texts: Vec<_> = texts.chain([end.to_string()]).collect();
    content("application/jsonl", (texts.join("\n") + "\n").as_bytes())
}

fn content(media_type: &str, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    [head.as_bytes(), bytes].concat()
}
