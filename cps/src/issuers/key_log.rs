//! An issuer's log of token keys (docs/protocol.md section 7.5), followed and
//! remembered: a key that is not in it may be one that the issuer shows to some
//! carriers alone. Not here: what a log must be like to be trusted.

use std::io;
use std::path::PathBuf;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::{
    CLOCK_TOLERANCE, FollowError, KeyLogView, KeyNotLogged, LogPolicy, NotFollowed,
    RememberedError, follow,
};
use pennyblack_privacypass::directory::IssuerDirectory;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_storage::{atomic_file, limited_file};
use tokio::task::spawn_blocking;

use super::fetch::Fetcher;

/// A log that cannot be gone by.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyLogError {
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Remembered {
        path: PathBuf,
        error: RememberedError,
    },
}

/// The keys of a directory, by what the log says of them.
#[derive(Debug, Default)]
pub(super) struct Sifted {
    /// Those that are in the log, for the time in the directory.
    pub(super) logged: Vec<TokenKeyId>,
    /// Those that are not, and were taken out.
    pub(super) unlogged: Vec<KeyNotLogged>,
    /// The newest key that has begun by the log, if the directory leaves it out: carriers
    /// draw of that one or of none.
    pub(super) withheld: Option<TokenKeyId>,
}

/// The log of one issuer.
#[derive(Debug)]
pub(super) struct KeyLog {
    issuer: Authority,
    policy: LogPolicy,
    file: PathBuf,
    view: Option<KeyLogView>,
}

impl KeyLog {
    /// With what `file` remembers of it.
    pub(super) fn open(
        issuer: Authority,
        policy: LogPolicy,
        file: PathBuf,
    ) -> Result<Self, KeyLogError> {
        let view = match limited_file::read_text(&file, KeyLogView::MAX_JSON_SIZE) {
            Ok(json) => {
                let view = KeyLogView::from_json(&json);
                let path = file.clone();
                Some(view.map_err(|error| KeyLogError::Remembered { path, error })?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(KeyLogError::File { path: file, error }),
        };
        Ok(Self {
            issuer,
            policy,
            file,
            view,
        })
    }

    /// Takes the keys out of a directory that are neither `known` nor in the log,
    /// and tells them. What was read of the log `now` is on disk when this returns.
    pub(super) async fn sift(
        &mut self,
        directory: &mut IssuerDirectory,
        known: &[TokenKeyId],
        fetcher: &Fetcher,
        now: UnixTime,
    ) -> Result<Sifted, KeyLogError> {
        let followed = follow(&self.issuer, &self.policy, self.view.clone(), fetcher, now);
        let view = match followed.await {
            Ok(None) => return Ok(Sifted::default()),
            Ok(Some(view)) => view,
            Err(NotFollowed { error, signed }) => {
                // What was signed is remembered, whatever is wrong with it.
                if let Some(view) = signed {
                    self.persist(&view).await?;
                    self.view = Some(*view);
                }
                return Err(error.into());
            }
        };
        self.persist(&view).await?;
        let newest = view.newest_key(now.minus(CLOCK_TOLERANCE));
        let is_listed = |key: &TokenKeyId| directory.token_keys.iter().any(|it| it.id() == *key);
        let mut sifted = Sifted {
            withheld: newest.filter(|newest| !is_listed(newest)),
            ..Sifted::default()
        };
        directory.token_keys.retain(|listed| {
            // Keys of other types are nobody's to log, and not taken anyway.
            let taken = listed.token_type.authenticator_size().is_some();
            if !taken || known.contains(&listed.id()) {
                return true;
            }
            match view.require(listed) {
                Ok(()) => sifted.logged.push(listed.id()),
                Err(refusal) => {
                    sifted.unlogged.push(refusal);
                    return false;
                }
            }
            true
        });
        self.view = Some(view);
        Ok(sifted)
    }

    async fn persist(&self, view: &KeyLogView) -> Result<(), KeyLogError> {
        if self.view.as_ref() == Some(view) {
            return Ok(());
        }
        let json = view.to_json().map_err(|error| KeyLogError::Remembered {
            path: self.file.clone(),
            error,
        })?;
        let file = self.file.clone();
        let written =
            spawn_blocking(move || atomic_file::write_public(&file, json.as_bytes())).await;
        let written = written
            .map_err(io::Error::other)
            .and_then(|written| written);
        written.map_err(|error| KeyLogError::File {
            path: self.file.clone(),
            error,
        })
    }
}
