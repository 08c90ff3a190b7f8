//! Keys that sign notes: their names, their ids, and the two strings in which
//! they are handed around (C2SP signed-note). Not here: notes.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use ed25519_dalek::{Signer as _, SigningKey};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use pennyblack_base::curve25519;
use pennyblack_base::encoding;

/// Bytes of an Ed25519 public key, and of a private one.
const KEY_SIZE: usize = 32;
/// Longest name of a key: a host, a port and a path.
const LONGEST_NAME: usize = 512;
/// Longest key string that is read.
const LONGEST_KEY: usize = LONGEST_NAME + 128;

/// What private keys begin with, so that nobody takes one for a public one.
const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// What a key signs, and how: the byte in front of it in key strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureType {
    /// 0x01: Ed25519 over a note's text.
    Ed25519,
    /// 0x04: Ed25519 over a checkpoint and a time (C2SP tlog-cosignature).
    CosignatureV1,
}

impl SignatureType {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::CosignatureV1 => 4,
        }
    }

    const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Ed25519),
            4 => Some(Self::CosignatureV1),
            _ => None,
        }
    }
}

/// A string that is not a key, or a name that no key can have. It holds nothing
/// of a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteKeyError {
    /// Empty, too long, or with a space, a plus or a control character.
    #[error(
        "{0:?} cannot be the name of a key: write a URL without its scheme, without spaces or plus signs"
    )]
    Name(String),
    /// Not the parts that a key string has.
    #[error("not a key: write <name>+<id>+<key>, as the log publishes it")]
    Form,
    /// A signature type that is not known here.
    #[error("the key of {name} has the signature type {byte:#04x}: 0x01 and 0x04 are known")]
    Type {
        /// Whose key.
        name: KeyName,
        /// Its signature type.
        byte: u8,
    },
    /// The id is not that of the name and the key.
    #[error("the key of {name} says it has the id {said}, and has {actual}: it was copied wrongly")]
    Id {
        /// Whose key.
        name: KeyName,
        /// The id in the string.
        said: KeyId,
        /// What the name and the key give.
        actual: KeyId,
    },
    /// Bytes under which anybody can sign anything, or that are no key at all.
    #[error("the key of {0} is not a sound Ed25519 key")]
    Unsound(KeyName),
}

