//! A CPS's key configurations, fetched from the CPS itself and compared with its log
//! (docs/protocol.md section 8.4): what is not announced there may be shown to us alone.
//! What was read is in the wallet before a key of it is used. Not here: when that is done
//! (`timer`). **No call does it**: the CPS sees who fetches, and would see when.

use std::sync::Arc;

use pennyblack_base::authority::Authority;
use pennyblack_base::service_paths::{OHTTP_GATEWAY_PATH, OHTTP_KEYS_MEDIA_TYPE};
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_evidence::oblivious_keys::{KeyConfigDigest, ObliviousKeys};
use pennyblack_evidence::oblivious_log::{
    CpsLogPolicy, NotAnnounced, NotFollowed, ObliviousLogError, ObliviousLogView,
};
use pennyblack_hpke::Kem;
use pennyblack_http::{HttpClient, HttpError, Request, RetryPolicy, ServiceAddress};
use pennyblack_ohttp::key_config::{KeyConfig, KeyConfigError};
use pennyblack_tlog::{VerifierKey, WitnessPolicy};

use super::{CpsKeys, TrustedKey, TrustedKeys};
use crate::log_source::ServedLog;
use crate::wallet::{RememberedKeys, Wallet, WalletError};

/// Why a CPS's key configurations are not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFetchError {
    /// The CPS was not reached, or refused.
    #[error("the key configurations of {cps}: {error}")]
    Http {
        /// The CPS.
        cps: Authority,
        /// What went wrong.
        error: HttpError,
    },
    /// It has no gateway.
    #[error(
        "{0} does not offer Oblivious HTTP: ask its operator, who sets [oblivious], or use no relay"
    )]
    NotOffered(Authority),
    /// Not a list of key configurations.
    #[error("the key configurations of {cps}: {error}")]
    List {
        /// The CPS.
        cps: Authority,
        /// What is wrong.
        error: KeyConfigError,
    },
    /// None that can be used now.
    #[error(
        "of the key configurations of {cps} none is good at {now} and of a KEM that is known: is \
         the clock of this machine right, and this program the newest?"
    )]
    NoneGood {
        /// The CPS.
        cps: Authority,
        /// The time.
        now: UnixTime,
    },
    /// The log cannot be followed, or is not to be trusted.
    #[error(transparent)]
    Log(#[from] ObliviousLogError),
    /// A configuration that the log does not account for.
    #[error(transparent)]
    NotAnnounced(#[from] NotAnnounced),
    /// The wallet could not be used.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl KeyFetchError {
    /// Whether the CPS contradicts what it has signed: nothing else than its operator helps.
    #[must_use]
    pub const fn is_untrusted(&self) -> bool {
        match self {
            Self::NotAnnounced(_) => true,
            Self::Log(error) => !error.may_pass(),
            _ => false,
        }
    }
}

/// Fetches key configurations into a wallet and into the hands of all who send.
#[derive(Clone)]
pub struct KeyFetcher {
    /// Where they are remembered.
    pub wallet: Wallet,
    /// The keys of CPSs' logs, from elsewhere. Of other CPSs the first that is shown is
    /// trusted, and no other from then on.
    pub log_keys: Vec<VerifierKey>,
    /// Who must have cosigned each of these logs.
    pub witnesses: WitnessPolicy,
    /// How long to keep trying.
    pub retry: RetryPolicy,
    /// Where they are used.
    pub keys: TrustedKeys,
}

impl KeyFetcher {
    /// Takes up what the wallet remembers, and asks nobody.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn recall(&self, cps: &Authority) -> Result<Arc<CpsKeys>, WalletError> {
        let named = cps.clone();
        let remembered = self
            .wallet
            .off_thread(move |wallet| wallet.oblivious_keys(&named));
        Ok(self.take_up(cps, remembered.await?))
    }

    /// Fetches the configurations of `cps` by `client`, which reaches it directly.
    ///
    /// # Errors
    /// [`KeyFetchError`]; what was trusted before stays so until it ends.
    pub async fn fetch(
        &self,
        client: &HttpClient,
        cps: &ServiceAddress,
        now: UnixTime,
    ) -> Result<Arc<CpsKeys>, KeyFetchError> {
        let served = self.served(client, cps).await?;
        let authority = cps.authority();
        // Each turn but the last is one in which another process has remembered more.
        loop {
            let named = authority.clone();
            let before = self
                .wallet
                .off_thread(move |wallet| wallet.oblivious_keys(&named))
                .await?;
            let (after, refused) = self.judge(client, cps, &served, &before, now).await;
            let (named, view) = (authority.clone(), before.view);
            let remembered = self.wallet.off_thread(move |wallet| {
                let is_kept = wallet.remember_oblivious_keys(&named, view.as_ref(), &after)?;
                Ok::<_, WalletError>(is_kept.then_some(after))
            });
            if let Some(remembered) = remembered.await? {
                let known = self.take_up(authority, remembered);
                return refused.map_or(Ok(known), Err);
            }
        }
    }

    async fn served(
        &self,
        client: &HttpClient,
        cps: &ServiceAddress,
    ) -> Result<Vec<KeyConfig>, KeyFetchError> {
        let authority = || cps.authority().clone();
        let request = Request::get(cps.url(OHTTP_GATEWAY_PATH), KeyConfig::MAX_LIST_SIZE)
            .header("accept", OHTTP_KEYS_MEDIA_TYPE);
        let failed = |error| KeyFetchError::Http {
            cps: authority(),
            error,
        };
        let answer = match client.send(&request, self.retry).await {
            Err(HttpError::Refused(refused)) if refused.status.as_u16() == 404 => {
                return Err(KeyFetchError::NotOffered(authority()));
            }
            answer => answer.map_err(failed)?,
        };
        let list = answer.content(OHTTP_KEYS_MEDIA_TYPE).map_err(failed)?;
        KeyConfig::parse_list(list).map_err(|error| KeyFetchError::List {
            cps: authority(),
            error,
        })
    }

    /// What is to be remembered of an answer, and what is wrong with it.
    async fn judge(
        &self,
        client: &HttpClient,
        cps: &ServiceAddress,
        served: &[KeyConfig],
        before: &RememberedKeys,
        now: UnixTime,
    ) -> (RememberedKeys, Option<KeyFetchError>) {
        let followed = self.follow(client, cps, before.view.clone(), now);
        let (view, judged) = match followed.await {
            Ok(view) => {
                let judged = require_announced(&view, served, cps, now);
                (Some(view), judged)
            }
            Err(NotFollowed { error, remembered }) => {
                let view = remembered.map(|view| *view);
                let view = view.or_else(|| before.view.clone());
                (view, Err(error.into()))
            }
        };
        // What was good before stays so, whatever was served now.
        let mut configs = before.configs.clone();
        if judged.is_ok() {
            for config in served {
                if !configs.contains(config) {
                    configs.push(config.clone());
                }
            }
        }
        configs.retain(|config| {
            let announced = view.as_ref().and_then(|view| announced(view, config).ok());
            announced.is_some_and(|key| now < key.announced().not_after)
        });
        let read = match &judged {
            Ok(()) => Some(now),
            Err(_) => before.read,
        };
        let error = judged.err();
        // Only a good answer clears a contradiction: one that did not come through, which a
        // CPS can bring about, would else let requests go directly.
        let refused = match &error {
            None => None,
            Some(error) if error.is_untrusted() => Some(error.to_string()),
            Some(_) => before.refused.clone(),
        };
        (
            RememberedKeys {
                view,
                configs,
                read,
                refused,
            },
            error,
        )
    }

    async fn follow(
        &self,
        client: &HttpClient,
        cps: &ServiceAddress,
        memory: Option<ObliviousLogView>,
        now: UnixTime,
    ) -> Result<ObliviousLogView, NotFollowed> {
        let name = format!("{}{LOG_PATH}", cps.authority());
        let mut keys = self.log_keys.iter();
        let policy = CpsLogPolicy {
            key: keys.find(|key| key.name().as_str() == name).cloned(),
            witnesses: self.witnesses.clone(),
        };
        let log = ServedLog {
            client,
            service: cps,
            retry: self.retry,
        };
        let before = memory.clone();
        let followed = ObliviousLogView::follow(cps.authority(), &policy, memory, now, &log);
        let view = followed.await?;
        if before.is_none() && policy.key.is_none() {
            let (cps, log_key) = (cps.authority(), view.log());
            tracing::warn!(%cps, %log_key, "this key of the CPS's log is trusted because it was the first: compare it with what the CPS's operator publishes, and name it in oblivious.log_keys, or with --log-key");
        }
        let known = before.map_or(0, |before| before.skipped().total());
        if view.skipped().total() > known {
            let (cps, skipped) = (cps.authority(), view.skipped());
            tracing::warn!(%cps, %skipped, "update this program: it does not know all that the CPS's log says");
        }
        Ok(view)
    }

    fn take_up(&self, cps: &Authority, remembered: RememberedKeys) -> Arc<CpsKeys> {
        let RememberedKeys {
            view,
            configs,
            read,
            refused,
        } = remembered;
        let configs = configs.iter();
        let keys = configs.filter_map(|config| announced(view.as_ref()?, config).ok());
        let known = CpsKeys {
            keys: keys.collect(),
            announced: view.as_ref().map(known_keys).unwrap_or_default(),
            read,
            refused,
        };
        self.keys.set(cps, known)
    }
}

