//! A round: every CPS of a roster is followed, each by itself, so that one that is away or lies
//! holds up no other. Not here: when there is a round.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use pennyblack_base::time::UnixTime;
use pennyblack_http::{Deadline, HttpClient, RetryPolicy};
use pennyblack_tlog::WitnessPolicy;

use super::follow::{FollowError, Followed, Following, MAX_ROUND, judge};
use super::judging::Judge;
use super::observer::Observer;
use super::room::RoomLimits;
use super::{Directory, DirectoryError};
use crate::rosters::{RosterCps, RosterCpss};

/// CPSs that are followed at a time.
const AT_A_TIME: usize = 8;

/// What a round goes by.
pub struct DirectorySync {
    /// The file.
    pub directory: Directory,
    /// What records are verified by.
    pub judge: Judge,
    /// Who must have cosigned the logs.
    pub witnesses: WitnessPolicy,
    /// How the CPSs are reached.
    pub client: HttpClient,
    /// How often a CPS is asked again.
    pub retry: RetryPolicy,
    /// How much is kept.
    pub limits: RoomLimits,
    /// How long following one CPS may take; what was taken up by then stays.
    pub within: Duration,
    /// Whether records that a feed leaves out are asked for one by one, as who watches numbers
    /// does: a CPS could show them to some only.
    pub asks_for_withheld: bool,
}

impl DirectorySync {
    /// With the usual limits.
    #[must_use]
    pub fn new(directory: Directory, judge: Judge, client: HttpClient) -> Self {
        Self {
            directory,
            judge,
            witnesses: WitnessPolicy::default(),
            client,
            retry: RetryPolicy::SHORT,
            limits: RoomLimits::default(),
            within: MAX_ROUND,
            asks_for_withheld: false,
        }
    }
}

/// What came of one CPS.
#[derive(Debug)]
pub struct CpsReport {
    /// Which.
    pub cps: RosterCps,
    /// What it has brought, or why it could not be followed.
    pub outcome: Result<Followed, FollowError>,
}

/// What came of a round.
#[derive(Debug)]
pub struct Synced {
    /// In the order of the roster.
    pub cpss: Vec<CpsReport>,
    /// Records that had waited and are good now.
    pub settled: u64,
}

impl Synced {
    /// A log line for each CPS.
    pub fn log(&self) {
        for CpsReport { cps, outcome } in &self.cpss {
            let cps = cps.address.authority();
            match outcome {
                Ok(followed) if followed.crowded > 0 => {
                    let crowded = followed.crowded;
                    tracing::warn!(%cps, crowded, "there is no room for key records of this CPS");
                }
                Ok(followed) if followed.is_behind => {
                    tracing::warn!(%cps, "the feed of this CPS ends before what its log has signed");
                }
                Ok(followed) => {
                    tracing::info!(%cps, new = followed.new, "followed to its end");
                }
                Err(error) => tracing::error!(%cps, %error, "not followed"),
            }
        }
    }
}

impl DirectorySync {
    /// Follows each of these CPSs to the end of what it has signed. **One round at a time goes on
    /// in a file**, also of other processes: two would take for a lie what the other has read.
    ///
    /// # Errors
    /// [`DirectoryError`]; what is wrong with a CPS is in its report.
    pub async fn round(
        &self,
        cpss: &RosterCpss,
        now: UnixTime,
        observer: &dyn Observer,
    ) -> Result<Synced, DirectoryError> {
        let _alone = self.directory.off_thread(Directory::alone).await?;
        let settled = self.judge_waiting(now).await?;
        let following = stream::iter(cpss.all().iter().enumerate()).map(async |(place, cps)| {
            let cps = cps.clone();
            let outcome = self.follow(&cps, now, observer).await;
            (place, CpsReport { cps, outcome })
        });
        // One that is done makes room for the next.
        let cpss = following.buffer_unordered(AT_A_TIME);
        let mut cpss: Vec<_> = cpss.collect().await;
        cpss.sort_by_key(|(place, _)| *place);
        let cpss = cpss.into_iter().map(|(_, report)| report).collect();
        self.directory.off_thread(move |own| own.tidy(now)).await?;
        Ok(Synced { cpss, settled })
    }

    async fn follow(
        &self,
        cps: &RosterCps,
        now: UnixTime,
        observer: &dyn Observer,
    ) -> Result<Followed, FollowError> {
        let left = self
            .client
            .deadline()
            .map_or(self.within, Deadline::remaining);
        let client = self.client.within(Deadline::after(self.within.min(left)));
        let following = Following {
            directory: &self.directory,
            judge: &self.judge,
            cps,
            client: &client,
            witnesses: &self.witnesses,
            retry: self.retry,
            limits: self.limits,
            now,
            observer,
            asks_for_withheld: self.asks_for_withheld,
        };
        following.follow().await
    }

    /// Judges again what could not be judged before.
    async fn judge_waiting(&self, now: UnixTime) -> Result<u64, DirectoryError> {
        let waiting = self.directory.off_thread(Directory::waiting).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let (judged, beside) = judge(&self.judge, waiting, &self.client, now).await?;
        let limits = self.limits;
        let settled = self
            .directory
            .off_thread(move |own| own.settle_waiting(&judged, &beside, limits));
        settled.await
    }
}
