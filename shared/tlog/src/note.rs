//! Signed notes: a text, a blank line, and lines that sign it (C2SP signed-note).
//! Not here: what the text says, and cosignatures, which sign more than the text.

use std::fmt;
use std::str::FromStr;

use super::note_key::{KeyId, KeyName, NoteSigner, SignatureType, VerifierKey};
use pennyblack_base::encoding;

/// Longest note that is read: room for 16 signatures of 5,000 bytes, which C2SP
/// demands, and then some.
pub const MAX_NOTE_SIZE: usize = 128 * 1024;
/// Most signature lines of a note that is read.
pub const MOST_SIGNATURES: usize = 64;

/// What a signature line begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";
/// Bytes of a key id.
const ID_SIZE: usize = 4;

/// Text that is not a signed note, or one without the signature that it needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than any note.
    #[error("a note of {0} bytes: at most {MAX_NOTE_SIZE} are read")]
    Size(usize),
    /// A control character, or a text that does not end its last line.
    #[error("the text of a note is whole lines without control characters")]
    Text,
    /// No blank line with signatures after it.
    #[error("a note ends with a blank line and its signatures")]
    Unsigned,
    /// A line after the blank one that is not a signature.
    #[error("line {0} after a note's blank line is not a signature")]
    SignatureLine(usize),
    /// More signatures than are looked at.
    #[error("a note with more than {MOST_SIGNATURES} signatures")]
    TooManySignatures,
    /// No signature by this key.
    #[error("not signed by {name} with the key {id}")]
    Missing {
        /// Who should have signed.
        name: KeyName,
        /// With which key.
        id: KeyId,
    },
    /// A signature that says it is by this key, and is not.
    #[error(
        "the signature of {name} with the key {id} is not good: the text was changed, or the signature forged"
    )]
    Forged {
        /// Who is said to have signed.
        name: KeyName,
        /// With which key.
        id: KeyId,
    },
}

/// One signature of a note. As text it is its line, without the line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Who says to have signed.
    pub name: KeyName,
    /// With which key.
    pub id: KeyId,
    /// What the key made.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// Whether it says to be by this key.
    #[must_use]
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        self.name == *key.name() && self.id == key.id()
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id.0.to_be_bytes()[..], &self.signature].concat();
        let bytes = encoding::base64_standard(&bytes);
        write!(f, "{DASH}{} {bytes}", self.name)
    }
}

impl FromStr for SignatureLine {
    type Err = NoteError;

    fn from_str(line: &str) -> Result<Self, NoteError> {
        parse_line(line).ok_or(NoteError::SignatureLine(1))
    }
}

fn parse_line(line: &str) -> Option<SignatureLine> {
    let (name, bytes) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = encoding::from_base64_standard(bytes).ok()?;
    let (id, signature) = bytes.split_first_chunk::<ID_SIZE>()?;
    if signature.is_empty() {
        return None;
    }
    Some(SignatureLine {
        name: name.parse().ok()?,
        id: KeyId(u32::from_be_bytes(*id)),
        signature: signature.to_vec(),
    })
}

/// A note, read and not verified. Its text is not to be trusted before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl SignedNote {
    /// Signs a text: lines, each ended by a line feed.
    ///
    /// # Errors
    /// [`NoteError::Text`].
    pub fn sign(text: String, signer: &NoteSigner) -> Result<Self, NoteError> {
        require_text(&text)?;
        let key = signer.verifier();
        let signature = SignatureLine {
            name: key.name().clone(),
            id: key.id(),
            signature: signer.sign(text.as_bytes()).to_vec(),
        };
        Ok(Self {
            text,
            signatures: vec![signature],
        })
    }

    /// The text with the line feed that ends it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signatures, by any signer.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Adds a signature, in place of another by the same key. In a note that is full it
    /// takes the place of the oldest but the first, which is the author's: nobody reads a
    /// note with more.
    pub fn add(&mut self, signature: SignatureLine) {
        let same = |other: &SignatureLine| other.name == signature.name && other.id == signature.id;
        self.signatures.retain(|other| !same(other));
        if self.signatures.len() >= MOST_SIGNATURES {
            self.signatures.remove(1);
        }
        self.signatures.push(signature);
    }

    /// Verifies that `key`, of the type [`SignatureType::Ed25519`], has signed the
    /// text. Signatures by others are not looked at.
    ///
    /// # Errors
    /// [`NoteError::Missing`] or [`NoteError::Forged`].
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let line = self.by(key);
        let line = line.filter(|_| key.kind() == SignatureType::Ed25519);
        let line = line.ok_or_else(|| NoteError::Missing {
            name: key.name().clone(),
            id: key.id(),
        })?;
        if key.has_signed(self.text.as_bytes(), &line.signature) {
            return Ok(());
        }
        Err(NoteError::Forged {
            name: key.name().clone(),
            id: key.id(),
        })
    }

    /// The first signature that says it is by this key. Any others are not looked at:
    /// a published line, repeated until the note is full, would be verified a thousand
    /// times.
    pub(super) fn by(&self, key: &VerifierKey) -> Option<&SignatureLine> {
        self.signatures.iter().find(|line| line.is_by(key))
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_SIZE {
            return Err(NoteError::Size(note.len()));
        }
        // The last empty line is the one that ends the text.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Unsigned)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Unsigned)?;
        let text = format!("{text}\n");
        require_text(&text)?;
        let mut signatures = Vec::new();
        for (number, line) in lines.split('\n').enumerate() {
            if number == MOST_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(parse_line(line).ok_or(NoteError::SignatureLine(number + 1))?);
        }
        Ok(Self { text, signatures })
    }
}

fn require_text(text: &str) -> Result<(), NoteError> {
    let foreign = |c: char| c < ' ' && c != '\n';
    if text.ends_with('\n') && !text.contains(foreign) {
        Ok(())
    } else {
        Err(NoteError::Text)
    }
}
