//! The engine: what it is made of, its start and its end. Not here: what it does with a call
//! (`signing`, `verifying`).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use pennyblack_client::assignments::Assignments;
use pennyblack_client::auth_service::{OobAuthenticationService, StoreTransport};
use pennyblack_client::follower::{FollowedMailbox, FollowerConfigError};
use pennyblack_client::verification_service::VerificationRules;
use pennyblack_client::wallet::Wallet;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;

use crate::config::{SigningConfig, StoreConfig, VerifyConfig};
use crate::counters::{Counters, Counts};
use crate::signing::Signing;
use crate::status::EngineStatus;
use crate::trunk::Trunk;
use crate::verifying::Verifying;

/// What an engine is made of. Without a side it does not have that role.
pub struct EngineParts {
    /// What signs and stores calls.
    pub signing: Option<SigningParts>,
    /// What verifies calls.
    pub verifying: Option<VerifyingParts>,
    /// What everything goes by.
    pub clock: Clock,
}

/// The side of an engine that signs and stores calls.
pub struct SigningParts {
    /// Looks keys up and stores. Its `minimum_age`, `max_copies` and `transport` are replaced
    /// by those of the other parts; its `retry` is for one copy, as long as trying is of use.
    pub service: OobAuthenticationService,
    /// The tokens.
    pub wallet: Wallet,
    /// How store requests reach their CPSs.
    pub transport: Arc<dyn StoreTransport>,
    /// `[signing]`.
    pub signing: SigningConfig,
    /// `[store]`.
    pub store: StoreConfig,
    /// Where key records are kept, so that a restart has them at once.
    pub key_records_file: Option<PathBuf>,
}

/// The side of an engine that verifies calls.
pub struct VerifyingParts {
    /// What is followed.
    pub mailboxes: Vec<FollowedMailbox>,
    /// What PASSporTs are judged by, however they come.
    pub rules: VerificationRules,
    /// Which PASSporTs are used.
    pub assignments: Arc<Assignments>,
    /// `[verify]`.
    pub config: VerifyConfig,
}

/// What the telephone gateway does with calls. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) parts: Arc<Parts>,
}

pub(crate) struct Parts {
    pub(crate) signing: Option<Signing>,
    pub(crate) verifying: Option<Verifying>,
    pub(crate) counters: Arc<Counters>,
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

    /// Judges PASSporTs by other rules from now on: other roots, a newer revocation list.
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
