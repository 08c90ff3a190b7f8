//! The part of an OOB-VS that follows mailboxes: one request a tick to each, at times and
//! of a size that the configuration alone decides, and an index of what was found and
//! verified. A call is then a look into memory, and one into the file that says which
//! PASSporTs are used (`assignments`). Not here: what is done with a verdict.
//!
//! **A request is never made, left out or moved because of what an answer held.** The CPS
//! and everybody on the way see when each mailbox is asked and for how much; they must not
//! see from that whether there was a call ([`FollowerConfig`] has what it costs).

mod config;
mod index;
mod judge;
mod mailbox;
#[cfg(test)]
mod tests;
mod waiting_room;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_http::ServiceAddress;
use pennyblack_passport::{Call, Party, VerifiedPassport};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::mailbox::{MailboxId, RecipientKey};
use rand::Rng;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use config::{FollowerConfig, FollowerConfigError, MAX_DRAIN_TIME};
pub use index::{FollowerTotals, PassportRefusals};
pub use mailbox::{MailboxStatus, PageFuture, PageSource};

use crate::assignments::{Assigned, Assignments, CallName, CutShort};
use crate::verification_service::{OobVerificationError, VerificationRules};
use judge::Judge;
use mailbox::Poller;

/// A mailbox at one CPS. A mailbox that several CPSs have is several of these.
pub struct FollowedMailbox {
    /// The mailbox's key.
    pub key: Arc<RecipientKey>,
    /// The CPS that it is at.
    pub cps: ServiceAddress,
    /// How that CPS is asked. Each mailbox has a client of its own, so that a CPS which
    /// does not answer holds up no other.
    pub source: Arc<dyn PageSource>,
}

impl fmt::Debug for FollowedMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowedMailbox")
            .field("mailbox", &self.key.mailbox())
            .field("cps", &self.cps)
            .finish_non_exhaustive()
    }
}

/// How long to follow, and what to look for.
#[derive(Debug, Clone, Default)]
pub struct Task {
    /// How many requests each mailbox gets; without end if there is no number. It must
    /// not depend on what is found.
    pub looks: Option<u64>,
    /// Verify only PASSporTs from this calling number. That leaves certificates of other
    /// calls alone; the requests to the CPS are the same.
    pub only_from: Option<Party>,
    /// Begin at once, and not at a random moment of the first tick: for a follower that
    /// begins with a call anyway.
    pub at_once: bool,
}

/// What is known of a call.
#[derive(Debug, Clone)]
pub struct FollowerVerdict {
    /// The PASSporTs that are good for it; if there are none, the others say why.
    pub passports: Vec<VerifiedPassport>,
    /// How many are good for its numbers, and belong to other calls or may go to the next.
    pub of_other_calls: usize,
    /// Why it is not written down that `passports` are used, if it is not: another call may
    /// find them valid, too.
    pub unrecorded: Option<String>,
    /// The PASSporTs that name this call and are not good: how many, and some reasons.
    pub refused: PassportRefusals,
    /// The CPSs whose mailboxes have not been read to their end lately, or were full and
    /// dropped entries unread: while there are any, "no PASSporT" means only that none was
    /// found elsewhere.
    pub incomplete: Vec<Authority>,
    /// How many PASSporTs, of any call, wait for certificates.
    pub waiting: usize,
}

impl FollowerVerdict {
    /// None is good, and there are some that name this call, or may.
    #[must_use]
    pub fn is_unverifiable(&self) -> bool {
        !self.is_valid() && (self.refused.count > 0 || self.waiting > 0)
    }

    /// Nothing that was found names this call.
    #[must_use]
    pub fn is_no_passport(&self) -> bool {
        !self.is_valid() && !self.is_unverifiable()
    }

    /// At least one PASSporT is good for the call.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.passports.is_empty()
    }
}

/// Follows mailboxes until it is stopped or its looks are over.
pub struct Follower {
    judge: Arc<Judge>,
    assignments: Arc<Assignments>,
    pollers: Vec<Arc<Poller>>,
    tasks: Mutex<JoinSet<()>>,
    shutdown: Shutdown,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("mailboxes", &self.pollers.len())
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// Begins to follow `mailboxes`, each from a moment of its first tick that `rng` chooses.
    /// It runs on the present Tokio runtime. Which PASSporTs are used is remembered for as
    /// long as it runs, and longer [`with_assignments`](Self::with_assignments).
    ///
    /// # Errors
    /// [`FollowerConfigError`].
    pub fn start(
        config: &FollowerConfig,
        mailboxes: Vec<FollowedMailbox>,
        rules: VerificationRules,
        task: Task,
        clock: Clock,
        rng: &mut impl Rng,
    ) -> Result<Self, FollowerConfigError> {
        config.check()?;
        let judge = Arc::new(Judge::new(config, rules, task.only_from, clock));
        let shutdown = Shutdown::new();
        let mut tasks = JoinSet::new();
        let mut pollers = Vec::new();
        for FollowedMailbox { key, cps, source } in mailboxes {
            let poller = Poller::new((key, cps), config, Arc::clone(&judge));
            let poller = Arc::new(poller);
            let phase = match task.at_once {
                true => Duration::ZERO,
                false => config
                    .every
                    .mul_f64(f64::from(rng.next_u32()) / 2_f64.powi(32)),
            };
            let follows = Arc::clone(&poller).follow(source, phase, task.looks, shutdown.clone());
            tasks.spawn(follows);
            pollers.push(poller);
        }
        Ok(Self {
            judge,
            assignments: Arc::new(Assignments::in_memory()),
            pollers,
            tasks: Mutex::new(tasks),
            shutdown,
        })
    }

