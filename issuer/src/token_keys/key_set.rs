//! The live keys at one time, and the directory that announces them. Nothing here
//! changes: a set is replaced by the next one.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::encoding;
use pennyblack_base::service_paths::TOKEN_REQUEST_PATH;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::directory::{DirectoryKey, IssuerDirectory};
use pennyblack_privacypass::token::{TokenKeyId, TokenType};

use super::schedule::{self, KeyPhase, KeySchedule};
use super::{KeyError, TokenKey};

/// The live keys at one time; never changed, only replaced.
#[derive(Debug)]
pub struct KeySet {
    /// Earliest first: perhaps one redeemable, the signing one, perhaps one announced.
    keys: Vec<Arc<TokenKey>>,
    starts: Vec<UnixTime>,
    directory: Box<[u8]>,
    etag: String,
    schedule: KeySchedule,
    complete_until: UnixTime,
}

impl KeySet {
    /// Of `keys`, earliest first, beside which no other can begin before
    /// `complete_until`.
    pub(super) fn new(
        keys: Vec<Arc<TokenKey>>,
        schedule: KeySchedule,
        complete_until: UnixTime,
    ) -> Result<Self, KeyError> {
        // Clients take the first key that has begun (RFC 9578 section 4).
        let latest_first = keys.iter().rev();
        let directory = IssuerDirectory {
            request_uri: TOKEN_REQUEST_PATH.to_owned(),
            token_keys: latest_first
                .map(|key| DirectoryKey {
                    token_type: key.token_type(),
                    encoded: key.signing().public().encoded().to_vec(),
                    not_before: Some(key.not_before()),
                })
                .collect(),
        };
        let directory = directory
            .to_json()
            .map_err(|e| KeyError::Directory(e.to_string()))?;
        Ok(Self {
            starts: keys.iter().map(|key| key.not_before()).collect(),
            etag: format!("\"{}\"", encoding::base64url(&encoding::sha256(&directory))),
            directory: directory.into(),
            keys,
            schedule,
            complete_until,
        })
    }

    /// The key whose id ends in `truncated`, and what it may sign at `now`; none
    /// if there is no such key or it signs nothing.
    #[must_use]
    pub fn find(&self, truncated: u8, now: UnixTime) -> Option<(&Arc<TokenKey>, KeyPhase)> {
        let is_it = |key: &Arc<TokenKey>| key.id().truncated() == truncated;
        let index = self.keys.iter().position(is_it)?;
        match schedule::phase(&self.starts, index, now) {
            KeyPhase::Silent => None,
            phase => Some((self.keys.get(index)?, phase)),
        }
    }

    /// True when a live key signs tokens of this type.
    #[must_use]
    pub fn has_type(&self, token_type: TokenType) -> bool {
        self.keys.iter().any(|key| key.token_type() == token_type)
    }

    /// Until when no key can begin that is not among these.
    #[must_use]
    pub const fn complete_until(&self) -> UnixTime {
        self.complete_until
    }

    /// When each key begins, earliest first.
    pub(super) fn starts(&self) -> &[UnixTime] {
        &self.starts
    }

    /// The ids of all live keys.
    pub fn ids(&self) -> impl Iterator<Item = TokenKeyId> {
        self.keys.iter().map(|key| key.id())
    }

    /// Whether a key has begun at `now`: carriers draw of no other.
    #[must_use]
    pub fn has_begun(&self, now: UnixTime) -> bool {
        self.starts.first().is_some_and(|first| *first <= now)
    }

    /// When the successor of the present key begins, if there is one.
    #[must_use]
    pub fn next_begins(&self, now: UnixTime) -> Option<UnixTime> {
        self.starts.iter().copied().find(|start| *start > now)
    }

    /// How long the present key goes on signing.
    #[must_use]
    pub fn rest_of_epoch(&self, now: UnixTime) -> Duration {
        self.schedule.rest_of_epoch(&self.starts, now)
    }

    /// The directory as it is served.
    #[must_use]
    pub const fn directory(&self) -> &[u8] {
        &self.directory
    }

    /// The directory's entity tag, quotes included.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }
}