/// Requires that a CPS serves announced configurations only, and all of the newest of them.
fn require_announced(
    view: &ObliviousLogView,
    served: &[KeyConfig],
    cps: &ServiceAddress,
    now: UnixTime,
) -> Result<(), KeyFetchError> {
    let keys: Result<Vec<_>, _> = served
        .iter()
        .map(|config| announced(view, config))
        .collect();
    let keys = CpsKeys {
        keys: keys?,
        announced: known_keys(view),
        read: Some(now),
        refused: None,
    };
    let served = keys.keys.iter().map(|key| key.announced().key_config);
    view.require_newest(&served.collect::<Vec<_>>(), is_known, now)?;
    // A good reading before everybody uses a key: nobody begins with it when they fetch again.
    let is_awaited = keys.announced.in_use(now).is_empty()
        && keys.keys.iter().any(|key| key.announced().is_good(now));
    match is_awaited || keys.newest(now).is_some() {
        true => Ok(()),
        false => Err(KeyFetchError::NoneGood {
            cps: cps.authority().clone(),
            now,
        }),
    }
}

fn is_known(kem_id: u16) -> bool {
    Kem::from_id(kem_id).is_some()
}

fn known_keys(view: &ObliviousLogView) -> ObliviousKeys {
    view.keys().of_kems(is_known)
}

fn announced(view: &ObliviousLogView, config: &KeyConfig) -> Result<TrustedKey, NotAnnounced> {
    let key = view.announced(KeyConfigDigest(config.digest()))?;
    if key.kem_id != config.kem().id() {
        let key_config = key.key_config;
        return Err(NotAnnounced::OtherKem { key_config });
    }
    Ok(TrustedKey::new(config.clone(), *key))
}

#[cfg(test)]
mod tests;
