//! An issuer's log of token keys (docs/protocol.md section 7.5), followed and
//! remembered: a key that is not in it may be one that the issuer shows to some
//! carriers alone. Not here: what a log must be like to be trusted.

use std::io;
use std::path::PathBuf;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::{
    CLOCK_TOLERANCE, Demand, FollowError, KeyLogView, KeyNotLogged, LogPolicy, NotFollowed,
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
}

/// What a log says of the keys together, whatever the directory has.
#[derive(Debug, Default)]
pub(super) struct LogSays {
    /// The newest key that has begun by the log, if the directory leaves it out: carriers
    /// draw of that one or of none.
    pub(super) withheld: Option<TokenKeyId>,
    /// Those of the `known` and listed keys that were given up before they signed anything.
    pub(super) given_up: Vec<TokenKeyId>,
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

    /// Reads what is new in the log `now`; it is on disk when this returns. What the log then
    /// says of keys that are `listed` or `known`.
    pub(super) async fn read(
        &mut self,
        listed: &[TokenKeyId],
        known: &[TokenKeyId],
        fetcher: &Fetcher,
        now: UnixTime,
    ) -> Result<LogSays, KeyLogError> {
        let followed = follow(&self.issuer, &self.policy, self.view.clone(), fetcher, now);
        let view = match followed.await {
            Ok(None) => return Ok(LogSays::default()),
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
        if let Some(skipped) = view.newly_skipped(self.view.as_ref()) {
            let issuer = &self.issuer;
            tracing::warn!(%issuer, %skipped, "update this program: it does not know all that the issuer's log says");
        }
        let newest = view.newest_key(now.minus(CLOCK_TOLERANCE));
        let all = listed.iter().chain(known).copied();
        let says = LogSays {
            withheld: newest.filter(|newest| !listed.contains(newest)),
            given_up: all.filter(|key| view.is_given_up(*key)).collect(),
        };
        self.view = Some(view);
        Ok(says)
    }

    /// Takes the keys out of a directory that are neither `known` nor in the log as it was
    /// read last, or that were given up there, and tells them.
    pub(super) fn sift(&self, directory: &mut IssuerDirectory, known: &[TokenKeyId]) -> Sifted {
        let mut sifted = Sifted::default();
        let Some(view) = self
            .view
            .as_ref()
            .filter(|_| self.policy.demand != Demand::Off)
        else {
            return sifted;
        };
        directory.token_keys.retain(|listed| {
            // Keys of other types are nobody's to log, and not taken anyway.
            if listed.token_type.authenticator_size().is_none() {
                return true;
            }
            let id = listed.id();
            let refusal = match view.require(listed) {
                _ if view.is_given_up(id) => KeyNotLogged::GivenUp(id),
                _ if known.contains(&id) => return true,
                Ok(()) => {
                    sifted.logged.push(id);
                    return true;
                }
                Err(refusal) => refusal,
            };
            sifted.unlogged.push(refusal);
            false
        });
        sifted
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