    /// Shares these assignments: with other followers, and with the next run.
    #[must_use]
    pub fn with_assignments(self, assignments: Arc<Assignments>) -> Self {
        Self {
            assignments,
            ..self
        }
    }

    /// The verdict on `call` now. **A PASSporT is good for one call**: what this one gets no
    /// other call does; asked for again under the same name it gets the same. It asks
    /// nobody, and waits for the disk if there is a PASSporT.
    ///
    /// # Errors
    /// [`OobVerificationError::CutShort`]: it is not known which PASSporTs are this call's.
    /// Asked for again under the same name, the call gets those that it was given.
    pub async fn verdict(
        &self,
        call: &Call,
        name: CallName,
    ) -> Result<FollowerVerdict, OobVerificationError> {
        let mut verdict = self.peek(call);
        if !verdict.is_valid() {
            return Ok(verdict);
        }
        let (good, now) = (std::mem::take(&mut verdict.passports), self.judge.now());
        let assigned = self.assignments.assign(name, good, now).await;
        let Assigned {
            passports,
            of_other_calls,
            unrecorded,
        } = assigned.map_err(|CutShort| OobVerificationError::CutShort)?;
        Ok(FollowerVerdict {
            passports,
            of_other_calls,
            unrecorded,
            ..verdict
        })
    }

    /// What would be good for a call with the numbers of `call`, whether or not it is used.
    /// It uses nothing and asks nobody.
    #[must_use]
    pub fn peek(&self, call: &Call) -> FollowerVerdict {
        let (passports, refused) = self.judge.verdict(call);
        let unread = self.pollers.iter().filter(|poller| !poller.is_current());
        let mut incomplete: Vec<_> = unread.map(|poller| poller.cps().clone()).collect();
        incomplete.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        incomplete.dedup();
        FollowerVerdict {
            passports,
            of_other_calls: 0,
            unrecorded: None,
            refused,
            incomplete,
            waiting: self.judge.waiting(),
        }
    }

    /// Changes whenever something was verified or refused, and when a mailbox was read.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.judge.changes()
    }

    /// Judges by other rules from now on: other roots, a newer revocation list. What was
    /// verified before stays for as long as its PASSporT is fresh, a minute at most.
    pub fn set_rules(&self, rules: VerificationRules) {
        self.judge.set_rules(rules);
    }

    /// How each mailbox is doing, for health, readiness and metrics.
    #[must_use]
    pub fn status(&self) -> Vec<(MailboxId, Authority, MailboxStatus)> {
        let pollers = self.pollers.iter();
        pollers
            .map(|poller| (poller.mailbox(), poller.cps().clone(), poller.status()))
            .collect()
    }

    /// What was found since the start.
    #[must_use]
    pub fn totals(&self) -> FollowerTotals {
        self.judge.totals()
    }

    /// Returns when each mailbox was read to its end by a request that was made at `moment`
    /// or later: what was stored before it is then known, but for what waits for a
    /// certificate. It asks nobody; the rhythm goes on.
    pub async fn read_since(&self, moment: Instant) {
        let mut changes = self.changes();
        let is_behind = |poller: &Arc<Poller>| !poller.was_read_since(moment);
        // The sender cannot be gone: `self` has it.
        while self.pollers.iter().any(is_behind) && changes.changed().await.is_ok() {}
    }

    /// Returns when each mailbox has had all its looks and what they brought was judged.
    /// Without a number of looks it does not return.
    pub async fn finished(&self) {
        let mut tasks = self.tasks.lock().await;
        while tasks.join_next().await.is_some() {}
        self.judge.idle().await;
    }

    /// Why a mailbox that was never read was not, if there is one: the last failure.
    #[must_use]
    pub fn take_failure(&self) -> Option<OobVerificationError> {
        let unread = self.pollers.iter().filter(|poller| !poller.was_read());
        unread.into_iter().find_map(|poller| poller.take_failure())
    }

    /// Stops at once. Requests that are under way are dropped.
    pub async fn stop(self) {
        self.shutdown.trigger();
        let mut tasks = self.tasks.into_inner();
        while tasks.join_next().await.is_some() {}
    }
}

/// For programs that run on when CAs are renewed.
impl PageSource for pennyblack_http::KeptClient {
    fn page<'a>(&'a self, request: &'a pennyblack_http::Request<'static>) -> PageFuture<'a> {
        Box::pin(async move { self.current().page(request).await })
    }

    fn clock_gap(&self) -> Option<pennyblack_http::ClockGap> {
        self.current().clock_gap()
    }
}

/// How a mailbox is asked: the seam for clients that go through a relay, and for tests.
impl PageSource for pennyblack_http::HttpClient {
    fn page<'a>(&'a self, request: &'a pennyblack_http::Request<'static>) -> PageFuture<'a> {
        Box::pin(async move {
            let sent = self.send(request, pennyblack_http::RetryPolicy::NONE);
            let answer = sent.await?;
            let content = answer.content(pennyblack_sealing::envelope::MEDIA_TYPE);
            content.cloned()
        })
    }

    fn clock_gap(&self) -> Option<pennyblack_http::ClockGap> {
        Self::clock_gap(self)
    }
}
