//! The private halves of VOPRF token keys, where issuer and CPS have one operator:
//! read from the issuer's own directory of keys. Without them VOPRF tokens cannot
//! be verified, and are not taken.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pennyblack_privacypass::blind_rsa::PublicKeyError;
use pennyblack_privacypass::token_key::TokenVerifier;
use pennyblack_privacypass::voprf::{VoprfPublicKey, VoprfSecretKey};
use pennyblack_storage::atomic_file::{self, PrivateFileError};
use zeroize::Zeroizing;

/// Why tokens of a key cannot be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierError {
    /// A blind RSA key that the library does not take.
    #[error(transparent)]
    BlindRsa(PublicKeyError),
    /// Nobody said where the private keys are.
    #[error(
        "its tokens are VOPRF tokens, which only the issuer's private key verifies: set \
         issuer.voprf_keys to the issuer's directory of keys, or have it sign blind RSA tokens"
    )]
    NotConfigured,
    /// The directory.
    #[error("{}: {error}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// A key file that is unreadable, or readable for others.
    #[error(transparent)]
    Private(#[from] PrivateFileError),
    /// The directory has no file of this key.
    #[error("no file in {} has the private half of it", .0.display())]
    Missing(PathBuf),
    /// The file holds something else.
    #[error("{} does not hold the private half of it", .0.display())]
    OtherKey(PathBuf),
}

/// Where the private keys of one issuer are, if anywhere.
#[derive(Debug, Clone, Default)]
pub struct VoprfKeys(Option<PathBuf>);

impl VoprfKeys {
    /// In this directory of key files.
    #[must_use]
    pub const fn new(directory: Option<PathBuf>) -> Self {
        Self(directory)
    }

    /// Finds the private half of a key. The issuer names its files after the key's id.
    ///
    /// # Errors
    /// [`VerifierError`].
    pub fn find(&self, public: &VoprfPublicKey) -> Result<TokenVerifier, VerifierError> {
        let directory = self.0.as_deref().ok_or(VerifierError::NotConfigured)?;
        let path = path_of(directory, public)?;
        let contents = atomic_file::read_private(&path)?;
        let digits = contents.trim_ascii();
        let mut scalar = Zeroizing::new(vec![0; digits.len() / 2]);
        let read = hex::decode_to_slice(digits, &mut scalar).ok();
        read.and_then(|()| VoprfSecretKey::from_bytes(public.kind(), &scalar).ok())
            .filter(|secret| secret.public() == public)
            .map(TokenVerifier::Voprf)
            .ok_or(VerifierError::OtherKey(path))
    }
}

fn path_of(directory: &Path, public: &VoprfPublicKey) -> Result<PathBuf, VerifierError> {
    let failed = |error| VerifierError::Directory {
        path: directory.to_owned(),
        error,
    };
    let id = public.id().to_string();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if stem.is_some_and(|stem| stem.ends_with(&id)) {
            return Ok(path);
        }
    }
    Err(VerifierError::Missing(directory.to_owned()))
}

#[cfg(test)]
mod tests {
    use pennyblack_privacypass::voprf::VoprfKind;

    use super::*;

    #[test]
    fn a_key_is_found_by_its_id_and_no_other_is_taken_for_it() {
        let home = tempfile::tempdir().unwrap();
        let keys = VoprfKeys::new(Some(home.path().to_owned()));
        let kind = VoprfKind::Ristretto255;
        let write = |name: &VoprfSecretKey, contents: &VoprfSecretKey| {
            let name = format!("000000000001-{}.voprf-ristretto255", name.public().id());
            let digits = hex::encode(contents.to_bytes());
            atomic_file::write_private(&home.path().join(name), digits.as_bytes()).unwrap();
        };
        let [good, confused, missing] = [(); 3].map(|()| VoprfSecretKey::generate(kind).unwrap());
        write(&good, &good);
        write(&confused, &good);
        assert_eq!(keys.find(good.public()).unwrap().id(), good.public().id());
        let refused = |key: &VoprfSecretKey| keys.find(key.public()).unwrap_err();
        assert!(matches!(refused(&confused), VerifierError::OtherKey(_)));
        assert!(matches!(refused(&missing), VerifierError::Missing(_)));
        let nowhere = VoprfKeys::default().find(good.public()).unwrap_err();
        assert!(matches!(nowhere, VerifierError::NotConfigured));
    }
}
