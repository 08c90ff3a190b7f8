//! What an engine is made of: what its daemon has opened and read.

use std::path::PathBuf;
use std::sync::Arc;

use pennyblack_client::assignments::Assignments;
use pennyblack_client::auth_service::{OobAuthenticationService, StoreTransport};
use pennyblack_client::follower::FollowedMailbox;
use pennyblack_client::verification_service::VerificationRules;
use pennyblack_client::wallet::Wallet;
use pennyblack_runtime::clock::Clock;

use crate::config::{SigningConfig, StoreConfig, VerifyConfig};

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
