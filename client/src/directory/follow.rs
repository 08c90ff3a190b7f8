//! Following one CPS: its log to the end, then its feed as far as the log has signed for it. Not
//! here: what a page and a record must be (`feed`, `judging`).

use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::record_log::{KeyRecordEvent, KeyRecordLogError};
use pennyblack_http::{Deadline, HttpClient, HttpError, RetryPolicy};
use pennyblack_protocol::key_record::UnverifiedKeyRecord;
use pennyblack_tlog::WitnessPolicy;

use super::feed::{FeedError, FeedLine, FeedPage, LineContent, MEDIA_TYPE, page_request};
use super::import::{Item, Reached, Taken};
use super::judging::{Beside, Judge, SeenRecord, Verdict};
use super::logged::ReadAt;
use super::observer::Observer;
use super::room::RoomLimits;
use super::state::FeedState;
use super::{Directory, DirectoryError};
use crate::log_source::ServedLog;
use crate::rosters::RosterCps;

/// Entries of a log that are read before the feed is read as far as that: 6 MB in memory. **No
/// more of a log are kept**, so that a CPS cannot fill the disk with hashes.
const LOG_STEP: u64 = 1 << 17;
/// How long certificates and holders of numbers are waited for that a page needs. Who does not
/// answer must not hold up all that comes after.
const BESIDE_WITHIN: Duration = Duration::from_secs(20);

/// Why a CPS could not be followed. What is known of its records stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// No answer, or a refusal.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It answers with no page of a feed.
    #[error("{cps}: {error}")]
    Feed {
        /// Which CPS.
        cps: Authority,
        /// What is wrong with the answer.
        error: FeedError,
    },
    /// Its log could not be read, or is not what it was.
    #[error(transparent)]
    Log(#[from] KeyRecordLogError),
    /// The feed has a line that its log does not have.
    #[error(
        "{cps}: the feed has {shown} at the index {index}, and the log that the CPS has signed \
         {logged}: nothing of this page is believed; ask the operator"
    )]
    NotLogged {
        /// Which CPS.
        cps: Authority,
        /// Which index.
        index: u64,
        /// What the feed says there.
        shown: String,
        /// What the log does.
        logged: &'static str,
    },
    /// The file.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// What following a CPS has brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Followed {
    /// New records.
    pub new: u64,
    /// Records that were not trusted.
    pub refused: u64,
    /// Records for which there was no room.
    pub crowded: u64,
    /// Pages that were read.
    pub pages: u64,
    /// Whether its feed ends before what its log has signed: it stands still, or the next round
    /// has the rest.
    pub is_behind: bool,
}

/// Follows one CPS.
pub(super) struct Following<'f> {
    pub(super) directory: &'f Directory,
    pub(super) judge: &'f Judge,
    pub(super) cps: &'f RosterCps,
    pub(super) client: &'f HttpClient,
    pub(super) witnesses: &'f WitnessPolicy,
    pub(super) retry: RetryPolicy,
    pub(super) limits: RoomLimits,
    pub(super) now: UnixTime,
    pub(super) observer: &'f dyn Observer,
    pub(super) asks_for_withheld: bool,
}

