//! The copies of one PASSporT for one mailbox, each for another CPS, and the federation token
//! that pays for them. Not here: which token that is (`stock`), and which CPSs are asked.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_passport::UnverifiedPassport;
use pennyblack_protocol::store_request::{SignStoreError, SignedStoreRequest, sign_store_request};
use pennyblack_sealing::mailbox::KeyConfig;
use pennyblack_sealing::sealed::{SealError, Sealed, seal_passport};

use super::piles::Payment;
use super::stock::TokenChoice;

/// The copies of one PASSporT for one mailbox.
///
/// **A federation token that has paid for one of them pays for others of them, at other CPSs,
/// and for nothing else**: it leaves the wallet for these copies, is in no other memory, and
/// signs only what [`Copies::seal`] has made, once for each CPS. It goes with this value, or
/// with the process.
pub struct Copies {
    passport: Arc<UnverifiedPassport>,
    recipient: KeyConfig,
    /// Held while one copy is paid for.
    token: Mutex<Option<SharedToken>>,
    /// Tokens that have left the wallet since somebody asked.
    newly_spent: AtomicU64,
}

/// A federation token that has left the wallet.
pub(super) struct SharedToken {
    payment: Payment,
    /// The CPSs that a request was signed for, answered or not.
    signed_for: Vec<Authority>,
}

impl SharedToken {
    pub(super) fn new(payment: Payment, cps: &Authority) -> Self {
        Self {
            payment,
            signed_for: vec![cps.clone()],
        }
    }

    /// The token for a request to a CPS, which gets none with it from then on: **a request
    /// counts as signed whatever becomes of it**. `None` if it has had one, or does not take
    /// the token.
    pub(super) fn pay(&mut self, cps: &Authority, choice: &TokenChoice) -> Option<&Payment> {
        let (token, _) = &self.payment;
        let is_taken = choice.allows(token.challenge_digest, token.token_key_id);
        if !is_taken || self.signed_for.contains(cps) {
            return None;
        }
        self.signed_for.push(cps.clone());
        Some(&self.payment)
    }
}

impl Copies {
    /// Copies of `passport` for the mailbox of this key; nothing is paid for yet.
    #[must_use]
    pub fn new(passport: Arc<UnverifiedPassport>, recipient: KeyConfig) -> Arc<Self> {
        Arc::new(Self {
            passport,
            recipient,
            token: Mutex::new(None),
            newly_spent: AtomicU64::new(0),
        })
    }

    /// The PASSporT.
    #[must_use]
    pub fn passport(&self) -> &UnverifiedPassport {
        &self.passport
    }

    /// Seals the copy for a CPS.
    ///
    /// # Errors
    /// [`SealError::TooLong`] for a PASSporT that does not fit a slot of this key.
    pub fn seal(self: &Arc<Self>, cps: &Authority) -> Result<SealedCopy, SealError> {
        let passport = self.passport.as_str();
        Ok(SealedCopy {
            sealed: seal_passport(&self.recipient, cps, passport, &mut rand::rng())?,
            copies: Arc::clone(self),
            cps: cps.clone(),
        })
    }

    /// How many tokens have left the wallet for these copies since this was asked before.
    #[must_use]
    pub fn newly_spent(&self) -> u64 {
        self.newly_spent.swap(0, Ordering::Relaxed)
    }

    /// A token has left the wallet for these copies.
    pub(super) fn note_spent(&self) {
        self.newly_spent.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread that panicked left a token that was signed with, or none.
    pub(super) fn token(&self) -> MutexGuard<'_, Option<SharedToken>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copies").finish_non_exhaustive()
    }
}

/// One of the copies, sealed for its CPS; it is not paid for.
#[derive(Debug)]
pub struct SealedCopy {
    pub(super) copies: Arc<Copies>,
    pub(super) cps: Authority,
    sealed: Sealed,
}

impl SealedCopy {
    /// The request that stores it, paid for with this token.
    pub(super) fn sign(
        &self,
        (token, key): &Payment,
        now: UnixTime,
    ) -> Result<SignedStoreRequest, SignStoreError> {
        let mailbox = self.copies.recipient.mailbox();
        sign_store_request(token, key, &self.cps, mailbox, &self.sealed, now)
    }
}
