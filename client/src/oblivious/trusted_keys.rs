//! The key configurations that requests are sealed to: those that a log announces, in the
//! hands of all who send. A timer fills them; **a request asks nobody**. Not here: how they
//! are fetched and verified (`fetch`).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::oblivious_keys::{LEAD, ObliviousKey, ObliviousKeys};
use pennyblack_hpke::Kem;
use pennyblack_ohttp::key_config::KeyConfig;

/// For how long keys are used after they and the log were last read and found good. A CPS
/// whose log contradicts itself, or is not shown any more, is soon without clients.
pub const MAX_READING_AGE: Duration = Duration::from_secs(3_600);

// All who use a key have read the log when the next one was in it.
const _: () = assert!(MAX_READING_AGE.as_secs() <= LEAD.as_secs());

/// A key configuration that its CPS's log announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    config: KeyConfig,
    announced: ObliviousKey,
}

impl TrustedKey {
    /// Only verification makes one (`fetch`).
    pub(super) const fn new(config: KeyConfig, announced: ObliviousKey) -> Self {
        Self { config, announced }
    }

    /// The key.
    #[must_use]
    pub const fn config(&self) -> &KeyConfig {
        &self.config
    }

    /// What the log says of it.
    #[must_use]
    pub const fn announced(&self) -> &ObliviousKey {
        &self.announced
    }

    /// What decides between two that began together: X-Wing protects recordings. The order
    /// of a list decides nothing.
    fn rank(&self) -> (bool, u16) {
        let kem = self.config.kem();
        (kem == Kem::XWing, kem.id())
    }
}

/// What is known of a CPS's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpsKeys {
    /// Those that may be used, each when everybody uses it.
    pub keys: Vec<TrustedKey>,
    /// All that the log announces of known KEMs, which decide what everybody uses.
    pub announced: ObliviousKeys,
    /// When the CPS's answer and its log were last good.
    pub read: Option<UnixTime>,
    /// Why the CPS's last answer brought none, if the CPS contradicts its log.
    pub refused: Option<String>,
}

impl CpsKeys {
    /// Whether the last good reading is recent. A clock that was set back makes none recent.
    pub(super) fn is_recent(&self, now: UnixTime) -> bool {
        let age = |read: UnixTime| now.since(read).max(read.since(now));
        self.read.is_some_and(|read| age(read) <= MAX_READING_AGE)
    }

    /// The key that everybody seals to now; none if it was read too long ago. **The log and
    /// the clock decide, and not what was served to us**: where the newest key is missing, no
    /// older one takes its place.
    #[must_use]
    pub fn newest(&self, now: UnixTime) -> Option<&TrustedKey> {
        if !self.is_recent(now) {
            return None;
        }
        let used = self.announced.in_use(now);
        let is_used = |key: &&TrustedKey| used.iter().any(|used| used.key == key.announced);
        self.keys
            .iter()
            .filter(is_used)
            .max_by_key(|key| key.rank())
    }

    /// From when on everybody seals to this key, unless a newer one is used by then.
    #[must_use]
    pub fn used_from(&self, key: &TrustedKey) -> Option<UnixTime> {
        self.announced.used_from(key.announced())
    }

    /// Until when the key that everybody seals to now is used if nothing more is read: to its
    /// end, and no longer than the last good reading allows.
    #[must_use]
    pub fn used_until(&self, now: UnixTime) -> Option<UnixTime> {
        let ends = self.newest(now)?.announced().not_after;
        let too_old = self.read?.plus(MAX_READING_AGE);
        Some(ends.min(too_old))
    }
}

/// The keys of all CPSs. Clones share them.
#[derive(Clone, Default)]
pub struct TrustedKeys(Arc<RwLock<HashMap<Authority, Arc<CpsKeys>>>>);

impl TrustedKeys {
    /// Replaces what is known of a CPS's keys.
    pub(super) fn set(&self, cps: &Authority, keys: CpsKeys) -> Arc<CpsKeys> {
        let keys = Arc::new(keys);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(cps.clone(), Arc::clone(&keys));
        keys
    }

    /// What is known of a CPS's keys; nothing at first.
    #[must_use]
    pub fn of(&self, cps: &Authority) -> Option<Arc<CpsKeys>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(cps).cloned()
    }
}

impl fmt::Debug for TrustedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedKeys").finish_non_exhaustive()
    }
}