/// The name of a key: for a log's, the log's origin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let foreign = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if text.is_empty() || text.len() > LONGEST_NAME || text.contains(foreign) {
            return Err(NoteKeyError::Name(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Four bytes that tell keys of one name apart. Not a strong hash: a key with a
/// certain id can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

impl KeyId {
    fn of(name: &KeyName, kind: SignatureType, public: &[u8; KEY_SIZE]) -> Self {
        let input = [name.as_str().as_bytes(), b"\n", &[kind.byte()], public].concat();
        let [a, b, c, d, ..] = encoding::sha256(&input);
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A public key that verifies notes. As text it is the C2SP verifier key,
/// `<name>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    kind: SignatureType,
    public: [u8; KEY_SIZE],
}

impl VerifierKey {
    /// A key from its parts.
    ///
    /// # Errors
    /// [`NoteKeyError::Unsound`].
    pub fn new(
        name: KeyName,
        kind: SignatureType,
        public: [u8; KEY_SIZE],
    ) -> Result<Self, NoteKeyError> {
        if !curve25519::is_reduced(&public) || curve25519::is_ed25519_of_small_order(&public) {
            return Err(NoteKeyError::Unsound(name));
        }
        Ok(Self {
            id: KeyId::of(&name, kind, &public),
            name,
            kind,
            public,
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Which of that name it is.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What it signs.
    #[must_use]
    pub const fn kind(&self) -> SignatureType {
        self.kind
    }

    /// The 32 bytes of the public key (RFC 8032).
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether its private key has made this signature of these bytes.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        key.verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind.byte()][..], &self.public].concat();
        let key = encoding::base64_standard(&key);
        write!(f, "{}+{}+{key}", self.name, self.id)
    }
}

impl FromStr for VerifierKey {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let parts = KeyParts::parse(text)?;
        let key = Self::new(parts.name, parts.kind, *parts.key)?;
        require_id(parts.id, &key)?;
        Ok(key)
    }
}

impl From<VerifierKey> for String {
    fn from(key: VerifierKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for VerifierKey {
    type Error = NoteKeyError;

    fn try_from(text: String) -> Result<Self, NoteKeyError> {
        text.parse()
    }
}

/// A private key that signs notes. As text (`to_secret_text`) it is the form that
/// Go's `sumdb/note` reads, too: `PRIVATE+KEY+<name>+<id>+<key>`.
pub struct NoteSigner {
    verifier: VerifierKey,
    /// Wiped when dropped.
    key: SigningKey,
}

impl NoteSigner {
    /// A fresh key.
    #[must_use]
    pub fn generate(name: KeyName, kind: SignatureType, rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; KEY_SIZE]);
        rng.fill_bytes(seed.as_mut_slice());
        Self::from_seed(name, kind, &seed)
    }

    fn from_seed(name: KeyName, kind: SignatureType, seed: &[u8; KEY_SIZE]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key().to_bytes();
        Self {
            verifier: VerifierKey {
                id: KeyId::of(&name, kind, &public),
                name,
                kind,
                public,
            },
            key,
        }
    }

    /// The public key.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The private key as text.
    #[must_use]
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut key = Zeroizing::new(vec![self.verifier.kind.byte()]);
        key.extend_from_slice(self.key.as_bytes());
        let key = Zeroizing::new(encoding::base64_standard(&key));
        let (name, id) = (&self.verifier.name, self.verifier.id);
        Zeroizing::new(format!("{PRIVATE_PREFIX}{name}+{id}+{}", key.as_str()))
    }

    /// Reads what [`Self::to_secret_text`] wrote.
    ///
    /// # Errors
    /// [`NoteKeyError`], which tells nothing of the key.
    pub fn from_secret_text(text: &str) -> Result<Self, NoteKeyError> {
        let text = text
            .strip_prefix(PRIVATE_PREFIX)
            .ok_or(NoteKeyError::Form)?;
        let parts = KeyParts::parse(text)?;
        let signer = Self::from_seed(parts.name, parts.kind, &parts.key);
        require_id(parts.id, &signer.verifier)?;
        Ok(signer)
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

/// What both strings have in common.
struct KeyParts {
    name: KeyName,
    id: KeyId,
    kind: SignatureType,
    key: Zeroizing<[u8; KEY_SIZE]>,
}

impl KeyParts {
    fn parse(text: &str) -> Result<Self, NoteKeyError> {
        if text.len() > LONGEST_KEY {
            return Err(NoteKeyError::Form);
        }
        // A name has no plus, the base64 of a key may have.
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or(NoteKeyError::Form);
        let (name, id, key) = (part()?, part()?, part()?);
        let name: KeyName = name.parse()?;
        let key = encoding::from_base64_standard(key).map_err(|_| NoteKeyError::Form)?;
        let key = Zeroizing::new(key);
        let (&byte, key) = key.split_first().ok_or(NoteKeyError::Form)?;
        let Some(kind) = SignatureType::of_byte(byte) else {
            return Err(NoteKeyError::Type { name, byte });
        };
        Ok(Self {
            id: parse_id(id).ok_or(NoteKeyError::Form)?,
            key: Zeroizing::new(key.try_into().map_err(|_| NoteKeyError::Form)?),
            name,
            kind,
        })
    }
}

/// Eight lower-case hexadecimal digits.
fn parse_id(text: &str) -> Option<KeyId> {
    let id = KeyId(u32::from_str_radix(text, 16).ok()?);
    (id.to_string() == text).then_some(id)
}

fn require_id(said: KeyId, key: &VerifierKey) -> Result<(), NoteKeyError> {
    if said == key.id {
        return Ok(());
    }
    Err(NoteKeyError::Id {
        name: key.name.clone(),
        said,
        actual: key.id,
    })
}
