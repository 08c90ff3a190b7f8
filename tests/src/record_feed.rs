//! A CPS's feed of key records, as a reader of it sees it (docs/protocol.md section 5.2).

use std::time::Duration;

use pennyblack_base::encoding::{base64url, sha256};
use serde::Deserialize;

use crate::answer::Answer;
use crate::wait::until;
use crate::world::World;

/// Longest wait for what is in the log about a second after it happened.
const NOTICED: Duration = Duration::from_secs(60);

/// One line; the last one of an answer has no index.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedLine {
    /// The place of its entry in the log.
    pub index: u64,
    /// The minute of its entry.
    pub minute: u64,
    /// A record.
    pub record: Option<String>,
    /// The hash of one that ended.
    pub ended: Option<String>,
}

/// The last line of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedEnd {
    /// Up to where everything was told.
    pub after: Option<u64>,
    /// Whether there is nothing more.
    pub complete: bool,
}

/// What a reader has read of the feed at one place, and goes on from.
#[derive(Debug)]
pub struct Feed {
    url: String,
    /// All lines so far.
    pub lines: Vec<FeedLine>,
    /// Up to where.
    pub after: Option<u64>,
}

impl Feed {
    /// The feed of the CPS, or of a node of it, at this host.
    #[must_use]
    pub fn at(world: &World, host: &str) -> Self {
        Self {
            url: world.url_of(host),
            lines: Vec::new(),
            after: None,
        }
    }

    /// What is answered to a reader that has read as much.
    pub async fn ask(&self, world: &World) -> Answer {
        let query = self.after.map(|after| format!("?after={after}"));
        let url = format!("{}/v1/keys/feed{}", self.url, query.unwrap_or_default());
        Answer::to(world.client.get(url)).await.unwrap()
    }

    /// Reads on to the end.
    pub async fn read(&mut self, world: &World) {
        loop {
            let answer = self.ask(world).await;
            assert_eq!(answer.headers["content-type"], "application/jsonl");
            let (lines, end) = parsed(&answer);
            let places = lines.iter().map(|line| Some(line.index));
            let all: Vec<_> = [self.after]
                .into_iter()
                .chain(places)
                .chain([end.after])
                .collect();
            assert!(all.is_sorted(), "{all:?}");
            self.lines.extend(lines);
            self.after = end.after;
            if end.complete {
                return;
            }
        }
    }

    /// Reads on until it has told of a record, or of its end.
    pub async fn read_until(&mut self, world: &World, told: &Told<'_>) {
        let what = format!("{told:?} in the feed");
        loop {
            self.read(world).await;
            if self.lines.iter().any(|line| told.is(line)) {
                return;
            }
            let after = self.after;
            until(&what, NOTICED, async || {
                let (_, end) = parsed(&self.ask(world).await);
                (end.after > after).then_some(())
            })
            .await;
        }
    }

    /// What it has told, in its order.
    #[must_use]
    pub fn told(&self) -> Vec<Told<'_>> {
        self.lines.iter().map(Told::of).collect()
    }
}

/// What a line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<'a> {
    /// A record.
    Record(&'a str),
    /// That one has ended, by its hash.
    Ended(String),
}

impl<'a> Told<'a> {
    /// The end of this record.
    #[must_use]
    pub fn end_of(token: &str) -> Self {
        Self::Ended(hash_of(token))
    }

    fn of(line: &'a FeedLine) -> Self {
        match (&line.record, &line.ended) {
            (Some(token), None) => Self::Record(token),
            (None, Some(hash)) => Self::Ended(hash.clone()),
            _ => panic!("{line:?}"),
        }
    }

    fn is(&self, line: &FeedLine) -> bool {
        *self == Told::of(line)
    }
}

/// The hash of a record, as texts have it.
#[must_use]
pub fn hash_of(token: &str) -> String {
    base64url(&sha256(token.as_bytes()))
}

/// The lines of an answer.
#[must_use]
pub fn parsed(answer: &Answer) -> (Vec<FeedLine>, FeedEnd) {
    let text = std::str::from_utf8(answer.content()).unwrap();
    let (lines, end) = text.trim_end().rsplit_once('\n').unwrap_or(("", text));
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (lines.collect(), serde_json::from_str(end).unwrap())
}
