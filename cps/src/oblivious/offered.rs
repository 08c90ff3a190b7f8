//! The keys that open requests now, and their list as clients fetch it. They are replaced as
//! a whole while the CPS runs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::body::Bytes;
use pennyblack_ohttp::key_config::{GatewayKey, KeyConfig};

/// Keys that are all in the log under a checkpoint.
#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Vec<GatewayKey>,
    list: Bytes,
    max_age: Duration,
}

impl KeySet {
    /// These, the one to use first in front. Clients may keep the list for so long.
    fn new(keys: Vec<GatewayKey>, max_age: Duration) -> Self {
        let list = KeyConfig::encode_list(keys.iter().map(GatewayKey::config));
        Self {
            keys,
            list: list.into(),
            max_age,
        }
    }

    /// What opens requests.
    pub(crate) fn keys(&self) -> &[GatewayKey] {
        &self.keys
    }

    /// `application/ohttp-keys`.
    pub(crate) fn list(&self) -> Bytes {
        self.list.clone()
    }

    /// For how long it may be kept.
    pub(crate) const fn max_age(&self) -> Duration {
        self.max_age
    }
}

/// What is offered now: nothing until keys are in the log.
#[derive(Debug, Default)]
pub(crate) struct OfferedKeys(ArcSwapOption<KeySet>);

impl OfferedKeys {
    /// What is offered.
    pub(crate) fn now(&self) -> Option<Arc<KeySet>> {
        self.0.load_full()
    }

    /// Offers these instead.
    pub(super) fn replace(&self, keys: Vec<GatewayKey>, max_age: Duration) {
        #[allow(clippy::cast_precision_loss, reason = "four at most")]
        metrics::gauge!("pennyblack_cps_oblivious_keys").set(keys.len() as f64);
        let offered = (!keys.is_empty()).then(|| Arc::new(KeySet::new(keys, max_age)));
        self.0.store(offered);
    }
}
