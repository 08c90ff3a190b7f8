//! One mailbox at one CPS: the rhythm of its requests, how far it was read, and how that
//! went. Not here: what is made of the entries (`judge`).

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pennyblack_base::authority::Authority;
use pennyblack_http::{ClockGap, HttpError, Request, ServiceAddress};
use pennyblack_protocol::key_record::MAX_ENTRY_LIFETIME;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::envelope::{Cursor, OpenEnvelopeError, PageHeader, Slots, open_envelope};
use pennyblack_sealing::mailbox::{MailboxId, RecipientKey};
use pennyblack_sealing::sealed::open_passport;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::FollowerConfig;
use super::judge::Judge;
use crate::verification_service::{OobVerificationError, page_request};

/// A cursor that found nothing for this long, twice the life of an entry, begins again.
/// So a CPS whose cursors once went back is not followed to nowhere.
const CURSOR_LIFE: Duration = Duration::from_secs(120);

/// An envelope that is on its way.
pub type PageFuture<'a> = Pin<Box<dyn Future<Output = Result<Bytes, HttpError>> + Send + 'a>>;

/// Who brings envelopes. It sends each request once: a second try would follow from an
/// answer, and the next tick asks again anyway.
pub trait PageSource: Send + Sync {
    /// The content of the answer to `request`.
    fn page<'a>(&'a self, request: &'a Request<'static>) -> PageFuture<'a>;

    /// How far this machine's clock is from that of the CPS, by its last answer, if that is
    /// far.
    fn clock_gap(&self) -> Option<ClockGap> {
        None
    }
}

/// How a mailbox is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailboxStatus {
    /// Requests made.
    pub asked: u64,
    /// Answers that could be opened.
    pub answered: u64,
    /// How long ago it was asked for the answer that said last: no more entries.
    pub read_to_its_end: Option<Duration>,
    /// Answers that said that the mailbox had dropped entries unread: it was full.
    pub dropped: u64,
    /// How far this machine's clock is from that of the CPS, if that is far.
    pub clock_gap: Option<ClockGap>,
}

#[derive(Default)]
struct Progress {
    cursor: Cursor,
    moved_at: Option<Instant>,
    is_reading: bool,
    asked: u64,
    answered: u64,
    read_to_its_end: Option<Instant>,
    dropped: u64,
    dropped_at: Option<Instant>,
    clock_gap: Option<ClockGap>,
    ended: Option<Instant>,
    failure: Option<OobVerificationError>,
}

/// Asks for one mailbox.
pub(super) struct Poller {
    key: Arc<RecipientKey>,
    cps: ServiceAddress,
    every: Duration,
    slots: Slots,
    timeout: Duration,
    stale_after: Duration,
    judge: Arc<Judge>,
    progress: Mutex<Progress>,
}

impl Poller {
    pub(super) fn new(
        (key, cps): (Arc<RecipientKey>, ServiceAddress),
        config: &FollowerConfig,
        judge: Arc<Judge>,
    ) -> Self {
        Self {
            key,
            cps,
            every: config.every,
            slots: config.slots,
            timeout: config.timeout,
            stale_after: config.stale_after,
            judge,
            progress: Mutex::default(),
        }
    }

