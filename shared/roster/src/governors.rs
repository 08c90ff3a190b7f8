//! Who signs rosters, and how many of them must.

use std::fmt;

use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{KeyName, NoteError, SignatureLine, SignedNote, VerifierKey};

/// Most governors: each may sign, and a note has 64 signatures.
pub const MAX_GOVERNORS: usize = 16;

/// Keys that cannot govern, or a note that they have not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GovernorsError {
    /// Too many.
    #[error("a roster has at most {MAX_GOVERNORS} governors")]
    TooMany,
    /// The threshold is not more than half of them.
    #[error(
        "a threshold of {threshold} of {governors} governors: it must be more than half of them, \
         or two halves could sign two rosters, and at most all"
    )]
    Threshold {
        /// How many would have to sign.
        threshold: usize,
        /// Of how many.
        governors: usize,
    },
    /// A key that signs something else.
    #[error("the governor {0} has a key that signs no rosters: make one with `federation key`")]
    Type(KeyName),
    /// One party would count twice.
    #[error("the governor {0} is there twice, by its name or by its key: each counts once")]
    Twice(KeyName),
    /// Too few have signed.
    #[error("signed by {signed} of the {threshold} governors that must sign: {missing} have not")]
    TooFew {
        /// How many have.
        signed: usize,
        /// How many must.
        threshold: usize,
        /// Who has not.
        missing: Names,
    },
    /// A signature that says it is a governor's, and is not.
    #[error(transparent)]
    Forged(NoteError),
}

/// Names in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(Vec<KeyName>);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(KeyName::as_str).collect();
        f.write_str(&names.join(", "))
    }
}

/// The governors of a federation, **each with a key and a name that no other has**, and the
/// threshold: how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governors {
    threshold: usize,
    /// In the order of their texts.
    keys: Vec<VerifierKey>,
}

impl Governors {
    /// These, in whatever order.
    ///
    /// # Errors
    /// [`GovernorsError`].
    pub fn new(threshold: usize, mut keys: Vec<VerifierKey>) -> Result<Self, GovernorsError> {
        if keys.len() > MAX_GOVERNORS {
            return Err(GovernorsError::TooMany);
        }
        if threshold > keys.len() || threshold.saturating_mul(2) <= keys.len() {
            return Err(GovernorsError::Threshold {
                threshold,
                governors: keys.len(),
            });
        }
        for (place, key) in keys.iter().enumerate() {
            if key.kind() != SignatureType::Ed25519 {
                return Err(GovernorsError::Type(key.name().clone()));
            }
            let is_same =
                |other: &VerifierKey| other.public() == key.public() || other.name() == key.name();
            if keys.iter().take(place).any(is_same) {
                return Err(GovernorsError::Twice(key.name().clone()));
            }
        }
        keys.sort_by_cached_key(ToString::to_string);
        Ok(Self { threshold, keys })
    }

    /// How many must sign.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        self.threshold
    }

    /// All of them.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// Those that have signed a note. Signatures by others say nothing.
    ///
    /// # Errors
    /// [`GovernorsError::Forged`].
    pub fn who_signed(&self, note: &SignedNote) -> Result<Vec<&VerifierKey>, GovernorsError> {
        let mut signed = Vec::new();
        let is_good = |key: &VerifierKey, line: &SignatureLine| {
            key.has_signed(note.text().as_bytes(), &line.signature)
        };
        for key in &self.keys {
            let mut lines = note.signatures().iter().filter(|line| line.is_by(key));
            let Some(first) = lines.next() else {
                continue;
            };
            // All of them, so that their order changes nothing.
            if !is_good(key, first) || !lines.all(|line| is_good(key, line)) {
                let (name, id) = (key.name().clone(), key.id());
                return Err(GovernorsError::Forged(NoteError::Forged { name, id }));
            }
            signed.push(key);
        }
        Ok(signed)
    }

    /// Verifies that enough of them have signed a note.
    ///
    /// # Errors
    /// [`GovernorsError::TooFew`] and [`GovernorsError::Forged`].
    pub fn require_signed(&self, note: &SignedNote) -> Result<(), GovernorsError> {
        let signed = self.who_signed(note)?;
        if signed.len() >= self.threshold {
            return Ok(());
        }
        let missing = self.keys.iter().filter(|key| !signed.contains(key));
        Err(GovernorsError::TooFew {
            signed: signed.len(),
            threshold: self.threshold,
            missing: Names(missing.map(|key| key.name().clone()).collect()),
        })
    }
}
