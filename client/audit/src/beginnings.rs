//! When the keys of one issuer's log begin: by two that begin close to each other an issuer
//! can recognise the carriers that were shown one of them. Not here: what else an entry must be like.

use std::collections::BTreeMap;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_calendar::SHORTEST_EPOCH;
use pennyblack_privacypass::token::TokenKeyId;

use super::epochs::Epochs;

/// The announced keys, by their beginnings. Those that the issuer gave up before it signed
/// anything are not among them.
#[derive(Debug, Default)]
pub(super) struct Beginnings(BTreeMap<UnixTime, String>);

impl Beginnings {
    /// Of what is known of an issuer.
    pub(super) fn of(issuer: &str, epochs: &Epochs) -> Self {
        let keys = epochs.iter().filter(|(of, ..)| *of == issuer);
        let announced = keys.filter(|(.., epoch)| {
            let is_unused = epoch.issued.is_some_and(|issued| issued.total == 0);
            epoch.announced.is_some() && !is_unused
        });
        let begins =
            announced.filter_map(|(_, id, epoch)| Some((epoch.not_before?, id.to_owned())));
        Self(begins.collect())
    }

    /// Adds a key that is announced for `begins`.
    ///
    /// # Errors
    /// Another key that it is close to, and how close; then it is not added.
    pub(super) fn add(
        &mut self,
        key: TokenKeyId,
        begins: UnixTime,
    ) -> Result<(), (String, Duration)> {
        let least = SHORTEST_EPOCH.saturating_sub(Duration::from_secs(1));
        let near = begins.minus(least)..=begins.plus(least);
        if let Some((at, other)) = self.0.range(near).next() {
            let apart = at.since(begins).max(begins.since(*at));
            return Err((other.clone(), apart));
        }
        self.0.insert(begins, key.to_string());
        Ok(())
    }

    /// Forgets a key with which nothing was signed.
    pub(super) fn give_up(&mut self, key: TokenKeyId) {
        let name = key.to_string();
        self.0.retain(|_, other| *other != name);
    }
}