    /// Makes `looks` requests, the first after `phase`, then one every tick, whether or not
    /// the one before was answered. A late tick moves the later ones and drops none. **The
    /// connection ends with the last answer**: it must not tell for how long something that
    /// was found waits for certificates.
    pub(super) async fn follow(
        self: Arc<Self>,
        source: Arc<dyn PageSource>,
        phase: Duration,
        looks: Option<u64>,
        shutdown: Shutdown,
    ) {
        let mut under_way = JoinSet::new();
        let mut next = Instant::now() + phase;
        let mut made = 0;
        while looks.is_none_or(|looks| made < looks) {
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                () = tokio::time::sleep_until(next) => {}
            }
            under_way.spawn(Arc::clone(&self).look(Arc::clone(&source)));
            while under_way.try_join_next().is_some() {}
            made += 1;
            let now = Instant::now();
            next += self.every;
            if next < now {
                next = now + self.every;
            }
        }
        drop(source);
        while !under_way.is_empty() {
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                _ = under_way.join_next() => {}
            }
        }
        self.progress().ended = Some(Instant::now());
    }

    async fn look(self: Arc<Self>, source: Arc<dyn PageSource>) {
        let asked_at = Instant::now();
        let after = self.begin(asked_at);
        let request = page_request(&self.cps, self.key.config(), self.slots, after);
        let answer = tokio::time::timeout(self.timeout, source.page(&request)).await;
        self.progress().clock_gap = source.clock_gap();
        drop(source);
        let answer = match answer {
            Ok(Ok(envelope)) => envelope,
            Ok(Err(error)) => return self.failed(error.into()),
            Err(_) => return self.failed(OobVerificationError::NoAnswerInTime(self.timeout)),
        };
        // An answer that was overtaken has nothing that the next one has not: the cursor
        // moves only when a page was read.
        if !self.begin_to_read(after) {
            return;
        }
        let this = Arc::clone(&self);
        let read = tokio::task::spawn_blocking(move || this.read(&answer)).await;
        match read {
            Ok(Ok(header)) => self.was_read_up_to(header, after, asked_at),
            Ok(Err(error)) => self.failed_to_read(Some(error.into())),
            // The runtime ends.
            Err(_) => self.failed_to_read(None),
        }
    }

    /// Opens an envelope and all that is in it. The work is bounded by the slots.
    fn read(&self, envelope: &[u8]) -> Result<PageHeader, OpenEnvelopeError> {
        let (key, cps) = (&*self.key, self.cps());
        let page = open_envelope(key, cps, envelope)?;
        let entries = page.entries();
        let opened = entries.map(|entry| open_passport(key, cps, entry).ok());
        self.judge.accept(opened);
        Ok(page.header())
    }

    fn begin(&self, now: Instant) -> Cursor {
        let mut progress = self.progress();
        progress.asked += 1;
        let moved_at = *progress.moved_at.get_or_insert(now);
        if now.duration_since(moved_at) > CURSOR_LIFE {
            progress.cursor = Cursor::START;
            progress.moved_at = Some(now);
        }
        progress.cursor
    }

    fn begin_to_read(&self, after: Cursor) -> bool {
        let mut progress = self.progress();
        let is_next = !progress.is_reading && progress.cursor == after;
        progress.is_reading |= is_next;
        is_next
    }

    fn was_read_up_to(&self, header: PageHeader, after: Cursor, asked_at: Instant) {
        let mut progress = self.progress();
        progress.is_reading = false;
        progress.answered += 1;
        progress.failure = None;
        if header.next != after {
            progress.cursor = header.next;
            progress.moved_at = Some(asked_at);
        }
        if !header.more {
            progress.read_to_its_end = Some(asked_at);
        }
        if header.dropped {
            progress.dropped += 1;
            progress.dropped_at = Some(asked_at);
        }
        drop(progress);
        if header.dropped {
            let cps = self.cps().as_str();
            tracing::warn!(
                cps,
                "a mailbox was full and dropped entries unread: use a new key"
            );
        }
        self.judge.note_change();
    }

    fn failed_to_read(&self, error: Option<OobVerificationError>) {
        self.progress().is_reading = false;
        if let Some(error) = error {
            self.failed(error);
        }
    }

    fn failed(&self, error: OobVerificationError) {
        let cps = self.cps().as_str();
        tracing::debug!(cps, error = %error, "a mailbox was not read; the next tick asks again");
        self.progress().failure = Some(error);
    }

    pub(super) fn mailbox(&self) -> MailboxId {
        self.key.mailbox()
    }

    pub(super) fn cps(&self) -> &Authority {
        self.cps.authority()
    }

    /// It was read to its end not long ago, or not long before its last look, and no entry
    /// that may be unexpired was dropped unread: a call whose entry was may be that old.
    pub(super) fn is_current(&self) -> bool {
        let progress = self.progress();
        let end = progress.ended.unwrap_or_else(Instant::now);
        let limit = self.stale_after + self.every;
        let within = |moment: Option<Instant>, limit| {
            moment.is_some_and(|moment| end.duration_since(moment) <= limit)
        };
        within(progress.read_to_its_end, limit) && !within(progress.dropped_at, MAX_ENTRY_LIFETIME)
    }

    pub(super) fn was_read_since(&self, moment: Instant) -> bool {
        let read = self.progress().read_to_its_end;
        read.is_some_and(|read| read >= moment)
    }

    /// Read to its end at least once.
    pub(super) fn was_read(&self) -> bool {
        self.progress().read_to_its_end.is_some()
    }

    pub(super) fn take_failure(&self) -> Option<OobVerificationError> {
        self.progress().failure.take()
    }

    pub(super) fn status(&self) -> MailboxStatus {
        let progress = self.progress();
        MailboxStatus {
            asked: progress.asked,
            answered: progress.answered,
            read_to_its_end: progress.read_to_its_end.map(|read| read.elapsed()),
            dropped: progress.dropped,
            clock_gap: progress.clock_gap,
        }
    }

    /// Every change is whole before anything can panic.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
