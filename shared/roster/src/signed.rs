//! A roster with its signatures. Not here: whether they are enough.

use std::fmt;
use std::str::FromStr;

use pennyblack_tlog::note::MOST_SIGNATURES;
use pennyblack_tlog::{NoteError, NoteSigner, SignatureLine, SignedNote};

use super::pin::{Pin, RosterDigest, Sequence};
use super::roster::{MAX_ROSTER_SIZE, Roster, RosterError};

/// A roster as it is handed around, **read and not verified**. As text it is a C2SP signed
/// note. Two of them are the same roster if they have the same text, no matter who signed each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRoster {
    note: SignedNote,
    roster: Roster,
    digest: RosterDigest,
}

impl SignedRoster {
    /// Signs a roster as the first.
    ///
    /// # Errors
    /// [`RosterError::Size`].
    pub fn sign(roster: Roster, signer: &NoteSigner) -> Result<Self, RosterError> {
        let text = roster.to_string();
        let digest = RosterDigest::of(&text);
        let note = SignedNote::sign(text, signer)?;
        let signed = Self {
            note,
            roster,
            digest,
        };
        signed.require_size()?;
        Ok(signed)
    }

    /// Signs it, too.
    ///
    /// # Errors
    /// Those of [`merge`](Self::merge).
    pub fn sign_too(&mut self, signer: &NoteSigner) -> Result<(), RosterError> {
        let other = Self::sign(self.roster.clone(), signer)?;
        self.merge(other.note.signatures())
    }

    /// Adds the signatures of somebody else's copy, each in place of one by the same key.
    ///
    /// # Errors
    /// [`RosterError::Size`], and [`RosterError::Note`] if there is no room for all: signatures
    /// by strangers must not take the place of a governor's.
    pub fn merge(&mut self, signatures: &[SignatureLine]) -> Result<(), RosterError> {
        for line in signatures {
            let mut others = self.note.signatures().iter();
            let is_new = others.all(|other| (&other.name, other.id) != (&line.name, line.id));
            if is_new && self.note.signatures().len() >= MOST_SIGNATURES {
                return Err(NoteError::TooManySignatures.into());
            }
            self.note.add(line.clone());
        }
        self.require_size()
    }

    fn require_size(&self) -> Result<(), RosterError> {
        let size = self.note.to_string().len();
        match size <= MAX_ROSTER_SIZE {
            true => Ok(()),
            false => Err(RosterError::Size(size)),
        }
    }

    /// What it says.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Which of the federation's it is.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.roster.sequence()
    }

    /// The SHA-256 of its text.
    #[must_use]
    pub const fn digest(&self) -> RosterDigest {
        self.digest
    }

    /// What names it to those who are to trust it.
    #[must_use]
    pub const fn pin(&self) -> Pin {
        Pin {
            sequence: self.roster.sequence(),
            digest: self.digest,
        }
    }

    /// The note that it is.
    #[must_use]
    pub const fn note(&self) -> &SignedNote {
        &self.note
    }
}

impl fmt::Display for SignedRoster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl FromStr for SignedRoster {
    type Err = RosterError;

    fn from_str(text: &str) -> Result<Self, RosterError> {
        let note: SignedNote = text.parse().map_err(|error| match error {
            NoteError::Size(size) => RosterError::Size(size),
            other => RosterError::Note(other),
        })?;
        Ok(Self {
            roster: note.text().parse()?,
            digest: RosterDigest::of(note.text()),
            note,
        })
    }
}
