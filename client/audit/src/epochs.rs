//! What the logs have said of each token key so far: who announced it, when the CPS
//! took its tokens, how many were issued, spent, and spent twice. Not here: whether
//! the logs are to be trusted.

use std::collections::BTreeMap;
use std::fmt;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_calendar::MAX_KEYS;
use pennyblack_evidence::log_entry::EpochTotals;
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::{TokenKeyId, TokenType};
use pennyblack_privacypass::token_key::{TokenKey, TokenVerifier};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Seconds of a day.
pub(super) const DAY: u64 = 86_400;

/// Most days with double spends, counted for each key: four for each key that a log may
/// state, where an epoch and the one after it are two.
pub(super) const MAX_DAYS: usize = 4 * MAX_KEYS;

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
    /// The issuer, as the CPS names it.
    pub issuer: Option<String>,
    /// From when on the issuer signs with it.
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

/// All keys, by the hexadecimal form of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Epochs(BTreeMap<String, Epoch>);

impl Epochs {
    /// One of them.
    #[must_use]
    pub fn get(&self, id: TokenKeyId) -> Option<&Epoch> {
        self.0.get(&id.to_string())
    }

    pub(super) fn get_mut(&mut self, id: TokenKeyId) -> Option<&mut Epoch> {
        self.0.get_mut(&id.to_string())
    }

    pub(super) fn entry(&mut self, key: &TokenKey, not_before: UnixTime) -> &mut Epoch {
        let entry = self.0.entry(key.id().to_string());
        entry.or_insert_with(|| Epoch::of(key, not_before))
    }

    /// Their ids and what is known, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Epoch)> {
        self.0.iter().map(|(id, epoch)| (id.as_str(), epoch))
    }
}

impl<'de> Deserialize<'de> for Epochs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EpochsVisitor)
    }
}

/// Reads no more keys than a log may state: a key takes more memory than text, and the
/// text may be another's. Nor more days, of all keys.
struct EpochsVisitor;

impl<'de> Visitor<'de> for EpochsVisitor {
    type Value = Epochs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token keys by their ids, {MAX_KEYS} at most")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Epochs, M::Error> {
        let mut epochs = BTreeMap::new();
        let mut days = 0;
        while let Some((id, epoch)) = map.next_entry::<String, Epoch>()? {
            if epochs.len() >= MAX_KEYS {
                return Err(M::Error::custom(format!("more than {MAX_KEYS} token keys")));
            }
            days += epoch.double_spends.len();
            if days > MAX_DAYS {
                return Err(too_many_days());
            }
            epochs.insert(id, epoch);
        }
        Ok(Epochs(epochs))
    }
}

fn too_many_days<E: serde::de::Error>() -> E {
    E::custom(format!("more than {MAX_DAYS} days with double spends"))
}

/// Counts the days of one key while they are read.
struct DaysVisitor;

impl<'de> Visitor<'de> for DaysVisitor {
    type Value = BTreeMap<u64, DayOfSpends>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "double spends by their days, {MAX_DAYS} at most")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut days = BTreeMap::new();
        while let Some((day, spends)) = map.next_entry()? {
            if days.len() >= MAX_DAYS {
                return Err(too_many_days());
            }
            days.insert(day, spends);
        }
        Ok(days)
    }
}

fn read_days<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<u64, DayOfSpends>, D::Error> {
    deserializer.deserialize_map(DaysVisitor)
}
