//! Store requests that are signed, on their way: each is sent, and sent again, as it stands
//! in the wallet's outbox. Not here: making them.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use pennyblack_base::authority::Authority;
use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_http::{HttpError, Refused, RetryPolicy};

use super::{ClockGaps, OobAuthenticationError, StoreTransport, StoredCopy};
use crate::wallet::{AllowedWays, OutboxEntry, StoreCall, Wallet};

/// Requests of the outbox that are under way at once.
const SENT_AT_ONCE: usize = 8;

/// One of the totals.
type Counter = fn(&mut ResendTotals) -> &mut usize;

/// What became of the requests of the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResendTotals {
    /// Answered with 201.
    pub stored: usize,
    /// Refused for good.
    pub refused: usize,
    /// Too old to be sent.
    pub expired: usize,
    /// Still not answered, or refused for now.
    pub left: usize,
    /// Not sent, since only relays may carry them and this transport also sends directly.
    pub withheld: usize,
}

/// Sends what is signed. It needs no certificates, and no address: the requests have them.
#[derive(Clone)]
pub struct StoreDelivery {
    /// How requests reach their CPSs.
    pub transport: Arc<dyn StoreTransport>,
    /// How long to keep trying.
    pub retry: RetryPolicy,
    /// How far this machine's clock is from those of CPSs.
    pub clock_gaps: ClockGaps,
}

impl StoreDelivery {
    /// Sends what the outbox holds, each request as it stands; drops those that
    /// are too old to be of use. **What was signed for relays only stays where it is, unless
    /// this transport sends by relays only**: its CPS would see who sends it.
    ///
    /// # Errors
    /// [`OobAuthenticationError::Wallet`]. A request that is refused or not answered is
    /// counted, and does not keep the others back.
    pub async fn resend(
        &self,
        wallet: &Wallet,
        now: UnixTime,
    ) -> Result<ResendTotals, OobAuthenticationError> {
        let entries = wallet.off_thread(Wallet::outbox).await?;
        self.send_again(wallet, entries, now).await
    }

    /// The same with these requests of the outbox, **a few at a time**: one to a CPS that does
    /// not answer keeps back none of the others.
    ///
    /// # Errors
    /// The same.
    pub async fn send_again(
        &self,
        wallet: &Wallet,
        entries: Vec<OutboxEntry>,
        now: UnixTime,
    ) -> Result<ResendTotals, OobAuthenticationError> {
        let sent = entries
            .into_iter()
            .map(|entry| self.send_one_again(wallet, entry, now));
        let mut sent = stream::iter(sent).buffer_unordered(SENT_AT_ONCE);
        let mut resent = ResendTotals::default();
        while let Some(counter) = sent.next().await {
            *counter?(&mut resent) += 1;
        }
        Ok(resent)
    }

    /// Returns which of the totals it adds to.
    async fn send_one_again(
        &self,
        wallet: &Wallet,
        entry: OutboxEntry,
        now: UnixTime,
    ) -> Result<Counter, OobAuthenticationError> {
        if !entry.may_be_sent(now) {
            let id = entry.id;
            wallet.off_thread(move |wallet| wallet.settle(id)).await?;
            return Ok(|resent| &mut resent.expired);
        }
        if entry.ways == AllowedWays::RelaysOnly && self.transport.ways() == AllowedWays::All {
            return Ok(|resent| &mut resent.withheld);
        }
        match self.deliver(wallet, entry, None).await {
            Ok(_) => Ok(|resent| &mut resent.stored),
            Err(OobAuthenticationError::Refused { .. }) => Ok(|resent| &mut resent.refused),
            Err(error) if error.is_kept() => Ok(|resent| &mut resent.left),
            Err(other) => Err(other),
        }
    }

    /// Sends a request of the outbox, and settles it once it is answered for good. The clock
    /// of `cps` is noted. **What the CPS answered stands, also if the wallet cannot note it**,
    /// as on a full disk: then the same request is sent again later, which is harmless.
    pub(super) async fn deliver(
        &self,
        wallet: &Wallet,
        entry: OutboxEntry,
        cps: Option<&Authority>,
    ) -> Result<StoredCopy, OobAuthenticationError> {
        let OutboxEntry { id, call, .. } = entry;
        let refusal = match self.post(&call, cps).await {
            Ok(()) => None,
            Err(error) if is_too_many(&error) || is_unread(&error) => {
                return Err(OobAuthenticationError::NotNow { error });
            }
            Err(error) if error.is_passing() || !error.is_refusal() => {
                return Err(OobAuthenticationError::Unknown { error });
            }
            Err(error) => Some(error),
        };
        let settled = wallet.off_thread(move |wallet| wallet.settle(id)).await;
        if let Err(error) = settled {
            tracing::warn!(%error, "an answered request stays in the outbox, and is sent again");
        }
        match refusal {
            None => Ok(StoredCopy { url: call.url }),
            Some(error) => Err(OobAuthenticationError::Refused { error }),
        }
    }

    async fn post(&self, call: &StoreCall, cps: Option<&Authority>) -> Result<(), HttpError> {
        let sent = self.transport.send(call, self.retry).await;
        if let Some(cps) = cps {
            self.clock_gaps.note(cps, sent.clock_gap);
        }
        sent.outcome
    }
}

/// No relay has handed it to the CPS, or the CPS has not looked at it: it may be one that
/// takes requests from relays only.
fn is_unread(error: &HttpError) -> bool {
    match error {
        HttpError::Route(error) => error.fault.is_unread(),
        error => error.refused().and_then(Refused::kind) == Some(ProblemType::RelayRequired),
    }
}

/// A CPS that says so has done nothing of what it was asked (RFC 6585 section 4).
fn is_too_many(error: &HttpError) -> bool {
    error
        .refused()
        .map(|refused: &Refused| refused.status.as_u16())
        == Some(429)
}
