//! Records that a CPS's log has published and its feed leaves out: each is asked for by its hash.
//! **A CPS could show a record to those whom it is to mislead, and to nobody else.** Not here:
//! whom a record concerns (`watch`).

use std::time::Duration;

use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_http::Request;
use pennyblack_protocol::key_record::MAX_KEY_RECORD_SIZE;

use super::feed::{FeedLine, LineContent};
use super::follow::{FollowError, Following};
use super::import::{Item, Reached};
use super::observer::MissedRecord;
use super::state::{FeedState, LoggedHash};

/// Most records of a CPS that are asked for in one round.
const MAX_ASKED: usize = 1_000;

/// A record lives for so long at least, unless it withdraws another. One that is older may have
/// ended by its `exp`.
const SHORTEST_LIFE: Duration = Duration::from_secs(3600);

/// Where a record is, in front of its hash.
const RECORDS_PATH: &str = "/v1/records";

impl Following<'_> {
    /// Asks for what the feed has left out. What was there before this directory began may have
    /// ended since, and so may what is older than any life of a record.
    pub(super) async fn ask_for_withheld(
        &self,
        state: &FeedState,
        is_first: bool,
    ) -> Result<(), FollowError> {
        let id = state.id;
        // The feed was read to its end after the log was.
        let end = state.log.head().size;
        let unshown = self
            .directory
            .off_thread(move |own| own.unshown(id, end, MAX_ASKED));
        let unshown = unshown.await?;
        let (mut settled, mut missed, mut found) = (Vec::new(), Vec::new(), Vec::new());
        for one in unshown {
            if is_first || self.now.since(one.minute) > SHORTEST_LIFE {
                settled.push(one.index);
                continue;
            }
            match self.fetch(&one).await? {
                Some(line) => found.push(line),
                // It may end just now: its end is read in the next round then.
                None if !one.is_missed => missed.push(one.index),
                None => {
                    self.observer.missed(&MissedRecord {
                        cps: self.authority().clone(),
                        index: one.index,
                        hash: one.hash,
                    });
                    settled.push(one.index);
                }
            }
        }
        let (items, beside) = self.judged(found).await?;
        for seen in items.iter().filter_map(Item::seen) {
            self.observer.saw(seen);
        }
        let reached = Reached {
            position: state.position,
            complete: None,
            etag: state.etag.clone(),
        };
        let (limits, now) = (self.limits, self.now);
        let kept = self.directory.off_thread(move |own| {
            own.take_up(id, &items, (&beside, &reached), limits, now)?;
            own.missed(id, &missed)?;
            own.forget(id, &settled)
        });
        Ok(kept.await?)
    }

    /// The record with a hash, if it is served.
    async fn fetch(&self, one: &LoggedHash) -> Result<Option<FeedLine>, FollowError> {
        let url = self
            .cps
            .address
            .url(&format!("{RECORDS_PATH}/{}", one.hash));
        let request = Request::get(url, MAX_KEY_RECORD_SIZE);
        let text = self.client.find(&request, self.retry).await?;
        let text = text.and_then(|bytes| String::from_utf8(bytes.into()).ok());
        // Another text is none of this record.
        let text = text.filter(|text| KeyRecordHash::of(text) == one.hash);
        Ok(text.map(|text| FeedLine {
            index: one.index,
            content: LineContent::Record(text),
        }))
    }
}
