//! A witness of transparency logs (C2SP tlog-witness): it cosigns the checkpoints of
//! the logs that it knows as long as each is consistent with the last one that it
//! saw, so that no operator can show two readers two logs without being refused
//! here. Not here: the decision itself (`pennyblack_tlog::witness`), and
//! asking witnesses, which the logs do.

mod last_seen;
mod server;
mod witness_key;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use pennyblack_base::time::UnixTime;
use pennyblack_storage::disk::{OpenDiskError, RealDisk};
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::witness::{WitnessRefusal, origin_in_path};
use pennyblack_tlog::{
    AddCheckpoint, Cosigner, KeyName, SignatureLine, SignedCheckpoint, VerifierKey,
};

pub use self::last_seen::LastSeenError;
pub use self::server::{WitnessServer, limits};
pub use self::witness_key::WitnessKeyError;

use self::last_seen::LastSeen;

/// Why a witness cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenWitnessError {
    /// Its directory is in use or cannot be.
    #[error(transparent)]
    Directory(#[from] OpenDiskError),
    /// Its directory cannot be made durable.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which directory.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// Its key.
    #[error(transparent)]
    Key(#[from] WitnessKeyError),
    /// What it has seen.
    #[error(transparent)]
    LastSeen(#[from] LastSeenError),
    /// A key with which no log signs.
    #[error("the key of {0} is a witness's: name the keys of logs, of the signature type 0x01")]
    NotALog(KeyName),
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotCosigned {
    /// It must not be.
    #[error(transparent)]
    Refused(#[from] WitnessRefusal),
    /// It could not be made durable that it was seen.
    #[error(transparent)]
    LastSeen(#[from] LastSeenError),
    /// A decision on this log was broken off by an error of this program; what was
    /// seen last is not certain until the next start.
    #[error("an earlier decision on this log was broken off: start the witness again")]
    Uncertain,
}

/// A witness with its key and all that it has seen, which lie in one directory:
/// with the key alone it could cosign what contradicts an earlier cosignature.
#[derive(Debug)]
pub struct Witness {
    cosigner: Cosigner,
    logs: BTreeMap<String, WatchedLog>,
    /// Keeps other processes out of the directory.
    _directory: RealDisk,
}

/// One log.
#[derive(Debug)]
struct WatchedLog {
    /// Several only while its operator changes from one to the next.
    keys: Vec<VerifierKey>,
    /// Held from the decision until what was decided is durable.
    last: Mutex<LastSeen>,
}

impl Witness {
    /// Opens the directory of a witness with this name, or makes a witness with a
    /// fresh key there, which cosigns for these logs. A key that was there before may have
    /// cosigned for any log: one of which it is not recorded there what was seen is
    /// refused, unless [`Self::begin_log`] was called for it. Reads and writes the disk.
    ///
    /// # Errors
    /// [`OpenWitnessError`]; above all if what was seen before cannot be relied upon.
    pub fn open(
        path: &Path,
        name: &KeyName,
        logs: impl IntoIterator<Item = VerifierKey>,
    ) -> Result<Self, OpenWitnessError> {
        let directory = RealDisk::open(path)?;
        // What a life before left here may not be on the disk yet, if it was killed.
        let sync = File::open(path).and_then(|directory| directory.sync_all());
        sync.map_err(|error| OpenWitnessError::Io {
            path: path.to_owned(),
            error,
        })?;
        let keys = by_origin(logs)?;
        let cosigner = match witness_key::load(path, Some(name))? {
            Some(cosigner) => cosigner,
            None => begin(path, name, &keys)?,
        };
        let log = |(origin, keys): (String, Vec<_>)| {
            let last = Mutex::new(LastSeen::load(path, &origin, &keys, cosigner.verifier())?);
            Ok((origin, WatchedLog { keys, last }))
        };
        let logs: Result<_, LastSeenError> = keys.into_iter().map(log).collect();
        Ok(Self {
            cosigner,
            logs: logs?,
            _directory: directory,
        })
    }

    /// Records in the directory of a witness that it never knew the log with this key,
    /// on the word of its operator. The witness must not be at work.
    ///
    /// # Errors
    /// [`OpenWitnessError`]; above all if the log is known there.
    pub fn begin_log(path: &Path, log: &VerifierKey) -> Result<(), OpenWitnessError> {
        require_log(log)?;
        let _directory = RealDisk::open(path)?;
        let cosigner = witness_key::load(path, None)?;
        let witness = cosigner.as_ref().map(Cosigner::verifier);
        Ok(LastSeen::begin(path, log.name().as_str(), witness)?)
    }

    /// The last checkpoint that was cosigned of a log, which is named as in
    /// [`pennyblack_tlog::witness::origin_in_path`]: what proves that another one is
    /// refused with reason. Waits for a decision on that log: not for an async context.
    ///
    /// # Errors
    /// [`NotCosigned::Uncertain`].
    pub fn last_checkpoint(&self, log: &str) -> Result<Option<SignedCheckpoint>, NotCosigned> {
        let mut logs = self.logs.iter();
        let Some((_, log)) = logs.find(|(origin, _)| origin_in_path(origin) == log) else {
            return Ok(None);
        };
        let last = log.last.lock().map_err(|_| NotCosigned::Uncertain)?;
        Ok(last.checkpoint().cloned())
    }

    /// The key with which its cosignatures are verified.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        self.cosigner.verifier()
    }

    /// Cosigns a checkpoint, if it continues what was seen of its log. That it was
    /// seen is durable before this returns. One decision on a log at a time; writes
    /// the disk, and runs to its end once begun: not for an async context.
    ///
    /// # Errors
    /// [`NotCosigned`].
    pub fn add_checkpoint(
        &self,
        request: &AddCheckpoint,
        now: UnixTime,
    ) -> Result<SignatureLine, NotCosigned> {
        let origin = &request.checkpoint.checkpoint().origin;
        let unknown = || WitnessRefusal::UnknownLog(origin.clone());
        let log = self.logs.get(origin).ok_or_else(unknown)?;
        let mut last = log.last.lock().map_err(|_| NotCosigned::Uncertain)?;
        match request.verify(&log.keys, last.head()) {
            Ok(_) => last.advance(&request.checkpoint)?,
            Err(refusal) => {
                if matches!(refusal, WitnessRefusal::Fork { .. }) {
                    last.persist_evidence(&request.checkpoint)?;
                }
                return Err(refusal.into());
            }
        }
        Ok(request.cosign(&self.cosigner, now))
    }
}

/// The keys of logs, by the log.
fn by_origin(
    logs: impl IntoIterator<Item = VerifierKey>,
) -> Result<BTreeMap<String, Vec<VerifierKey>>, OpenWitnessError> {
    let mut keys = BTreeMap::<String, Vec<VerifierKey>>::new();
    for key in logs {
        require_log(&key)?;
        keys.entry(key.name().to_string()).or_default().push(key);
    }
    Ok(keys)
}

fn require_log(key: &VerifierKey) -> Result<(), OpenWitnessError> {
    match key.kind() {
        SignatureType::Ed25519 => Ok(()),
        _ => Err(OpenWitnessError::NotALog(key.name().clone())),
    }
}

/// Makes the key of a witness that has cosigned nothing. It is written last: whatever
/// breaks off before leaves a directory without a key, in which this begins again.
fn begin(
    path: &Path,
    name: &KeyName,
    logs: &BTreeMap<String, Vec<VerifierKey>>,
) -> Result<Cosigner, OpenWitnessError> {
    witness_key::require_unused(path)?;
    let signer = witness_key::generate(name);
    for origin in logs.keys() {
        LastSeen::begin_again(path, origin, signer.verifier())?;
    }
    Ok(witness_key::keep(path, signer)?)
}

#[cfg(test)]
mod tests;
