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
use tokio::time::timeout;

use super::FollowerConfig;
use super::index::{FollowerTotals, Index, PassportRefusals};
use super::waiting_room::WaitingRoom;
use crate::certificates::Certificates;
use crate::verification_service::VerificationRules;

pub(super) struct Judge {
    rules: Mutex<Arc<VerificationRules>>,
    only_from: Option<Party>,
    clock: Clock,
    index: Mutex<Index>,
    changes: watch::Sender<u64>,
    /// The PASSporTs that wait for a certificate, or to be verified when it has come.
    waiting: Arc<WaitingRoom>,
    /// One at a time of those: a thousand may have waited for one certificate.
    turn: Semaphore,
}

impl Judge {
    pub(super) fn new(
        config: &FollowerConfig,
        rules: VerificationRules,
        only_from: Option<Party>,
        clock: Clock,
    ) -> Self {
        Self {
            rules: Mutex::new(Arc::new(rules)),
            only_from,
            clock,
            index: Mutex::new(Index::new(config.max_passports)),
            changes: watch::Sender::new(0),
            waiting: Arc::new(WaitingRoom::new(config.max_waiting)),
            turn: Semaphore::new(1),
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
        let mut place = WaitingRoom::enter(&self.waiting);
        let this = Arc::clone(self);
        let waits = rules.certificates.expect(missing, found, None, now);
        // Then it is too old, whatever its certificate says.
        let waits = timeout(FRESHNESS.saturating_sub(now.since(iat)), waits);
        tokio::spawn(async move {
            let certificates = tokio::select! {
                certificates = waits => certificates.map_err(|_| {
                    "its certificate had not come when it was a minute old".to_owned()
                }),
                () = place.taken_away() => {
                    let max = this.waiting.max();
                    Err(format!("{max} newer ones wait for certificates"))
                }
            };
            match certificates {
                Ok(certificates) => this.verify_in_turn(passport, certificates).await,
                Err(why) => this.refuse(&passport, why),
            }
            drop(place);
            this.note_change();
        });
    }

    /// Not on the threads of the runtime: requests leave from there, and must not be late
    /// because there is something to verify.
    async fn verify_in_turn(
        self: &Arc<Self>,
        passport: UnverifiedPassport,
        certificates: Certificates,
    ) {
        // It is closed by nobody.
        let _turn = self.turn.acquire().await;
        let this = Arc::clone(self);
        let work = move || this.verify(&this.rules(), &passport, &certificates);
        // It fails only when the runtime ends.
        let _ = tokio::task::spawn_blocking(work).await;
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
                rules.certificates.keep_proven(passport.certificate_urls());
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

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
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
        self.waiting.count()
    }

    /// Returns when nothing waits for a certificate.
    pub(super) async fn idle(&self) {
        let mut changes = self.changes();
        // The sender cannot be gone: `self` has it.
        while self.waiting() > 0 && changes.changed().await.is_ok() {}
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
