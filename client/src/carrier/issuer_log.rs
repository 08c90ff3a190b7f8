//! No token is drawn of a key that the issuer shows to one carrier alone: the key
//! must be the newest in the issuer's log (docs/protocol.md section 7.5), which is read
//! once at each visit, and remembered in the wallet. Not here: what a log must be like
//! to be trusted, and which of its keys is the newest.

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::{KeyLogView, LogPolicy, NotFollowed, follow};
use pennyblack_privacypass::directory::{DirectoryKey, IssuerDirectory};
use pennyblack_privacypass::token_key::TokenKey;

use super::{Carrier, CarrierError, current_key};
use crate::log_source::ServedLog;
use crate::wallet::{KeyStanding, Wallet, WalletError};
use pennyblack_http::HttpClient;

/// What the issuer says of its keys at one time: its directory, and its log, which is read
/// once and after the directory.
pub(super) struct IssuerKeys {
    pub(super) directory: IssuerDirectory,
    /// `None` if there is no log and none is demanded.
    log: Result<Option<Arc<KeyLogView>>, CarrierError>,
}

impl IssuerKeys {
    /// The key that signs now. It must be the one of the issuer's log that everybody draws
    /// of, if the policy demands a log.
    pub(super) fn into_key_to_draw_of(
        self,
        policy: &LogPolicy,
        client: &HttpClient,
        now: UnixTime,
    ) -> Result<(IssuerDirectory, TokenKey), CarrierError> {
        let Self { directory, log } = self;
        let key = current_key(&directory, now).map_err(|error| error.by_the_clock_of(client))?;
        let id = key.id();
        let listed = directory.token_keys.iter().find(|listed| listed.id() == id);
        if let Some((view, listed)) = log?.zip(listed) {
            view.require(listed)?;
            view.require_newest(listed, policy.longest_epoch, now)?;
        }
        Ok((directory, key))
    }
}

impl Carrier {
    /// Asks the issuer for its directory and its log. What was read of the log is on disk
    /// when this returns.
    ///
    /// # Errors
    /// Those of the directory and of the wallet. What is wrong with the log keeps the carrier
    /// from a new draw only.
    pub(super) async fn issuer_keys(
        &self,
        client: &HttpClient,
        wallet: &Wallet,
        now: UnixTime,
    ) -> Result<IssuerKeys, CarrierError> {
        let directory = self.directory(client).await?;
        let log = match self.issuer_log(client, wallet, now).await {
            Err(error @ CarrierError::Wallet(_)) => return Err(error),
            log => log.map(|view| view.map(Arc::new)),
        };
        Ok(IssuerKeys { directory, log })
    }

    /// Looks after the tokens of keys that the directory does not list, as the issuer's
    /// log says. **Only the log ends a key**: one directory is one answer. When the log
    /// cannot be read, nothing follows; a draw will say why.
    pub(super) async fn sort_tokens(
        &self,
        wallet: &Wallet,
        keys: &IssuerKeys,
        now: UnixTime,
    ) -> Result<(), CarrierError> {
        let IssuerKeys { directory, log } = keys;
        let view = match log {
            Ok(view) => view.clone(),
            Err(error) => {
                tracing::warn!(%error, "the issuer's log is not current: no token is set aside");
                return Ok(());
            }
        };
        let issuer = self.issuer.authority().clone();
        let listed: Vec<_> = directory.token_keys.iter().map(DirectoryKey::id).collect();
        let newest = view.as_ref().and_then(|view| view.newest_key(now));
        let standing = move |key| match &view {
            Some(view) if view.is_over(key, now) => KeyStanding::Over,
            // A directory without keys says nothing of any.
            _ if listed.is_empty() || listed.contains(&key) => KeyStanding::Good,
            Some(_) if newest == Some(key) => KeyStanding::Good,
            Some(_) => KeyStanding::Unlisted,
            None => KeyStanding::UnlistedWithoutLog,
        };
        let tokens = wallet
            .off_thread(move |wallet| wallet.sort_keys(&issuer, standing, now))
            .await?;
        if tokens > 0 {
            tracing::info!(tokens, "set tokens aside whose key is no longer listed");
        }
        Ok(())
    }

    /// Reads the issuer's log to its end `now` and remembers it; `None` if there is none
    /// and none is demanded.
    ///
    /// # Errors
    /// [`CarrierError::IssuerLog`] or [`CarrierError::Wallet`].
    pub async fn issuer_log(
        &self,
        client: &HttpClient,
        wallet: &Wallet,
        now: UnixTime,
    ) -> Result<Option<KeyLogView>, CarrierError> {
        let served = ServedLog {
            client,
            service: &self.issuer,
            retry: self.retry,
        };
        // Each turn but the last is one in which another process has remembered more.
        loop {
            let issuer = self.issuer.authority().clone();
            let memory = wallet.off_thread({
                let issuer = issuer.clone();
                move |wallet| wallet.issuer_log(&issuer)
            });
            let memory = memory.await?;
            let followed = follow(&issuer, &self.log, memory.clone(), &served, now).await;
            let (view, refused) = match followed {
                Ok(view) => (view, None),
                // What was signed is remembered, whatever is wrong with it.
                Err(NotFollowed { error, signed }) => (signed.map(|it| *it), Some(error)),
            };
            let Some(view) = view else {
                return refused.map_or(Ok(None), |error| Err(error.into()));
            };
            let skipped = view.newly_skipped(memory.as_ref()).cloned();
            let remembered = wallet.off_thread(move |wallet| {
                let is_kept = wallet.remember_issuer_log(&issuer, memory.as_ref(), &view)?;
                Ok::<_, WalletError>(is_kept.then_some(view))
            });
            let remembered = remembered.await?;
            if let Some(skipped) = skipped.filter(|_| remembered.is_some()) {
                let issuer = self.issuer.authority();
                tracing::warn!(%issuer, %skipped, "update this program: it does not know all that the issuer's log says");
            }
            match (remembered, refused) {
                (Some(_), Some(error)) => return Err(error.into()),
                (Some(view), None) => return Ok(Some(view)),
                (None, _) => {}
            }
        }
    }
}
