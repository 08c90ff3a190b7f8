//! Records that a CPS's log has published and its feed leaves out: each is asked for by its hash.
//! **A CPS could show a record to those whom it is to mislead, and to nobody else.** Not here:
//! whom a record concerns (`watch`).

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_http::{HttpError, Request};
use pennyblack_protocol::key_record::MAX_KEY_RECORD_SIZE;

use super::feed::{FeedLine, LineContent};
use super::follow::{FollowError, Following};
use super::import::Reached;
use super::logged::{LoggedHash, MAX_MISSES};
use super::observer::MissedRecord;
use super::state::FeedState;

/// Most records of a CPS that are asked for in one round.
const MAX_ASKED: usize = 1_000;

/// A record lives for so long at least, unless it withdraws another. One that was published
/// earlier may have ended by its `exp`.
const SHORTEST_LIFE: Duration = Duration::from_secs(3600);

/// Where a record is, in front of its hash.
const RECORDS_PATH: &str = "/v1/records";

impl Following<'_> {
    /// Entries of the log from before this time are not needed any more when the feed was read
    /// past them. What was there before this directory began is not asked for: it may have ended.
    pub(super) fn passed_before(&self, state: &FeedState) -> UnixTime {
        match self.asks_for_withheld && state.log_read.is_some() {
            true => self.now.minus(SHORTEST_LIFE),
            false => UnixTime(u64::MAX),
        }
    }

    /// Asks for what the feed has left out. One that cannot be asked for hides no other.
    pub(super) async fn ask_for_withheld(&self, state: &FeedState) -> Result<(), FollowError> {
        if state.log_read.is_none() {
            return Ok(());
        }
        let (id, since) = (state.id, self.now.minus(SHORTEST_LIFE));
        let unshown = self
            .directory
            .off_thread(move |own| own.unshown(id, since, MAX_ASKED));
        let (mut asked, mut found, mut failure) = (Vec::new(), Vec::new(), None);
        for one in unshown.await? {
            match self.fetch(&one).await {
                Ok(Some(line)) => {
                    asked.push((one.index, MAX_MISSES));
                    found.push(line);
                }
                Ok(None) => {
                    asked.push((one.index, one.misses + 1));
                    if one.misses + 1 == MAX_MISSES {
                        self.observer.missed(&self.missed(&one));
                    }
                }
                Err(error) => failure = Some(error),
            }
            let deadline = self.client.deadline();
            if deadline.is_some_and(|end| end.remaining().is_zero()) {
                break;
            }
        }
        self.take_up_found(state, found).await?;
        self.directory
            .off_thread(move |own| own.asked(id, &asked))
            .await?;
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn take_up_found(
        &self,
        state: &FeedState,
        found: Vec<FeedLine>,
    ) -> Result<(), FollowError> {
        if found.is_empty() {
            return Ok(());
        }
        let reached = Reached {
            position: state.position,
            complete: None,
            etag: state.etag.clone(),
            passed_before: self.passed_before(state),
        };
        self.take_up(state, found, reached).await?;
        Ok(())
    }

    fn missed(&self, one: &LoggedHash) -> MissedRecord {
        MissedRecord {
            cps: self.authority().clone(),
            index: one.index,
            hash: one.hash,
        }
    }

    /// The record with a hash, if it is served.
    async fn fetch(&self, one: &LoggedHash) -> Result<Option<FeedLine>, HttpError> {
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
