//! The key under which token keys are sealed before they leave a node. It is the
//! operator's, in a file on each node, and never in the store.

use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use pennyblack_base::encoding;
use pennyblack_storage::atomic_file::{self, PrivateFileError};
use zeroize::Zeroizing;

/// Bytes of the key.
const KEY: usize = 32;
/// Bytes of its fingerprint.
pub(super) const FINGERPRINT: usize = 8;

/// A wrapping key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrappingKeyError {
    /// The file, or its mode.
    #[error(
        "token_keys.wrapping_key: {0}; all nodes need the same file, made once with \
         \"(umask 077; openssl rand -hex 32 > wrapping.key)\""
    )]
    File(#[from] PrivateFileError),
    /// The file does not hold a key.
    #[error(
        "token_keys.wrapping_key: {} does not hold 64 hexadecimal digits; make it once with \
         \"(umask 077; openssl rand -hex 32 > wrapping.key)\" and copy it to all nodes",
        .0.display()
    )]
    Form(PathBuf),
}

/// AES-256-GCM with random nonces: one for each change of the list of keys, a few
/// in a day, far from the 2^32 that they are good for (NIST SP 800-38D 8.3).
pub struct WrappingKey {
    key: RandomizedNonceKey,
    fingerprint: [u8; FINGERPRINT],
}

impl std::fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WrappingKey({})", hex::encode(self.fingerprint))
    }
}

impl WrappingKey {
    /// Reads the file, of mode 0600, with 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`WrappingKeyError`].
    pub fn read(path: &Path) -> Result<Self, WrappingKeyError> {
        let text = atomic_file::read_private(path)?;
        let mut bytes = Zeroizing::new([0; KEY]);
        let form = || WrappingKeyError::Form(path.to_owned());
        hex::decode_to_slice(text.trim_ascii(), &mut *bytes).map_err(|_| form())?;
        let mut named = Zeroizing::new(b"pennyblack wrapping key".to_vec());
        named.reserve_exact(KEY);
        named.extend_from_slice(&*bytes);
        let mut fingerprint = [0; FINGERPRINT];
        let digest = encoding::sha256(&named);
        fingerprint
            .iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &*bytes).map_err(|_| form())?;
        Ok(Self { key, fingerprint })
    }

    /// What tells wrapping keys apart and nothing more.
    #[must_use]
    pub const fn fingerprint(&self) -> [u8; FINGERPRINT] {
        self.fingerprint
    }

    /// Seals in place; the nonce, unless the machine fails.
    pub(super) fn seal(&self, context: &[u8], text: &mut Vec<u8>) -> Option<[u8; NONCE_LEN]> {
        let context = Aad::from(context);
        let sealed = self.key.seal_in_place_append_tag(context, text);
        sealed.ok().map(|nonce| *nonce.as_ref())
    }

    /// Opens in place; the text, if nothing was changed.
    pub(super) fn open<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        context: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(context), sealed);
        opened.ok().map(|text| &*text)
    }
}
