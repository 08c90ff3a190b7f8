//! Which keys a gateway has, and when: each epoch has one key pair per KEM, derived from a
//! secret that is overwritten once the epoch has ended and nobody may use its keys any
//! more. **A secret derives the epochs that follow it, and none before it**: a thief of
//! today's state reads nothing that was recorded in an earlier epoch. Every node of a
//! gateway that began with the same secret has the same keys. Not here: the file, and the
//! clock.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hkdf;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::{Reader, WireError};
use pennyblack_hpke::{Kem, PRIVATE_KEY_SIZE, PrivateKey};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::encapsulation::expand;
use crate::key_config::{GatewayKey, KeyConfigError};

const SECRET_SIZE: usize = 32;
const VERSION: u8 = 1;
const NEXT_LABEL: &[u8] = b"pennyblack oblivious next";
const KEY_LABEL: &[u8] = b"pennyblack oblivious key";

/// Most epochs that a ratchet moves on at once: a second of work. A clock that is further
/// ahead is wrong.
const MAX_STEPS: u64 = 1_000_000;

/// How long keys are accepted after their epoch: a client that fetched them at its end may
/// have them in its cache for so long.
const GRACE: Duration = Duration::from_secs(3_600);

/// How long keys are announced before they begin, at most.
const LONGEST_AHEAD: Duration = Duration::from_secs(86_400);

/// A KEM that a gateway may offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferedKem {
    /// What every client has.
    X25519,
    /// Protects recordings from a later quantum computer, too.
    XWing,
}

impl OfferedKem {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::X25519, Self::XWing];

    /// The KEM.
    #[must_use]
    pub const fn kem(self) -> Kem {
        match self {
            Self::X25519 => Kem::DhkemX25519,
            Self::XWing => Kem::XWing,
        }
    }

    const fn index(self) -> u64 {
        match self {
            Self::X25519 => 0,
            Self::XWing => 1,
        }
    }
}

/// The number of an epoch: how many of its length have passed since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number of its key: at most two epochs of a KEM have keys at a time, so 256
    /// numbers never meet.
    #[must_use]
    pub const fn key_id(self, kem: OfferedKem) -> u8 {
        let [.., low] = (self.0.wrapping_mul(2).wrapping_add(kem.index())).to_be_bytes();
        low
    }
}

/// When the keys of an epoch are good: `not_before <= now < not_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// When the epoch begins.
    pub not_before: UnixTime,
    /// When its grace ends.
    pub not_after: UnixTime,
}

/// An epoch that is too short to rotate keys in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an epoch of oblivious keys lasts 2 seconds to 90 days, not {0:?}")]
pub struct EpochLengthError(pub Duration);

/// How long the epochs of a gateway last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    seconds: u32,
}

impl Epochs {
    /// Seven days.
    pub const DEFAULT: Self = Self { seconds: 604_800 };
    /// What readers of logs accept (docs/protocol.md section 8.4).
    const MAX: u64 = 90 * 86_400;

    /// Epochs of this length, in whole seconds.
    ///
    /// # Errors
    /// [`EpochLengthError`].
    pub fn new(length: Duration) -> Result<Self, EpochLengthError> {
        let refused = EpochLengthError(length);
        match length.as_secs() {
            2..=Self::MAX if length.subsec_nanos() == 0 => Ok(Self {
                seconds: u32::try_from(length.as_secs()).map_err(|_| refused)?,
            }),
            _ => Err(refused),
        }
    }

    /// How long an epoch lasts.
    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_secs(self.seconds as u64)
    }

    /// How long its keys are accepted beyond its end: an hour, or half an epoch if that is
    /// less, so that no third epoch has keys. Also how long a client may keep them.
    #[must_use]
    pub fn grace(self) -> Duration {
        GRACE.min(Duration::from_secs(u64::from(self.seconds / 2)))
    }

    /// The epoch of a time.
    #[must_use]
    pub const fn at(self, now: UnixTime) -> Epoch {
        Epoch(now.0 / self.seconds as u64)
    }

    /// When the keys of an epoch are good.
    #[must_use]
    pub fn validity(self, epoch: Epoch) -> Validity {
        let not_before = UnixTime(epoch.0.saturating_mul(u64::from(self.seconds)));
        Validity {
            not_before,
            not_after: not_before.plus(self.length()).plus(self.grace()),
        }
    }

    /// When the keys of an epoch are announced and offered: a day ahead, or half an epoch if
    /// that is less, when those of the epoch before the last one are accepted no more.
    #[must_use]
    pub fn announced_from(self, epoch: Epoch) -> UnixTime {
        let ahead = LONGEST_AHEAD.min(Duration::from_secs(u64::from(self.seconds / 2)));
        self.validity(epoch).not_before.minus(ahead)
    }

    /// The oldest epoch whose keys are accepted: this one's, or the one before it.
    #[must_use]
    pub fn oldest_accepted(self, now: UnixTime) -> Epoch {
        self.at(now.minus(self.grace()))
    }
}

