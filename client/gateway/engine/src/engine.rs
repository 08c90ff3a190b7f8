//! The engine: its start, its calls, its end. Not here: what it does with a call (`signing`,
//! `verifying`).

use std::fmt;
use std::sync::Arc;

use pennyblack_client::follower::{FollowedMailbox, FollowerConfigError};
use pennyblack_client::verification_service::VerificationRules;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;
use tokio::time::Instant;

use crate::counters::{Counters, Counts, add_one};
use crate::outgoing::{BadParameter, OutgoingCall, Passport, SignOutcome};
use crate::parts::EngineParts;
use crate::reason::Reason;
use crate::signing::Signing;
use crate::status::EngineStatus;
use crate::trunk::Trunk;
use crate::verdict::{Finding, IncomingCall, Source, Verdict};
use crate::verifying::Verifying;

/// What the telephone gateway does with calls. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    parts: Arc<Parts>,
}

struct Parts {
    signing: Option<Signing>,
    verifying: Option<Verifying>,
    counters: Arc<Counters>,
    shutdown: Shutdown,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("signs", &self.parts.signing.is_some())
            .field("verifies", &self.parts.verifying.is_some())
            .finish()
    }
}

impl Engine {
    /// Begins: timers fill the key records, mailboxes are followed. It runs on the present
    /// Tokio runtime, until [`Engine::stop`] or until no clone is left.
    ///
    /// # Errors
    /// [`FollowerConfigError`].
    pub fn start(parts: EngineParts) -> Result<Self, FollowerConfigError> {
        let EngineParts {
            signing,
            verifying,
            clock,
        } = parts;
        let (counters, shutdown) = (Arc::new(Counters::default()), Shutdown::new());
        let verifying = verifying
            .map(|parts| Verifying::start(parts, &clock, &shutdown))
            .transpose()?;
        let signing =
            signing.map(|parts| Signing::start(parts, Arc::clone(&counters), &clock, &shutdown));
        Ok(Self {
            parts: Arc::new(Parts {
                signing,
                verifying,
                counters,
                shutdown,
            }),
        })
    }

    /// Signs a call, or takes the PASSporTs that it came with, and stores them. **It answers
    /// by the deadline**, whatever is behind it: what is not stored by then goes on without
    /// the call.
    ///
    /// # Errors
    /// [`BadParameter`], for what the switch asked wrongly. Nothing is spent then.
    pub async fn sign(
        &self,
        trunk: &Trunk,
        call: OutgoingCall,
    ) -> Result<SignOutcome, BadParameter> {
        self.sign_since(Instant::now(), trunk, call).await
    }

    /// [`Self::sign`], of a call that arrived before now: its deadline began then.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub async fn sign_since(
        &self,
        arrived: Instant,
        trunk: &Trunk,
        call: OutgoingCall,
    ) -> Result<SignOutcome, BadParameter> {
        let counters = &self.parts.counters;
        let outcome = match &self.parts.signing {
            Some(signing) => signing.sign(arrived, trunk, call).await?,
            None => {
                counters.count(Reason::OtherRole);
                SignOutcome::nothing(Reason::OtherRole)
            }
        };
        match &outcome.passport {
            Passport::Signed { .. } | Passport::Diverted { .. } => add_one(&counters.signed),
            Passport::CameWithTheCall => add_one(&counters.came_with_identity),
            // Its reason was counted where it was found.
            Passport::None(_) => {}
        }
        Ok(outcome)
    }

    /// The verdict on a call. **It asks nobody**: what is known is known before the call. It
    /// waits for a late PASSporT, for `verify.wait` at most, and answers by `verify.deadline`,
    /// also when a disk hangs.
    pub async fn verify(&self, trunk: &Trunk, call: IncomingCall) -> Verdict {
        self.verify_since(Instant::now(), trunk, call).await
    }

    /// [`Self::verify`], of a call that arrived before now: its deadline began then.
    pub async fn verify_since(
        &self,
        arrived: Instant,
        trunk: &Trunk,
        call: IncomingCall,
    ) -> Verdict {
        let verdict = match &self.parts.verifying {
            Some(verifying) => verifying.verdict(arrived, trunk, call).await,
            None => Verdict::nothing(Reason::OtherRole),
        };
        let counters = &self.parts.counters;
        match &verdict.finding {
            Finding::Passed(found) => add_one(match found.source {
                Source::InBand => &counters.passed_in_band,
                Source::OutOfBand => &counters.passed_out_of_band,
            }),
            Finding::Failed(_) => add_one(&counters.failed),
            Finding::None(reason) => {
                add_one(&counters.no_validation);
                counters.count(*reason);
            }
        }
        verdict
    }

    /// Judges the certificates of trunks and those of key records by other roots, newer
    /// revocation lists and another numbering table from now on. A trunk's own certificate that
    /// is on a list signs no more; a key record whose certificate is, is used for an hour at
    /// most.
    pub fn set_signing_trust(&self, trust: TrustPolicy, numbering: Option<NumberingTable>) {
        if let Some(signing) = &self.parts.signing {
            signing.set_trust(trust, numbering);
        }
    }

    /// Judges PASSporTs of calls that arrive by other rules from now on.
    pub fn set_rules(&self, rules: VerificationRules) {
        if let Some(verifying) = &self.parts.verifying {
            verifying.set_rules(rules);
        }
    }

    /// Follows these mailboxes, and no others any more. It returns when they were read, or
    /// after 5 s; calls are answered all the time.
    ///
    /// # Errors
    /// [`FollowerConfigError`]: then the old ones are followed on.
    pub async fn set_mailboxes(
        &self,
        mailboxes: Vec<FollowedMailbox>,
    ) -> Result<(), FollowerConfigError> {
        match &self.parts.verifying {
            Some(verifying) => verifying.set_mailboxes(mailboxes).await,
            None => Ok(()),
        }
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.parts.counters.snapshot()
    }

    /// How everything is doing that calls of these trunks rest on.
    pub async fn status(&self, trunks: &[&Trunk]) -> EngineStatus {
        let mut status = EngineStatus::default();
        if let Some(signing) = &self.parts.signing {
            signing.report(trunks, &mut status).await;
        }
        if let Some(verifying) = &self.parts.verifying {
            verifying.report(&mut status);
        }
        status
    }

    /// Ends the timers and the followers, and waits for stores that are under way, for
    /// `keep_trying` at most.
    pub async fn stop(&self) {
        self.parts.shutdown.trigger();
        if let Some(signing) = &self.parts.signing {
            signing.finish().await;
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}
