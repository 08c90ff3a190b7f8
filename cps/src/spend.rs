//! Journey of a spent token: parsed, admitted, verified, stored, each step a type
//! that only the one before it can make (docs/protocol.md section 3).

use std::sync::Arc;

use axum::response::Response;
use pennyblack_base::time::UnixTime;
use pennyblack_logserver::nodes::StateError;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_protocol::store_request::{ParsedStore, SpendPolicy, StoreHeaders, VerifiedStore};
use pennyblack_runtime::clock::Clock;
use pennyblack_service::repeated_causes::report;

use crate::counts::Counts;
use crate::forwarding::Forwarding;
use crate::issuers::Issuers;
use crate::key_directory::{KeyDirectory, Registry};
use crate::log::CpsLog;
use crate::refusal::Refusal;
use crate::store::{Outcome, Spend, Store, StoreError};

/// How a request ended that was not refused here.
pub(crate) enum SpendOutcome {
    /// This node decided about the token and stored the entry.
    Local,
    /// The node that decides about the token answered this.
    Forwarded(Response),
}

/// What it takes to spend.
pub(crate) struct Spending<S> {
    pub(crate) policy: SpendPolicy,
    pub(crate) clock: Clock,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) keys: Arc<KeyDirectory>,
    pub(crate) registry: Registry,
    pub(crate) store: Arc<S>,
    pub(crate) log: Arc<CpsLog>,
    pub(crate) counts: Arc<Counts>,
    /// The nodes that decide about the other tokens, where there are any.
    pub(crate) forwarding: Option<Forwarding>,
}

/// A 409 is sent only once the double spend is durable in the log.
fn not_logged(error: StateError) -> Refusal {
    report("a double spend is not in the log", &error);
    Refusal::Log
}

impl<S: Store> Spending<S> {
    /// Stores an entry for a token, here or at the node that decides about it. `by` is
    /// the list of nodes by which another node has sent the request here.
    pub(crate) async fn spend(
        &self,
        headers: &StoreHeaders<'_>,
        body: &[u8],
        by: Option<&str>,
    ) -> Result<SpendOutcome, Refusal> {
        let verified = self.verify(headers, body)?;
        self.check_mailbox(&verified).await?;
        let token = verified.token();
        let token = (token.token_key_id(), token.nonce());
        if let Some(forwarding) = &self.forwarding
            && let Some(owner) = forwarding.owner(token, by)?
        {
            let answer = forwarding.ask(owner, headers, body).await?;
            return Ok(SpendOutcome::Forwarded(answer));
        }
        self.spend_here(verified).await?;
        Ok(SpendOutcome::Local)
    }

    async fn spend_here(&self, verified: VerifiedStore) -> Result<(), Refusal> {
        if let Some(why) = self.log.doubt() {
            return Err(StoreError::Unavailable(why).into());
        }
        let decision = Decision {
            clock: self.clock.clone(),
            store: Arc::clone(&self.store),
            log: Arc::clone(&self.log),
            counts: Arc::clone(&self.counts),
        };
        decision.make_to_the_end(verified).await
    }

    /// Everything about the request itself, in the protocol's order.
    fn verify(&self, headers: &StoreHeaders<'_>, body: &[u8]) -> Result<VerifiedStore, Refusal> {
        let parsed = ParsedStore::parse(headers, body)?;
        self.keys.check_complete()?;
        let now = self.clock.now();
        let admitted = parsed.admit(&self.policy, now)?;
        let id = admitted.token_key_id();
        let key = self
            .issuers
            .key(id)
            .ok_or_else(|| self.without_key(id, now))?;
        let verified = admitted.verify(&key);
        Ok(verified.inspect_err(|_| self.log.tallies().refused(id))?)
    }

    /// Why there is no key for a token. If the log alone is waited for, which another
    /// node may lead, the token is good, and to be sent again.
    fn without_key(&self, id: TokenKeyId, now: UnixTime) -> Refusal {
        if self.issuers.is_due(id, now) && !self.log.is_closed(id) {
            Refusal::Log
        } else {
            self.issuers.want_unknown();
            Refusal::UnknownKey(id)
        }
    }

    /// Whether the mailbox is somebody's, and the entry of its size. One that seems to
    /// be nobody's may have been registered at another node a moment ago.
    async fn check_mailbox(&self, verified: &VerifiedStore) -> Result<(), Refusal> {
        let recipient = || {
            self.keys
                .key_for_stores(verified.mailbox(), self.clock.now())
        };
        let mut found = recipient();
        if found.is_none() {
            self.registry.catch_up().await?;
            found = recipient();
        }
        let checked = match found {
            Some(key) => verified.check_slot(key.kem()).map_err(Refusal::from),
            None => Err(Refusal::UnknownMailbox),
        };
        let epoch = verified.token().token_key_id();
        checked.inspect_err(|_| self.log.tallies().refused(epoch))
    }
}

/// What becomes of a token that was shown.
struct Decision<S> {
    clock: Clock,
    store: Arc<S>,
    log: Arc<CpsLog>,
    counts: Arc<Counts>,
}

impl<S: Store> Decision<S> {
    /// **What was begun is brought to its end.** A client that hangs up ends its request, and
    /// must not leave a spend that is not counted, or a double spend that is not in the log.
    async fn make_to_the_end(self, verified: VerifiedStore) -> Result<(), Refusal> {
        match tokio::spawn(async move { self.make(&verified).await }).await {
            Ok(decided) => decided,
            Err(error) => Err(StoreError::Unavailable(error.to_string()).into()),
        }
    }

    async fn make(self, verified: &VerifiedStore) -> Result<(), Refusal> {
        let token = verified.token();
        let spend = Spend::of(verified);
        let epoch = token.token_key_id();
        let outcome = self.store.spend_and_append(spend, self.clock.now()).await;
        match outcome.inspect_err(|error| self.tally(epoch, error))? {
            Outcome::Stored => {
                self.counts.stored();
                Ok(())
            }
            Outcome::AlreadyStored => {
                self.counts.replayed();
                self.log.tallies().replayed(epoch);
                Ok(())
            }
            Outcome::Conflict(first) => {
                let evidence = verified.double_spend_after(first);
                let logged = self.log.double_spend(evidence, self.clock.now()).await;
                match logged.map_err(not_logged)? {
                    true => {
                        self.counts.double_spend();
                        self.log.tallies().refused(epoch);
                    }
                    false => self.log.tallies().further_double_spend(epoch),
                }
                Err(Refusal::AlreadySpent)
            }
        }
    }

    /// A store that is busy or away refuses nobody: the same request ends well later.
    fn tally(&self, epoch: TokenKeyId, error: &StoreError) {
        if matches!(error, StoreError::EpochClosed) {
            self.log.tallies().refused(epoch);
        }
    }
}

#[cfg(test)]
mod tests;