impl Following<'_> {
    /// To the end of what is signed: a part of the log, and then the feed as far as that.
    pub(super) async fn follow(&self) -> Result<Followed, FollowError> {
        let (cps, key) = (self.authority().clone(), self.cps.log_key.clone());
        let state = self
            .directory
            .off_thread(move |own| own.feed_state(&cps, &key));
        let mut state = state.await?;
        let mut followed = Followed::default();
        if !self.is_far_behind(&state).await? {
            self.follow_log(&mut state).await?;
        }
        loop {
            if self.awaits_feed(&state).await? {
                while !self.follow_page(&mut state, &mut followed).await? {}
            }
            if state.log.is_at_the_end() || self.is_far_behind(&state).await? {
                break;
            }
            self.follow_log(&mut state).await?;
        }
        followed.is_behind |= !state.log.is_at_the_end();
        if self.asks_for_withheld {
            self.ask_for_withheld(&state).await?;
        }
        Ok(followed)
    }

    /// Whether the log has something that the feed is to show. At its end the feed is asked
    /// whether it has more.
    async fn awaits_feed(&self, state: &FeedState) -> Result<bool, FollowError> {
        let (id, position) = (state.id, state.position);
        let awaits = self
            .directory
            .off_thread(move |own| own.awaits_feed(id, position));
        Ok(state.log.is_at_the_end() || awaits.await?)
    }

    /// Whether a whole step of the log waits for the feed.
    async fn is_far_behind(&self, state: &FeedState) -> Result<bool, FollowError> {
        let id = state.id;
        let kept = self
            .directory
            .off_thread(move |own| own.has_logged(id, LOG_STEP));
        Ok(kept.await?)
    }

    pub(super) fn authority(&self) -> &Authority {
        self.cps.address.authority()
    }

    /// **First the log, then the feed**: what the feed shows afterwards is in the log, or not yet
    /// signed for.
    async fn follow_log(&self, state: &mut FeedState) -> Result<(), FollowError> {
        let source = ServedLog {
            client: self.client,
            service: &self.cps.address,
            retry: self.retry,
        };
        let id = state.id;
        match state.log.read_on(&source, self.witnesses, LOG_STEP).await {
            Ok(read) => {
                state.log = read.view.clone();
                let at = ReadAt {
                    before: state.log_read,
                    now: self.now,
                };
                let kept = self
                    .directory
                    .off_thread(move |own| own.keep_log(id, &read, at));
                Ok(kept.await?)
            }
            Err(not_read) => {
                if let Some(view) = not_read.remembered {
                    let kept = self
                        .directory
                        .off_thread(move |own| own.remember_log(id, &view));
                    kept.await?;
                }
                Err(not_read.error.into())
            }
        }
    }

    /// Takes up a page; whether it was the last of what the log has signed for as far as it is
    /// read.
    async fn follow_page(
        &self,
        state: &mut FeedState,
        followed: &mut Followed,
    ) -> Result<bool, FollowError> {
        let request = page_request(&self.cps.address, state.position);
        let tag = state.etag.clone();
        let request = match &tag {
            Some(tag) => request.if_none_match(tag),
            None => request,
        };
        let answer = self.client.send(&request, self.retry).await?;
        let (page, etag) = if answer.is_not_modified() {
            let nothing_new = FeedPage {
                lines: Vec::new(),
                after: state.position,
                is_complete: true,
            };
            (nothing_new, state.etag.clone())
        } else {
            let page = FeedPage::parse(answer.content(MEDIA_TYPE)?, state.position);
            let page = page.map_err(|error| self.wrong(error))?;
            (page, answer.etag().map(str::to_owned))
        };
        // The tag is of the whole answer: of one that had more than is signed it would say the next
        // time that nothing is new.
        let is_tagged = page.lines.is_empty() && page.after == state.position;
        let page = signed_part(page, state.log.head().size);
        self.require_logged(state, &page.lines).await?;
        let reached = Reached {
            position: page.after,
            complete: (page.is_complete && state.log.is_at_the_end()).then_some(self.now),
            etag: etag.filter(|_| is_tagged),
            passed_before: self.passed_before(state),
        };
        (state.position, state.etag) = (reached.position, reached.etag.clone());
        let taken = self.take_up(state, page.lines, reached).await?;
        followed.pages += 1;
        followed.new += taken.new;
        followed.refused += taken.refused;
        followed.crowded += taken.crowded;
        followed.is_behind = taken.is_behind;
        Ok(page.is_complete)
    }

    fn wrong(&self, error: FeedError) -> FollowError {
        let cps = self.authority().clone();
        FollowError::Feed { cps, error }
    }

    /// Requires that the log has signed for each line.
    async fn require_logged(
        &self,
        state: &FeedState,
        lines: &[FeedLine],
    ) -> Result<(), FollowError> {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
            return Ok(());
        };
        let (id, places) = (state.id, (first.index, last.index));
        let logged = self.directory.off_thread(move |own| own.logged(id, places));
        let logged = logged.await?;
        for line in lines {
            let (event, word) = match line.content {
                LineContent::Record(_) => (KeyRecordEvent::Published, "the record"),
                LineContent::Ended(_) => (KeyRecordEvent::Ended, "the end of the record"),
            };
            let found = logged.get(&line.index);
            if found == Some(&(event, line.hash())) {
                continue;
            }
            return Err(FollowError::NotLogged {
                cps: self.authority().clone(),
                index: line.index,
                shown: format!("{word} {}", line.hash()),
                logged: match found {
                    Some(_) => "has another there",
                    None => "has no record of use there",
                },
            });
        }
        Ok(())
    }

    pub(super) async fn take_up(
        &self,
        state: &FeedState,
        lines: Vec<FeedLine>,
        reached: Reached,
    ) -> Result<Taken, FollowError> {
        let (items, beside) = self.judged(lines).await?;
        for seen in items.iter().filter_map(Item::seen) {
            self.observer.saw(seen);
        }
        let (id, limits, now) = (state.id, self.limits, self.now);
        let taken = self
            .directory
            .off_thread(move |own| own.take_up(id, &items, (&beside, &reached), limits, now));
        Ok(taken.await?)
    }

    /// The lines of a page with what came of their records.
    async fn judged(&self, lines: Vec<FeedLine>) -> Result<(Vec<Item>, Beside), FollowError> {
        let hashes: Vec<_> = lines.iter().map(FeedLine::hash).collect();
        let known = self.directory.off_thread(move |own| own.known(&hashes));
        let known = known.await?;
        let cps = self.authority();
        let (mut items, mut records) = (Vec::new(), Vec::new());
        for line in lines {
            let hash = line.hash();
            let FeedLine { index, content } = line;
            let LineContent::Record(jws) = content else {
                items.push(Item::Ended(hash));
                continue;
            };
            let (record, verdict) = match UnverifiedKeyRecord::parse(&jws) {
                Ok(record) => (Some(record), Verdict::Known),
                Err(error) => (None, Verdict::Refused(error.into())),
            };
            if let Some(record) = record.clone().filter(|_| !known.contains(&hash)) {
                records.push(record);
            }
            items.push(Item::Seen(Box::new(SeenRecord {
                cps: cps.clone(),
                index,
                hash,
                record,
                verdict,
            })));
        }
        let (judged, beside) = judge(self.judge, records, self.client, self.now).await?;
        let mut judged = judged.into_iter();
        for item in &mut items {
            if let Item::Seen(seen) = item
                && seen.record.is_some()
                && !known.contains(&seen.hash)
            {
                let (_, verdict) = judged.next().ok_or(DirectoryError::CutShort)?;
                seen.verdict = verdict;
            }
        }
        Ok((items, beside))
    }
}

