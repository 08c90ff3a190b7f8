//! What the logs have said of each token key so far: which issuer announced it, when the
//! CPS took its tokens, how many were issued, spent, and spent twice. Not here: whether
//! the logs are to be trusted, and how this is kept.

mod kept;

use std::collections::BTreeMap;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_calendar::MAX_KEYS;
use pennyblack_evidence::log_entry::EpochTotals;
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::{TokenKeyId, TokenType};
use pennyblack_privacypass::token_key::{TokenKey, TokenVerifier};
use serde::{Deserialize, Serialize};

use kept::{KeptEpochs, read_days};

/// Seconds of a day.
pub(super) const DAY: u64 = 86_400;

/// Most days with double spends, counted for each key: four for each key that a log may
/// state, where an epoch and the one after it are two.
pub(super) const MAX_DAYS: usize = 4 * MAX_KEYS;

/// Most keys that an auditor keeps, of all issuers together: as many as four logs may state.
pub(super) const MAX_EPOCHS: usize = 4 * MAX_KEYS;

/// What a CPS said when it closed an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub minute: UnixTime,
    /// Tokens spent: exact.
    pub spent: u64,
    /// Requests repeated; at least.
    pub replayed: u64,
    /// Requests refused; at least.
    pub refused: u64,
    /// Those of the refused whose token had its entry already; at least.
    pub further_double_spends: u64,
}

impl Closed {
    pub(super) const fn new(minute: UnixTime, totals: EpochTotals) -> Self {
        Self {
            minute,
            spent: totals.spent,
            replayed: totals.replayed,
            refused: totals.refused,
            further_double_spends: totals.further_double_spends,
        }
    }
}

/// What an issuer said when it signed with a key no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// When.
    pub minute: UnixTime,
    /// How many tokens it had signed.
    pub total: u64,
}

/// The double spends of a day (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DayOfSpends {
    /// Those whose evidence is proven in full.
    pub proven: u64,
    /// Those of tokens that only their issuer can verify: both requests are proven
    /// to be signed by one token's key, that the token is one is the operator's word.
    pub on_word: u64,
}

/// One token key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Epoch {
    /// The type of its tokens.
    pub token_type: u16,
    /// The key, as the issuer's directory has it; base64url. Empty when the CPS has closed
    /// the epoch: it verifies nothing any more.
    pub token_key: String,
    /// From when on the issuer signs with it, by the issuer's log if that has announced it.
    pub not_before: Option<UnixTime>,
    /// When the issuer announced it.
    pub announced: Option<UnixTime>,
    /// When the CPS began to take its tokens.
    pub opened: Option<UnixTime>,
    /// When the CPS took them no more, and what it had counted.
    pub closed: Option<Closed>,
    /// What the issuer had signed.
    pub issued: Option<Issued>,
    /// Double spends by the day since 1970.
    #[serde(deserialize_with = "read_days")]
    pub double_spends: BTreeMap<u64, DayOfSpends>,
}

impl Epoch {
    pub(super) fn of(key: &TokenKey, not_before: UnixTime) -> Self {
        let TokenType(token_type) = key.token_type();
        Self {
            token_type,
            token_key: pennyblack_base::encoding::base64url(key.encoded()),
            not_before: Some(not_before),
            ..Self::default()
        }
    }

    /// Counts a double spend; tells whether it is the first of its day.
    pub(super) fn count(&mut self, minute: UnixTime, proven: bool) -> bool {
        let days = self.double_spends.len();
        let day = self.double_spends.entry(minute.0 / DAY).or_default();
        match proven {
            true => day.proven += 1,
            false => day.on_word += 1,
        }
        self.double_spends.len() > days
    }

    /// Verifies its tokens, if it is a blind RSA key that is not forgotten.
    pub(super) fn verifier(&self) -> Option<TokenVerifier> {
        let key = pennyblack_base::encoding::from_base64url(&self.token_key).ok()?;
        let key = TokenVerifyingKey::from_spki(&key).ok()?;
        Some(TokenVerifier::BlindRsa(key))
    }

    /// Gives the key up: of a closed epoch no double spend can follow.
    pub(super) fn forget_key(&mut self) {
        self.token_key = String::new();
    }

    /// What is wrong with the counts of further double spends, if anything is.
    pub(super) fn miscounted(&self) -> Option<&'static str> {
        let closed = self.closed?;
        if closed.further_double_spends > closed.refused {
            return Some("more further double spends than refusals of this key");
        }
        if closed.further_double_spends > 0 && self.double_spends.is_empty() {
            return Some("further double spends of this key, and no first one in the log");
        }
        None
    }

    /// More spent than issued, if both are known: how many, and of how many.
    #[must_use]
    pub fn overspent(&self) -> Option<(u64, u64)> {
        let (closed, issued) = (self.closed?, self.issued?);
        (closed.spent > issued.total).then_some((closed.spent, issued.total))
    }
}

/// All keys, by their issuers. **A key belongs to one issuer**: another that announces the
/// same key makes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epochs(#[serde(deserialize_with = "KeptEpochs::read")] BTreeMap<String, Keys>);

/// The keys of one issuer, by the hexadecimal form of their ids.
pub(super) type Keys = BTreeMap<String, Epoch>;

impl Epochs {
    /// A key of an issuer, which is named by its authority.
    #[must_use]
    pub fn get(&self, issuer: &str, id: TokenKeyId) -> Option<&Epoch> {
        self.0.get(issuer)?.get(&id.to_string())
    }

    pub(super) fn get_mut(&mut self, issuer: &str, id: TokenKeyId) -> Option<&mut Epoch> {
        self.0.get_mut(issuer)?.get_mut(&id.to_string())
    }

    pub(super) fn entry(
        &mut self,
        issuer: &str,
        key: &TokenKey,
        not_before: UnixTime,
    ) -> &mut Epoch {
        let keys = self.0.entry(issuer.to_owned()).or_default();
        let entry = keys.entry(key.id().to_string());
        entry.or_insert_with(|| Epoch::of(key, not_before))
    }

    /// Issuers, the ids of their keys, and what is known of these.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Epoch)> {
        let issuers = self.0.iter();
        issuers.flat_map(|(issuer, keys)| {
            let keys = keys.iter();
            keys.map(|(id, epoch)| (issuer.as_str(), id.as_str(), epoch))
        })
    }
}
