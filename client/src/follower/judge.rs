//! What becomes of an entry that was opened: parsed, fresh, its certificate at hand or
//! fetched, verified, remembered. Not here: whether a PASSporT is good
//! (`pennyblack_passport`), and how certificates are fetched (`certificates`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pennyblack_base::time::UnixTime;
use pennyblack_passport::{
    Call, FRESHNESS, MAX_CLOCK_SKEW, Party, UnverifiedPassport, VerifiedPassport,
};
use pennyblack_runtime::clock::Clock;
use tokio::sync::{Semaphore, watch};

use super::FollowerConfig;
use super::index::{FollowerTotals, Index, PassportRefusals};
use crate::certificates::Certificates;
use crate::verification_service::VerificationRules;

pub(super) struct Judge {
    rules: Mutex<Arc<VerificationRules>>,
    only_from: Option<Party>,
    clock: Clock,
    index: Mutex<Index>,
    changes: watch::Sender<u64>,
    max_waiting: usize,
    /// A permit for each PASSporT that waits for a certificate.
    waiting: Arc<Semaphore>,
}

impl Judge {
    pub(super) fn new(
        config: &FollowerConfig,
        rules: VerificationRules,
        only_from: Option<Party>,
        clock: Clock,
    ) -> Self {
        let max_waiting = config.max_waiting.min(Semaphore::MAX_PERMITS);
        Self {
            rules: Mutex::new(Arc::new(rules)),
            only_from,
            clock,
            index: Mutex::new(Index::new(config.max_passports)),
            changes: watch::Sender::new(0),
            max_waiting,
            waiting: Arc::new(Semaphore::new(max_waiting)),
        }
    }

    /// Takes what the slots of a page held; `None` is an entry that did not open.
    pub(super) fn accept(self: &Arc<Self>, entries: impl Iterator<Item = Option<String>>) {
        let now = self.clock.now();
        for entry in entries {
            let parsed = entry.as_deref().map(UnverifiedPassport::parse);
            match parsed {
                None => self.index().totals.unreadable += 1,
                Some(Err(_)) => self.index().totals.no_passports += 1,
                Some(Ok(passport)) if self.is_of_interest(&passport) => {
                    self.accept_passport(passport, now);
                }
                Some(Ok(_)) => self.index().totals.others += 1,
            }
        }
    }

    fn is_of_interest(&self, passport: &UnverifiedPassport) -> bool {
        let orig = &passport.claims().orig;
        self.only_from.as_ref().is_none_or(|only| only == orig)
    }

    /// Times before certificates, and certificates at hand before those to be fetched.
    fn accept_passport(self: &Arc<Self>, passport: UnverifiedPassport, now: UnixTime) {
        self.index().totals.passports += 1;
        let iat = passport.claims().iat;
        if iat > now.plus(MAX_CLOCK_SKEW) || now.since(iat) > FRESHNESS {
            let why = format!("signed at {iat}, which is too far from {now}");
            return self.refuse(&passport, why);
        }
        let rules = self.rules();
        let (found, missing) = rules.certificates.at_hand(passport.certificate_urls(), now);
        if missing.is_empty() || rules.certificates.repositories.is_none() {
            return self.verify(&rules, &passport, &found);
        }
        let Ok(permit) = Arc::clone(&self.waiting).try_acquire_owned() else {
            let why = format!("more than {} wait for certificates", self.max_waiting);
            return self.refuse(&passport, why);
        };
        let this = Arc::clone(self);
        let waits = rules.certificates.expect(missing, found, None, now);
        tokio::spawn(async move {
            let certificates = waits.await;
            this.verify(&this.rules(), &passport, &certificates);
            drop(permit);
        });
    }

    fn verify(
        &self,
        rules: &VerificationRules,
        passport: &UnverifiedPassport,
        certificates: &Certificates,
    ) {
        let now = self.clock.now();
        let verifier = rules.verifier(certificates);
        match verifier.verify_alone(passport, now) {
            Ok(verified) => {
                self.index().add(verified, now);
                self.note_change();
            }
            Err(why) => self.refuse(passport, why.to_string()),
        }
    }

    fn refuse(&self, passport: &UnverifiedPassport, why: String) {
        self.index().refuse(passport, why, self.clock.now());
        self.note_change();
    }

    pub(super) fn verdict(&self, call: &Call) -> (Vec<VerifiedPassport>, PassportRefusals) {
        let now = self.clock.now();
        let mut index = self.index();
        (index.valid_for(call, now), index.refusals_of(call, now))
    }

    pub(super) fn totals(&self) -> FollowerTotals {
        self.index().totals
    }

    pub(super) fn set_rules(&self, rules: VerificationRules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    fn rules(&self) -> Arc<VerificationRules> {
        let rules = self.rules.lock();
        Arc::clone(&rules.unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn waiting(&self) -> usize {
        let free = self.waiting.available_permits();
        self.max_waiting.saturating_sub(free)
    }

    /// Returns when nothing waits for a certificate.
    pub(super) async fn idle(&self) {
        let all = u32::try_from(self.max_waiting).unwrap_or(u32::MAX);
        // It is closed by nobody.
        let _ = self.waiting.acquire_many(all).await;
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn note_change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Every change is whole before anything can panic.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
