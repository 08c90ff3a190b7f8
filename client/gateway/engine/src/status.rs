//! How the engine is doing, for health, readiness and metrics.

use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_client::follower::MailboxStatus;
use pennyblack_sealing::mailbox::MailboxId;

/// How everything is doing that calls rest on.
#[derive(Debug, Clone, Default)]
pub struct EngineStatus {
    /// The key of each trunk that signs.
    pub signing_keys: Vec<SigningKeyReport>,
    /// The tokens, if calls are stored.
    pub tokens: Option<TokenStock>,
    /// The key records at hand, if calls are stored.
    pub key_records: Option<KeyRecordsStatus>,
    /// Each mailbox that is followed.
    pub mailboxes: Vec<MailboxReport>,
    /// Stores under way.
    pub under_way: usize,
    /// Why calls should go elsewhere. Empty: ready.
    pub not_ready: Vec<NotReady>,
    /// Sizes that do not fit. Calls go on.
    pub warnings: Vec<Warning>,
}

/// What signs the calls of a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyReport {
    /// The trunk.
    pub trunk: String,
    /// When the first certificate of its path ends.
    pub valid_until: Option<UnixTime>,
}

/// The stock of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenStock {
    /// All of them, for all CPSs.
    pub tokens: u64,
    /// Those that are old enough to be spent.
    pub ready: u64,
    /// As many as the configured rate needs until fresh ones are old enough; 0 if it is not
    /// watched.
    pub needed: u64,
}

/// The key records at hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyRecordsStatus {
    /// How many.
    pub records: usize,
    /// How long ago all prefixes were read; None before the first time.
    pub read: Option<Duration>,
    /// When the directory that they come of was last synced to the end of all feeds; None without
    /// one, and before the first time.
    pub as_of: Option<UnixTime>,
    /// Whether there are more than `max_records` or `max_bytes` have room for.
    pub is_full: bool,
}

impl KeyRecordsStatus {
    /// What is wrong with how many there are.
    pub(crate) const fn warning(&self) -> Option<Warning> {
        match (self.is_full, self.read, self.records) {
            (true, ..) => Some(Warning::TooManyKeyRecords),
            (false, Some(_), 0) => Some(Warning::NoKeyRecords),
            (false, ..) => None,
        }
    }
}

/// One mailbox.
#[derive(Debug, Clone)]
pub struct MailboxReport {
    /// Which.
    pub mailbox: MailboxId,
    /// Where.
    pub cps: Authority,
    /// How it is doing.
    pub status: MailboxStatus,
}

/// Why calls should go elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// What signs calls is not current.
    #[error("trunk {trunk}: {why}")]
    SigningKey {
        /// The trunk.
        trunk: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Nothing can be stored.
    #[error("{}", no_tokens(*younger))]
    NoTokens {
        /// Tokens that will be old enough later.
        younger: u64,
    },
    /// The wallet cannot be read.
    #[error("{0}")]
    Wallet(String),
    /// The wallet does not answer.
    #[error(
        "the wallet has not answered for 1 s: another process has it locked, or its disk hangs"
    )]
    WalletBusy,
    /// No key records yet.
    #[error(
        "the key records of store.key_records.prefixes have not been read yet: is the CPS of store.cps running, or was store.directory synced?"
    )]
    KeyRecordsUnread,
    /// A mailbox was read to its end at no CPS for five seconds, or not since the start.
    #[error(
        "mailbox {mailbox} at {cps} is not read to its end: is that CPS running, is this its name, and is the key registered there?"
    )]
    MailboxUnread {
        /// Which.
        mailbox: MailboxId,
        /// Where.
        cps: Authority,
    },
}

fn no_tokens(younger: u64) -> String {
    match younger {
        0 => "the wallet of store.wallet has no tokens: let `pennyblack carrier run` draw into \
              this file ahead of calls"
            .to_owned(),
        _ => format!(
            "no token of the wallet is as old as store.minimum_age, and {younger} are younger: \
             wait, and let `pennyblack carrier run` draw ahead of calls"
        ),
    }
}

/// A size that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// They do not last until fresh ones are old enough.
    #[error(
        "the wallet has {tokens} tokens, and store.calls_per_second needs {needed} until fresh ones are old enough: set schedule.class of the carrier to twice its value"
    )]
    TooFewTokens {
        /// All of them.
        tokens: u64,
        /// What is needed.
        needed: u64,
    },
    /// No call is stored.
    #[error(
        "nobody has published a key for the numbers of store.key_records.prefixes, so no call is stored: are they there with the country code, as in \"1215\", and are the keys registered at the CPS of store.cps?"
    )]
    NoKeyRecords,
    /// Keys that were published or withdrawn since are not known.
    #[error(
        "store.directory was not synced to the end of all feeds for an hour, or never: keys that changed since are not known; is `pennyblack directory sync --every` running?"
    )]
    StaleDirectory,
    /// Calls to some numbers are not stored.
    #[error(
        "there are more key records than store.key_records.max_records and max_bytes have room for: calls to some numbers are not stored"
    )]
    TooManyKeyRecords,
    /// A flood can hide calls.
    #[error(
        "a mailbox at {cps} has been full and dropped entries unread: use a new key, or more keys for fewer numbers each"
    )]
    MailboxFull {
        /// Where.
        cps: Authority,
    },
    /// It was not read to its end for five seconds at one of its CPSs.
    #[error(
        "mailbox {mailbox} is read at other CPSs, and not at {cps}: what is stored there alone is not found"
    )]
    MailboxUnreadAt {
        /// Which.
        mailbox: MailboxId,
        /// Where.
        cps: Authority,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_records_are_a_warning_as_soon_as_all_were_read_and_too_many_another() {
        let read = Some(Duration::ZERO);
        for (records, read, is_full, warning) in [
            (0, None, false, None),
            (0, read, false, Some(Warning::NoKeyRecords)),
            (1, read, false, None),
            (1, read, true, Some(Warning::TooManyKeyRecords)),
        ] {
            let status = KeyRecordsStatus {
                records,
                read,
                as_of: None,
                is_full,
            };
            assert_eq!(status.warning(), warning);
        }
    }
}
