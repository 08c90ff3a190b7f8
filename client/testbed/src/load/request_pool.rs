//! Requests that are made before they are needed, so that a run measures the
//! services and not this program's cryptography. Not here: sending them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pennyblack_attestation::MAX_LIFETIME;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_privacypass::directory::IssuerDirectory;
use pennyblack_privacypass::token::TokenScope;
use pennyblack_protocol::store_request::{Freshness, sign_store_request};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::KeyConfig;
use pennyblack_sealing::sealed::seal_passport;

use super::LoadError;
use super::job::Job;
use super::mix::{Mix, Operation};
use pennyblack_client::carrier::{AttestedDraw, Carrier, LooseToken};
use pennyblack_client::verification_service::page_request;
use pennyblack_client::wallet::StoreCall;
use pennyblack_http::ServiceAddress;

/// An attestation this old is made anew, so that it arrives before it ends.
const ATTESTATION_AGE: Duration = Duration::from_secs(MAX_LIFETIME.as_secs() / 2);

/// What requests are made of.
pub(super) struct RequestFactory {
    pub(super) cps: ServiceAddress,
    pub(super) scope: TokenScope,
    pub(super) issuing: Option<Issuing>,
    /// Where stores go to and retrieves look, in turn.
    pub(super) mailboxes: Vec<KeyConfig>,
    pub(super) passport: String,
    pub(super) slots: Slots,
    pub(super) clock: Clock,
}

/// Who draws, and the issuer's directory when the run was prepared.
#[derive(Clone)]
pub(super) struct Issuing {
    pub(super) carrier: Carrier,
    pub(super) directory: IssuerDirectory,
}

/// A token and the request that spends it. Until the request is sent it may be
/// replaced by another: nobody has seen it.
pub(super) struct PreparedStore {
    paid_with: LooseToken,
    /// Which mailbox's turn it is.
    turn: u64,
    call: StoreCall,
    created: UnixTime,
}

/// A request for tokens.
pub(super) struct PreparedDraw {
    draw: AttestedDraw,
    attested: UnixTime,
}

impl RequestFactory {
    /// Seals the PASSporT afresh for the mailbox whose turn it is, and signs a
    /// store request with the token, just as a call does.
    pub(super) fn store(
        &self,
        paid_with: LooseToken,
        turn: u64,
    ) -> Result<PreparedStore, LoadError> {
        let created = self.clock.now();
        Ok(PreparedStore {
            call: self.sign(&paid_with, turn, created)?,
            paid_with,
            turn,
            created,
        })
    }

    /// Blinds a batch of tokens and attests the request for it.
    pub(super) fn draw(&self) -> Result<PreparedDraw, LoadError> {
        let Issuing { carrier, directory } = self.issuing()?;
        let attested = self.clock.now();
        let draw = carrier.draw_to_measure(directory, &self.scope, attested)?;
        Ok(PreparedDraw { draw, attested })
    }

    pub(super) fn issuing(&self) -> Result<&Issuing, LoadError> {
        self.issuing.as_ref().ok_or(LoadError::NoCarrier)
    }

    fn sign(
        &self,
        paid_with: &LooseToken,
        turn: u64,
        now: UnixTime,
    ) -> Result<StoreCall, LoadError> {
        let (key, cps) = (self.mailbox(turn)?, self.cps.authority());
        let sealed = seal_passport(key, cps, &self.passport, &mut rand::rng())?;
        let LooseToken { token, spend_key } = paid_with;
        let signed = sign_store_request(token, spend_key, cps, key.mailbox(), &sealed, now)?;
        Ok(StoreCall::new(&self.cps.url(STORE_PATH), &signed))
    }

    fn retrieve(&self, turn: u64) -> Result<Job, LoadError> {
        let key = self.mailbox(turn)?;
        Ok(Job::Retrieve {
            request: page_request(&self.cps, key, self.slots, Cursor::START),
            size: self.slots.envelope_size(key.kem()),
        })
    }

    fn mailbox(&self, turn: u64) -> Result<&KeyConfig, LoadError> {
        let count = self.mailboxes.len() as u64;
        let place = turn.checked_rem(count).ok_or(LoadError::NoMailbox)?;
        let place = usize::try_from(place).unwrap_or_default();
        self.mailboxes.get(place).ok_or(LoadError::NoMailbox)
    }
}

/// The requests of a run, in the order of its mix.
pub(super) struct RequestPool {
    makings: Arc<RequestFactory>,
    mix: Mix,
    requests: u64,
    taken: AtomicU64,
    /// Held while one is taken out.
    stores: Mutex<Vec<PreparedStore>>,
    /// Held while one is taken out.
    draws: Mutex<Vec<PreparedDraw>>,
    polls: AtomicU64,
    renewed: AtomicU64,
}

impl RequestPool {
    pub(super) fn new(
        makings: Arc<RequestFactory>,
        mix: Mix,
        requests: u64,
        stores: Vec<PreparedStore>,
        draws: Vec<PreparedDraw>,
    ) -> Self {
        Self {
            makings,
            mix,
            requests,
            taken: AtomicU64::new(0),
            stores: Mutex::new(stores),
            draws: Mutex::new(draws),
            polls: AtomicU64::new(0),
            renewed: AtomicU64::new(0),
        }
    }

    /// The next request; none when the run has had all that were prepared. One
    /// that lay here for too long is signed again, which this waits for.
    pub(super) fn next(&self) -> Result<Option<Job>, LoadError> {
        let index = self.taken.fetch_add(1, Ordering::Relaxed);
        if index >= self.requests {
            return Ok(None);
        }
        match self.mix.operation(index) {
            Operation::Draw => take(&self.draws).map(|draw| self.fresh_draw(draw)),
            Operation::Store => take(&self.stores).map(|store| self.fresh_store(store)),
            Operation::Retrieve => {
                let turn = self.polls.fetch_add(1, Ordering::Relaxed);
                Some(self.makings.retrieve(turn))
            }
        }
        .transpose()
    }

    /// Whether every request was taken.
    pub(super) fn is_used_up(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.requests
    }

    /// How many requests had to be signed again while the run went on.
    pub(super) fn renewed(&self) -> u64 {
        self.renewed.load(Ordering::Relaxed)
    }

    fn fresh_store(&self, prepared: PreparedStore) -> Result<Job, LoadError> {
        let now = self.makings.clock.now();
        if now.since(prepared.created) < Freshness::RETRY_FOR {
            return Ok(Job::Store(prepared.call));
        }
        self.renewed.fetch_add(1, Ordering::Relaxed);
        let call = self.makings.sign(&prepared.paid_with, prepared.turn, now)?;
        Ok(Job::Store(call))
    }

    fn fresh_draw(&self, prepared: PreparedDraw) -> Result<Job, LoadError> {
        let Issuing { carrier, directory } = self.makings.issuing()?;
        let now = self.makings.clock.now();
        let tokens = carrier.tokens_in_batch();
        if now.since(prepared.attested) < ATTESTATION_AGE {
            let draw = prepared.draw;
            return Ok(Job::Draw { draw, tokens });
        }
        self.renewed.fetch_add(1, Ordering::Relaxed);
        let draw = carrier.attest_again(directory, &prepared.draw, now)?;
        Ok(Job::Draw { draw, tokens })
    }
}

/// The lock is held for a single removal, which nothing can interrupt half-way.
fn take<T>(from: &Mutex<Vec<T>>) -> Option<T> {
    from.lock().unwrap_or_else(PoisonError::into_inner).pop()
}
