//! Cosignatures: a witness's word that it has seen a checkpoint and that it is
//! consistent with all that it saw before (C2SP tlog-cosignature, the Ed25519
//! form). Not here: how a witness comes to give one.

use super::checkpoint::SignedCheckpoint;
use super::note::SignatureLine;
use super::note_key::{KeyId, KeyName, NoteSigner, SignatureType, VerifierKey};
use pennyblack_base::time::UnixTime;

/// Bytes of a time and an Ed25519 signature.
const SIZE: usize = 8 + 64;

/// A key that is to give cosignatures, and is for something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key of {0} signs notes: a witness's key has the signature type 0x04")]
pub struct NotACosigner(pub KeyName);

/// A witness's key.
#[derive(Debug)]
pub struct Cosigner(NoteSigner);

impl Cosigner {
    /// Takes a key of the type [`SignatureType::CosignatureV1`].
    ///
    /// # Errors
    /// [`NotACosigner`].
    pub fn new(signer: NoteSigner) -> Result<Self, NotACosigner> {
        match signer.verifier().kind() {
            SignatureType::CosignatureV1 => Ok(Self(signer)),
            SignatureType::Ed25519 => Err(NotACosigner(signer.verifier().name().clone())),
        }
    }

    /// The public key.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        self.0.verifier()
    }

    /// Cosigns a checkpoint, whose consistency must have been seen before.
    pub(super) fn cosign(&self, checkpoint: &SignedCheckpoint, now: UnixTime) -> SignatureLine {
        let signature = self.0.sign(&message(checkpoint, now));
        SignatureLine {
            name: self.verifier().name().clone(),
            id: self.verifier().id(),
            signature: [&now.0.to_be_bytes()[..], &signature].concat(),
        }
    }
}

/// A cosignature that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Whose.
    pub witness: KeyName,
    /// When it was given, by the witness's clock.
    pub time: UnixTime,
}

/// A cosignature that says it is by a known witness, and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cosignature of {name} with the key {id} is not good")]
pub struct ForgedCosignature {
    /// Who is said to have cosigned.
    pub name: KeyName,
    /// With which key.
    pub id: KeyId,
}

/// The cosignature of one witness under a checkpoint, if there is one.
///
/// # Errors
/// [`ForgedCosignature`].
pub fn cosignature(
    checkpoint: &SignedCheckpoint,
    witness: &VerifierKey,
) -> Result<Option<Cosignature>, ForgedCosignature> {
    if witness.kind() != SignatureType::CosignatureV1 {
        return Ok(None);
    }
    let Some(line) = checkpoint.note().by(witness) else {
        return Ok(None);
    };
    let time = verify(checkpoint, line, witness).ok_or_else(|| ForgedCosignature {
        name: line.name.clone(),
        id: line.id,
    })?;
    Ok(Some(Cosignature {
        witness: line.name.clone(),
        time,
    }))
}

fn verify(
    checkpoint: &SignedCheckpoint,
    line: &SignatureLine,
    witness: &VerifierKey,
) -> Option<UnixTime> {
    let bytes: &[u8; SIZE] = line.signature.as_slice().try_into().ok()?;
    let (time, signature) = bytes.split_first_chunk::<8>()?;
    let time = UnixTime(u64::from_be_bytes(*time));
    let is_time = i64::try_from(time.0).is_ok();
    let signed = witness.has_signed(&message(checkpoint, time), signature);
    (is_time && signed).then_some(time)
}

fn message(checkpoint: &SignedCheckpoint, time: UnixTime) -> Vec<u8> {
    let text = checkpoint.note().text();
    format!("cosignature/v1\ntime {}\n{text}", time.0).into_bytes()
}

/// Whose cosignatures a reader wants to see, and how many of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WitnessPolicy {
    witnesses: Vec<VerifierKey>,
    threshold: usize,
}

/// A policy that cannot be met, or a checkpoint that does not meet it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// More are wanted than there are.
    #[error("{threshold} cosignatures are wanted, and {witnesses} witnesses are named")]
    Unreachable {
        /// How many are wanted.
        threshold: usize,
        /// How many there can be.
        witnesses: usize,
    },
    /// One witness is to count twice, or is none.
    #[error("{0} is named twice, or its key is not a witness's")]
    Witness(KeyName),
    /// Too few witnesses have cosigned.
    #[error("{actual} of the {witnesses} witnesses have cosigned, {threshold} must")]
    TooFew {
        /// How many have.
        actual: usize,
        /// How many are named.
        witnesses: usize,
        /// How many must.
        threshold: usize,
    },
    /// A cosignature that is not good.
    #[error(transparent)]
    Forged(#[from] ForgedCosignature),
}

impl WitnessPolicy {
    /// `threshold` of these witnesses.
    ///
    /// # Errors
    /// [`PolicyError::Unreachable`] or [`PolicyError::Witness`].
    pub fn new(witnesses: Vec<VerifierKey>, threshold: usize) -> Result<Self, PolicyError> {
        for (place, witness) in witnesses.iter().enumerate() {
            // One who signs under two names is still one.
            let mut before = witnesses.iter().take(place);
            let again = before.any(|other| other.public() == witness.public());
            if again || witness.kind() != SignatureType::CosignatureV1 {
                return Err(PolicyError::Witness(witness.name().clone()));
            }
        }
        if threshold > witnesses.len() {
            return Err(PolicyError::Unreachable {
                threshold,
                witnesses: witnesses.len(),
            });
        }
        Ok(Self {
            witnesses,
            threshold,
        })
    }

    /// Whose cosignatures count.
    #[must_use]
    pub fn witnesses(&self) -> &[VerifierKey] {
        &self.witnesses
    }

    /// How many of them must have cosigned.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        self.threshold
    }

    /// The cosignatures of the witnesses, if they are enough.
    ///
    /// # Errors
    /// [`PolicyError::TooFew`] or [`PolicyError::Forged`].
    pub fn check(&self, checkpoint: &SignedCheckpoint) -> Result<Vec<Cosignature>, PolicyError> {
        let mut found = Vec::new();
        for witness in &self.witnesses {
            found.extend(cosignature(checkpoint, witness)?);
        }
        if found.len() < self.threshold {
            return Err(PolicyError::TooFew {
                actual: found.len(),
                witnesses: self.witnesses.len(),
                threshold: self.threshold,
            });
        }
        Ok(found)
    }
}
