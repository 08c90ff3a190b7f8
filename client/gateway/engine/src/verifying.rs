//! Calls that arrive: what came in band, what the follower found, and what both come to. Not
//! here: how a PASSporT that came in band is verified (`in_band`).

mod certificates;
mod found;
mod in_band;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pennyblack_client::assignments::{Assignments, CallName};
use pennyblack_client::follower::{
    FollowedMailbox, Follower, FollowerConfigError, FollowerVerdict, MailboxStatus, Task,
};
use pennyblack_client::verification_service::VerificationRules;
use pennyblack_passport::{Call, Party, VerifiedPassport};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_stir::telephone_number::TelephoneNumber;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::config::VerifyConfig;
use crate::number::NotANumber;
use crate::parts::VerifyingParts;
use crate::reason::Reason;
use crate::status::{EngineStatus, MailboxReport, NotReady, Warning};
use crate::trunk::Trunk;
use crate::verdict::{Finding, Found, IncomingCall, PassportResult, Source, Verdict};
use certificates::AwaitedCertificates;
use in_band::InBand;

/// A mailbox that was not read for so long is trouble.
const MAX_UNREAD: Duration = Duration::from_secs(5);

/// A waiting call looks into the index once in this time at most, however much arrives.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Verifying {
    /// Replaced as a whole when other mailboxes are to be followed.
    follower: RwLock<Arc<Follower>>,
    assignments: Arc<Assignments>,
    rules: Rules,
    awaited: Arc<AwaitedCertificates>,
    config: VerifyConfig,
    clock: Clock,
}

/// What PASSporTs are judged by now. Clones share it.
#[derive(Clone)]
struct Rules(Arc<RwLock<Arc<VerificationRules>>>);

impl Rules {
    fn current(&self) -> Arc<VerificationRules> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, rules: VerificationRules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

/// Whom a call is from, and to.
struct Ends {
    orig: TelephoneNumber,
    /// Where it goes, then whom it was for.
    dest: Vec<TelephoneNumber>,
    goes_to: Option<TelephoneNumber>,
}

impl Ends {
    fn calls(&self) -> impl Iterator<Item = Call> {
        self.dest.iter().map(|dest| Call {
            orig: Party::from(self.orig.clone()),
            dest: Party::from(dest.clone()),
        })
    }
}

impl Verifying {
    pub(crate) fn start(
        parts: VerifyingParts,
        clock: &Clock,
        shutdown: &Shutdown,
    ) -> Result<Self, FollowerConfigError> {
        let VerifyingParts {
            mailboxes,
            rules,
            assignments,
            config,
        } = parts;
        let rules = Rules(Arc::new(RwLock::new(Arc::new(rules))));
        let awaited = Arc::new(AwaitedCertificates::default());
        let fetches = Arc::clone(&awaited).run(rules.clone(), clock.clone());
        let shutdown = shutdown.clone();
        let follower = follow(&config, mailboxes, &rules, &assignments, clock)?;
        tokio::spawn(async move {
            tokio::select! {
                () = fetches => {}
                () = shutdown.requested() => {}
            }
        });
        Ok(Self {
            follower: RwLock::new(Arc::new(follower)),
            assignments,
            rules,
            awaited,
            config,
            clock: clock.clone(),
        })
    }

    pub(crate) fn set_rules(&self, rules: VerificationRules) {
        self.rules.replace(rules.clone());
        self.follower().set_rules(rules);
    }

    /// What was found in the old mailboxes stays for the calls that wait; the new follower
    /// answers once it has read its mailboxes.
    pub(crate) async fn set_mailboxes(
        &self,
        mailboxes: Vec<FollowedMailbox>,
    ) -> Result<(), FollowerConfigError> {
        let (rules, clock) = (&self.rules, &self.clock);
        let next = follow(&self.config, mailboxes, rules, &self.assignments, clock)?;
        // One that cannot be read must not keep the others back.
        let _read = timeout(MAX_UNREAD, next.read_since(Instant::now())).await;
        *self
            .follower
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        // Newer rules may have come while it read: a SIGHUP brings both.
        self.follower().set_rules((*self.rules.current()).clone());
        Ok(())
    }

