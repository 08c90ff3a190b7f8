//! The epochs as they are read from a file, which may be another's: with no more keys,
//! and days with double spends, than logs may have. Not here: what is known of an epoch.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};

use super::{DayOfSpends, Epoch, Keys, MAX_DAYS, MAX_EPOCHS};

/// How many were read so far, of all issuers: a key takes more memory than text.
#[derive(Default)]
pub(super) struct KeptEpochs {
    keys: usize,
    days: usize,
}

impl KeptEpochs {
    /// Reads the keys of all issuers.
    pub(super) fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Keys>, D::Error> {
        deserializer.deserialize_map(Self::default())
    }

    fn count<E: Error>(&mut self, epoch: &Epoch) -> Result<(), E> {
        self.keys += 1;
        if self.keys > MAX_EPOCHS {
            return Err(E::custom(format!("more than {MAX_EPOCHS} token keys")));
        }
        self.days += epoch.double_spends.len();
        match self.days > MAX_DAYS {
            true => Err(too_many_days()),
            false => Ok(()),
        }
    }
}

impl<'de> Visitor<'de> for KeptEpochs {
    type Value = BTreeMap<String, Keys>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("token keys by their issuers")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut issuers = BTreeMap::new();
        while let Some(issuer) = map.next_key()? {
            if issuers.len() >= MAX_EPOCHS {
                return Err(M::Error::custom(format!("more than {MAX_EPOCHS} issuers")));
            }
            issuers.insert(issuer, map.next_value_seed(KeysOfIssuer(&mut self))?);
        }
        Ok(issuers)
    }
}

/// The keys of one issuer.
struct KeysOfIssuer<'a>(&'a mut KeptEpochs);

impl<'de> DeserializeSeed<'de> for KeysOfIssuer<'_> {
    type Value = Keys;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Keys, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeysOfIssuer<'_> {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token keys by their ids, {MAX_EPOCHS} at most")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Keys, M::Error> {
        let mut keys = Keys::new();
        while let Some((id, epoch)) = map.next_entry::<String, Epoch>()? {
            self.0.count(&epoch)?;
            keys.insert(id, epoch);
        }
        Ok(keys)
    }
}

fn too_many_days<E: Error>() -> E {
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

/// Reads the days of one key.
pub(super) fn read_days<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<u64, DayOfSpends>, D::Error> {
    deserializer.deserialize_map(DaysVisitor)
}
