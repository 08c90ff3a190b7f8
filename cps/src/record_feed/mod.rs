//! Journey of a reader of the feed: key records as the log has published them, entry by entry,
//! so that a mirror of the directory asks for what is new and never for a number. Written
//! on the threads for large answers. Not here: what is in the log.

mod routes;

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_logserver::statements::{RECORDS_KEPT_FOR, RecordEntry};
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::answer_room::AnswerRoom;
use serde::Serialize;

pub(crate) use self::routes::router;
use crate::json_lines;
use crate::key_directory::KeyDirectory;
use crate::large_answers::LargeAnswers;
use crate::log::CpsLog;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Lines of an answer, with the last one.
const MAX_LINES: usize = 1_000;
/// Bytes of an answer: it fits into the largest that goes through a relay (docs/protocol.md
/// section 8.3), and a node passes on as much of another one.
const MAX_BYTES: usize = 1_000 * 1024;
/// Room for the last line.
const END_BYTES: usize = 64;
/// Entries after which an answer has no more lines though it has fewer: those of records that
/// have ended and that nobody has forgotten yet.
const MAX_SEEN: usize = 4 * MAX_LINES;

/// Makes the answers.
pub(crate) struct RecordFeed {
    pub(crate) keys: Arc<KeyDirectory>,
    pub(crate) log: Arc<CpsLog>,
    pub(crate) large: Arc<LargeAnswers>,
    pub(crate) clock: Clock,
}

/// One entry of the log.
#[derive(Serialize)]
struct Line<'a> {
    index: u64,
    minute: UnixTime,
    #[serde(flatten)]
    event: Event<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Event<'a> {
    Record(&'a str),
    Ended(String),
}

/// The last line: up to which place of the log a reader knows everything that is to be had.
#[derive(Serialize)]
struct End {
    /// None while the log has no entry.
    after: Option<u64>,
    complete: bool,
}

impl RecordFeed {
    /// What the log has said after a place, or since its beginning, as JSON lines; `None` at a
    /// follower of the log, which passes on what the leader answers.
    async fn page(
        self: &Arc<Self>,
        after: Option<u64>,
        room: &AnswerRoom,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        self.keys.check_complete()?;
        if self.log.states_records() && !self.log.is_leading() {
            let why = "it is not known whether another node leads the log";
            return Err(StoreError::Unavailable(why.to_owned()).into());
        }
        room.reserve(MAX_BYTES, 0).await?;
        let (own, now) = (Arc::clone(self), self.clock.now());
        let page = self.large.make(room, move || own.encoded(after, now));
        let page = page.await?;
        page.map_err(|error| Refusal::Internal(error.to_string()))
    }

    /// The unexpired record whose text has this hash.
    fn record(&self, hash: &KeyRecordHash) -> Option<Arc<VerifiedKeyRecord>> {
        self.keys.of_hash(hash, self.clock.now())
    }

    fn encoded(
        &self,
        after: Option<u64>,
        now: UnixTime,
    ) -> Result<Option<Vec<u8>>, serde_json::Error> {
        let Some(found) = self.log.record_entries(after, MAX_SEEN) else {
            return Ok(None);
        };
        let (mut text, mut lines) = (Vec::new(), 1);
        let mut end = End {
            after,
            complete: found.is_all,
        };
        for (index, entry) in found.entries {
            let Some(line) = self.line(index, entry, (after, now))? else {
                end.after = Some(index);
                continue;
            };
            if lines >= MAX_LINES || text.len() + line.len() + END_BYTES > MAX_BYTES {
                end.complete = false;
                break;
            }
            text.extend(line);
            lines += 1;
            end.after = Some(index);
        }
        if end.complete {
            end.after = found.end.checked_sub(1);
        }
        json_lines::push(&mut text, &end)?;
        Ok(Some(text))
    }

    /// What a reader that has asked for everything up to `after` is told of an entry.
    fn line(
        &self,
        index: u64,
        entry: RecordEntry,
        (after, now): (Option<u64>, UnixTime),
    ) -> Result<Option<Vec<u8>>, serde_json::Error> {
        let record;
        let event = match entry.ends {
            // Only who may have been given the record need be told.
            Some(ends) if after.is_some_and(|after| ends.index <= after) => {
                let may_live = ends.minute.start().plus(RECORDS_KEPT_FOR) > now;
                may_live.then(|| Event::Ended(entry.hash.to_string()))
            }
            Some(_) => None,
            None => {
                record = self.keys.of_hash(&entry.hash, now);
                record.as_ref().map(|record| Event::Record(record.as_str()))
            }
        };
        let Some(event) = event else {
            return Ok(None);
        };
        let line = Line {
            index,
            minute: entry.minute.start(),
            event,
        };
        let mut text = Vec::new();
        json_lines::push(&mut text, &line)?;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests;