/// A key or a state that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RatchetError {
    /// The secret of that epoch is overwritten.
    #[error("the oblivious keys of epoch {} are deleted: the oldest are those of epoch {}", epoch.0, oldest.0)]
    Ended {
        /// The epoch that was asked for.
        epoch: Epoch,
        /// The first that the secret derives.
        oldest: Epoch,
    },
    /// So far ahead that the clock, or the length of epochs, is not the one of before.
    #[error("epoch {} of the oblivious keys is too far after epoch {} of the seed: check the clock and the length of epochs", epoch.0, oldest.0)]
    TooFarAhead {
        /// The epoch that was asked for.
        epoch: Epoch,
        /// The first that the secret derives.
        oldest: Epoch,
    },
    /// Not a state of a ratchet.
    #[error("seed of oblivious keys: {0}")]
    Form(#[from] WireError),
    /// Another version, or an epoch length that is none.
    #[error("seed of oblivious keys: it is not of a form that this version knows")]
    Version,
    /// The library's failure.
    #[error("deriving oblivious keys failed")]
    Derivation,
    /// The derived key is none.
    #[error(transparent)]
    Key(#[from] KeyConfigError),
}

/// The secret of the oldest epoch whose keys are still needed. It is overwritten when it
/// moves on, and when dropped; `Debug` does not show it.
#[derive(Clone)]
pub struct KeyRatchet {
    epochs: Epochs,
    oldest: Epoch,
    secret: Zeroizing<[u8; SECRET_SIZE]>,
}

impl KeyRatchet {
    /// Bytes of the stored form.
    pub const STORED_SIZE: usize = 1 + 4 + 8 + SECRET_SIZE;

    /// A new secret, whose first epoch is `oldest`.
    #[must_use]
    pub fn generate(epochs: Epochs, oldest: Epoch, rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; SECRET_SIZE]);
        rng.fill_bytes(secret.as_mut_slice());
        Self {
            epochs,
            oldest,
            secret,
        }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`RatchetError`].
    pub fn from_bytes(stored: &[u8]) -> Result<Self, RatchetError> {
        let mut reader = Reader::new(stored);
        if reader.u8()? != VERSION {
            return Err(RatchetError::Version);
        }
        let length = Duration::from_secs(u64::from(reader.u32()?));
        let epochs = Epochs::new(length).map_err(|_| RatchetError::Version)?;
        let oldest = Epoch(reader.u64()?);
        let secret = Zeroizing::new(reader.array()?);
        reader.finish()?;
        Ok(Self {
            epochs,
            oldest,
            secret,
        })
    }

    /// The stored form. It derives the private keys of this epoch and all that follow: keep
    /// it in a file of mode 0600, and overwrite the file when [`Self::advance`] moved on.
    ///
    /// ```text
    /// struct {
    ///   uint8 version;          // 1
    ///   uint32 epoch_seconds;
    ///   uint64 epoch;           // the oldest that the secret derives
    ///   opaque secret[32];
    /// } ObliviousSeed;
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(Self::STORED_SIZE));
        out.push(VERSION);
        out.extend(self.epochs.seconds.to_be_bytes());
        out.extend(self.oldest.0.to_be_bytes());
        out.extend_from_slice(self.secret.as_slice());
        out
    }

    /// How long its epochs last.
    #[must_use]
    pub const fn epochs(&self) -> Epochs {
        self.epochs
    }

    /// The oldest epoch that it derives.
    #[must_use]
    pub const fn oldest(&self) -> Epoch {
        self.oldest
    }

    /// Forgets the epochs before `oldest`. Says whether there was one; then the new state
    /// is to be stored before anything else.
    ///
    /// # Errors
    /// [`RatchetError::TooFarAhead`]. To move back is to do nothing.
    pub fn advance(&mut self, oldest: Epoch) -> Result<bool, RatchetError> {
        if oldest <= self.oldest {
            return Ok(false);
        }
        self.secret = self.secret_of(oldest)?;
        self.oldest = oldest;
        Ok(true)
    }

    /// The key pair of a KEM in an epoch, for the gateway of this name.
    ///
    /// # Errors
    /// [`RatchetError`] for an epoch that has ended.
    pub fn key(
        &self,
        authority: &Authority,
        kem: OfferedKem,
        epoch: Epoch,
    ) -> Result<GatewayKey, RatchetError> {
        let secret = self.secret_of(epoch)?;
        let label = [
            KEY_LABEL,
            authority.as_bytes(),
            &kem.kem().id().to_be_bytes(),
        ]
        .concat();
        let ikm: Zeroizing<[u8; PRIVATE_KEY_SIZE]> = derive(&secret, &label)?;
        let private = PrivateKey::derive(kem.kem(), &ikm);
        Ok(GatewayKey::new(epoch.key_id(kem), private)?)
    }

    fn secret_of(&self, epoch: Epoch) -> Result<Zeroizing<[u8; SECRET_SIZE]>, RatchetError> {
        let oldest = self.oldest;
        let steps = epoch
            .0
            .checked_sub(oldest.0)
            .ok_or(RatchetError::Ended { epoch, oldest })?;
        if steps > MAX_STEPS {
            return Err(RatchetError::TooFarAhead { epoch, oldest });
        }
        let mut secret = self.secret.clone();
        for _ in 0..steps {
            secret = derive(&secret, NEXT_LABEL)?;
        }
        Ok(secret)
    }
}

/// HKDF-SHA256 without a salt.
fn derive(
    secret: &[u8; SECRET_SIZE],
    label: &[u8],
) -> Result<Zeroizing<[u8; SECRET_SIZE]>, RatchetError> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
    let mut out = Zeroizing::new([0; SECRET_SIZE]);
    expand(&prk, label, out.as_mut_slice()).ok_or(RatchetError::Derivation)?;
    Ok(out)
}

impl fmt::Debug for KeyRatchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRatchet")
            .field("epochs", &self.epochs)
            .field("oldest", &self.oldest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