    fn follower(&self) -> Arc<Follower> {
        Arc::clone(&self.follower.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What has begun goes on when the deadline comes: the PASSporT that it finds belongs to
    /// this call, which can ask again.
    pub(crate) async fn verdict(
        &self,
        arrived: Instant,
        trunk: &Trunk,
        call: IncomingCall,
    ) -> Verdict {
        let judged = self.judge(arrived, trunk, call);
        let verdict = timeout_at(arrived + self.config.deadline, judged).await;
        verdict.unwrap_or_else(|_| Verdict::nothing(Reason::Deadline))
    }

    async fn judge(&self, arrived: Instant, trunk: &Trunk, call: IncomingCall) -> Verdict {
        let ends = match ends_of(trunk, &call) {
            Ok(ends) => ends,
            Err(reason) => return Verdict::nothing(reason),
        };
        let in_band = self.in_band(&ends, call.identities).await;
        let InBand {
            good,
            mut results,
            not_judged,
        } = in_band;
        if let Some(good) = good {
            let unrecorded = self.use_up(call.call, &good, arrived).await;
            let found = self.found(Source::InBand, &ends, good, unrecorded);
            return Verdict::of(found, results);
        }
        let failed = results.iter().find_map(|result| result.decides().cloned());
        if let Some(refused) = failed.clone().filter(|_| self.config.strict_in_band) {
            return Verdict {
                finding: Finding::Failed(refused),
                results,
            };
        }
        let deadline = arrived + self.config.wait;
        let found = self.out_of_band(&ends, call.call, deadline).await;
        let finding = match (found, failed) {
            (Ok((passports, unrecorded)), _) => {
                results.extend(passports.iter().map(PassportResult::good_out_of_band));
                let found = self.found(Source::OutOfBand, &ends, passports, unrecorded);
                return Verdict::of(found, results);
            }
            (Err(_), Some(refused)) => Finding::Failed(refused),
            (Err(reason), None) => Finding::None(not_judged.unwrap_or(reason)),
        };
        Verdict { finding, results }
    }

    async fn in_band(&self, ends: &Ends, identities: Vec<String>) -> InBand {
        if identities.is_empty() {
            return InBand::default();
        }
        let (rules, now) = (self.rules.current(), self.clock.now());
        let calls: Vec<_> = ends.calls().collect();
        let work = move || in_band::verify(&rules, &calls, &identities, now);
        match spawn_blocking(work).await {
            Ok((in_band, missing)) => {
                self.awaited.add(missing);
                in_band
            }
            Err(error) => {
                tracing::error!(%error, "what came in band was not judged");
                InBand {
                    not_judged: Some(Reason::Internal),
                    ..InBand::default()
                }
            }
        }
    }

    /// A copy of it in a mailbox is this call's, too, and no other's. **A disk that hangs
    /// takes nothing from a call that came with what is good**: the answer says so.
    async fn use_up(
        &self,
        call: CallName,
        good: &[VerifiedPassport],
        arrived: Instant,
    ) -> Option<String> {
        let assigned = self
            .assignments
            .assign(call, good.to_vec(), self.clock.now());
        let in_time = arrived + self.config.deadline - self.config.deadline / 10;
        match timeout_at(in_time, assigned).await {
            Ok(Ok(assigned)) => assigned.unrecorded,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the disk of verify.used did not answer in time".to_owned()),
        }
    }

    /// What the follower has for the call, now or until the deadline.
    async fn out_of_band(
        &self,
        ends: &Ends,
        name: CallName,
        deadline: Instant,
    ) -> Result<(Vec<VerifiedPassport>, Option<String>), Reason> {
        let follower = self.follower();
        let mut changes = follower.changes();
        loop {
            let mut why = Reason::NoPassport;
            for call in ends.calls() {
                // It fails only when the runtime ends.
                let verdict = follower.verdict(&call, name).await;
                let verdict = verdict.map_err(|_| Reason::Internal)?;
                if verdict.is_valid() {
                    return Ok((verdict.passports, verdict.unrecorded));
                }
                why = more_telling(why, reason_of(&verdict));
            }
            let pause = Instant::now() + LOOK_PAUSE;
            match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => sleep_until(pause.min(deadline)).await,
                Ok(Err(_)) | Err(_) => return Err(why),
            }
        }
    }

    fn found(
        &self,
        source: Source,
        ends: &Ends,
        passports: Vec<VerifiedPassport>,
        unrecorded: Option<String>,
    ) -> Option<Found> {
        found::found(source, ends, &passports, unrecorded, self.clock.now())
    }

    pub(crate) fn report(&self, status: &mut EngineStatus) {
        let all = self.follower().status();
        let is_read = |status: &MailboxStatus| {
            let read = status.read_to_its_end;
            read.is_some_and(|read| read <= MAX_UNREAD)
        };
        let read: Vec<_> = all.iter().filter(|(_, _, one)| is_read(one)).collect();
        let read: HashSet<_> = read.into_iter().map(|(mailbox, ..)| *mailbox).collect();
        for (mailbox, cps, of_mailbox) in all {
            if !is_read(&of_mailbox) {
                let cps = cps.clone();
                match read.contains(&mailbox) {
                    true => status
                        .warnings
                        .push(Warning::MailboxUnreadAt { mailbox, cps }),
                    false => status
                        .not_ready
                        .push(NotReady::MailboxUnread { mailbox, cps }),
                }
            }
            if of_mailbox.dropped > 0 {
                let cps = cps.clone();
                status.warnings.push(Warning::MailboxFull { cps });
            }
            status.mailboxes.push(MailboxReport {
                mailbox,
                cps,
                status: of_mailbox,
            });
        }
    }
}

fn follow(
    config: &VerifyConfig,
    mailboxes: Vec<FollowedMailbox>,
    rules: &Rules,
    assignments: &Arc<Assignments>,
    clock: &Clock,
) -> Result<Follower, FollowerConfigError> {
    let (rules, clock) = ((*rules.current()).clone(), clock.clone());
    let (task, rng) = (Task::default(), &mut rand::rng());
    let follower = Follower::start(&config.follow, mailboxes, rules, task, clock, rng)?;
    Ok(follower.with_assignments(Arc::clone(assignments)))
}

fn ends_of(trunk: &Trunk, call: &IncomingCall) -> Result<Ends, Reason> {
    let goes_to = call.request_uri.as_deref().map(|uri| trunk.canonical(uri));
    let to: Vec<_> = call.to.iter().map(|text| trunk.canonical(text)).collect();
    let is_passed_over = |number: &Result<_, _>| matches!(number, Err(NotANumber::PassedOver));
    if to.iter().chain(&goes_to).any(is_passed_over) {
        return Err(Reason::PassedOver);
    }
    let orig = trunk
        .orig(&call.asserted, &call.from)
        .map_err(|why| match why {
            NotANumber::PassedOver => Reason::PassedOver,
            NotANumber::Anonymous => Reason::Anonymous,
            _ => Reason::NoNumber,
        })?;
    let goes_to = goes_to.and_then(Result::ok);
    let mut dest: Vec<_> = goes_to.iter().cloned().collect();
    for number in to.into_iter().filter_map(Result::ok) {
        if !dest.contains(&number) {
            dest.push(number);
        }
    }
    match dest.is_empty() {
        true => Err(Reason::NoNumber),
        false => Ok(Ends {
            orig,
            dest,
            goes_to,
        }),
    }
}

fn reason_of(verdict: &FollowerVerdict) -> Reason {
    match verdict {
        // A good one may lie where nobody could look.
        verdict if !verdict.incomplete.is_empty() => Reason::MailboxUnread,
        verdict if verdict.refused.count > 0 => Reason::NotVerifiable,
        verdict if verdict.waiting > 0 => Reason::CertificateAwaited,
        _ => Reason::NoPassport,
    }
}

/// Of two numbers of one call.
fn more_telling(one: Reason, other: Reason) -> Reason {
    match one {
        Reason::NoPassport => other,
        one => one,
    }
}

impl Verdict {
    fn of(found: Option<Found>, results: Vec<PassportResult>) -> Self {
        let finding = match found {
            Some(found) => Finding::Passed(Box::new(found)),
            None => Finding::None(Reason::Internal),
        };
        Self { finding, results }
    }
}

#[cfg(test)]
mod tests;
