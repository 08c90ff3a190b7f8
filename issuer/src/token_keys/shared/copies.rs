//! Files of the VOPRF keys that are in the shared list, in the node's data
//! directory: a CPS of the same operator verifies tokens with them
//! (docs/token-types.md). Blind RSA keys stay in memory, since nobody else needs
//! their private halves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenType;

use crate::token_keys::key_files::KeyFiles;
use crate::token_keys::{KeyError, KeyStore as _, TokenKey};

/// The files, and the number of their list; 0 before the first.
#[derive(Debug)]
pub(super) struct Copies {
    files: KeyFiles,
    number: AtomicU64,
}

impl Copies {
    pub(super) const fn new(files: KeyFiles) -> Self {
        Self {
            files,
            number: AtomicU64::new(0),
        }
    }

    /// Makes the files those of list `number`: called again after a failure, it goes
    /// on where it was.
    pub(super) fn follow(&self, number: u64, keys: &[Arc<TokenKey>]) -> Result<(), KeyError> {
        if self.number.load(Ordering::Relaxed) == number {
            return Ok(());
        }
        let there = self.files.load(UnixTime(0))?;
        let wanted = keys.iter().filter(|key| is_voprf(key));
        for key in wanted.filter(|key| !contains(&there, key)) {
            self.files.add(&there, key)?;
        }
        for gone in there.iter().filter(|key| !contains(keys, key)) {
            self.files.delete(gone)?;
        }
        self.number.store(number, Ordering::Relaxed);
        Ok(())
    }
}

fn is_voprf(key: &TokenKey) -> bool {
    key.token_type() != TokenType::BLIND_RSA_2048
}

fn contains(keys: &[Arc<TokenKey>], key: &TokenKey) -> bool {
    keys.iter().any(|other| other.id() == key.id())
}