/// Judges records, with the certificates that they name and the answers of the numbering
/// service. Those for which these did not come in time wait.
pub(super) async fn judge(
    judge: &Judge,
    records: Vec<UnverifiedKeyRecord>,
    client: &HttpClient,
    now: UnixTime,
) -> Result<(Vec<(UnverifiedKeyRecord, Verdict)>, Beside), DirectoryError> {
    let within = Deadline::after(BESIDE_WITHIN);
    let deadline = client.deadline().map_or(within, |end| end.min(within));
    let mut beside = Beside {
        certificates: judge.gather(&records, Some(deadline), now).await,
        holders: Vec::new(),
    };
    let (own, certificates, all) = (judge.clone(), beside.certificates.clone(), records.len());
    let work = move || own.judge_all(records, &certificates, now);
    let judged = tokio::task::spawn_blocking(work).await;
    let mut judged = judged.map_err(|_| DirectoryError::CutShort)?;
    if judged.len() != all {
        return Err(DirectoryError::CutShort);
    }
    // What was answered by then is used.
    let _all_or_some = deadline
        .bound(judge.ask(&mut judged, &mut beside, now))
        .await;
    Ok((judged, beside))
}

/// The lines that the log has signed for; the others are read the next time, whatever the page
/// promises.
fn signed_part(mut page: FeedPage, size: u64) -> FeedPage {
    let signed = page.lines.partition_point(|line| line.index < size);
    page.lines.truncate(signed);
    page.is_complete |= page
        .after
        .is_some_and(|after| after >= size.saturating_sub(1));
    page.after = page
        .after
        .and_then(|after| Some(after.min(size.checked_sub(1)?)));
    page
}

/// How long one round of one CPS may take, unless it is configured.
pub(super) const MAX_ROUND: Duration = Duration::from_secs(300);
