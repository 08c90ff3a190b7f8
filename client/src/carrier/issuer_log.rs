//! No token is drawn of a key that the issuer shows to one carrier alone: the key
//! must be in the issuer's log (docs/protocol.md section 7.5), which is read before
//! each new draw, and remembered in the wallet. Not here: what a log must be like
//! to be trusted.

use pennyblack_evidence::key_log_view::{KeyLogView, LOG_PATH, follow};
use pennyblack_privacypass::directory::IssuerDirectory;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_tlog::LogSource;
use pennyblack_tlog::reader::SourceError;

use super::{Carrier, CarrierError};
use crate::wallet::{Wallet, WalletError};
use pennyblack_http::{HttpClient, Request, RetryPolicy, ServiceAddress};

impl Carrier {
    /// Requires that the key of the directory is in the issuer's log, if the policy
    /// demands it. What was read of the log is on disk when this returns.
    pub(super) async fn require_logged(
        &self,
        client: &HttpClient,
        wallet: &Wallet,
        directory: &IssuerDirectory,
        key: TokenKeyId,
    ) -> Result<(), CarrierError> {
        let Some(view) = self.issuer_log(client, wallet).await? else {
            return Ok(());
        };
        let mut keys = directory.token_keys.iter();
        let listed = keys.find(|listed| listed.id() == key);
        listed.map_or(Ok(()), |listed| Ok(view.require(listed)?))
    }

    /// Reads the issuer's log to its end and remembers it; `None` if there is none
    /// and none is demanded.
    ///
    /// # Errors
    /// [`CarrierError::IssuerLog`] or [`CarrierError::Wallet`].
    pub async fn issuer_log(
        &self,
        client: &HttpClient,
        wallet: &Wallet,
    ) -> Result<Option<KeyLogView>, CarrierError> {
        let issuer = self.issuer.authority().clone();
        let memory = wallet
            .off_thread({
                let issuer = issuer.clone();
                move |wallet| wallet.issuer_log(&issuer)
            })
            .await?;
        let served = Served {
            client,
            issuer: &self.issuer,
            retry: self.retry,
        };
        let Some(view) = follow(&issuer, &self.log, memory, &served).await? else {
            return Ok(None);
        };
        let view = wallet
            .off_thread(move |wallet| {
                wallet.remember_issuer_log(&issuer, &view)?;
                Ok::<_, WalletError>(view)
            })
            .await?;
        Ok(Some(view))
    }
}

/// The log as the issuer serves it.
struct Served<'a> {
    client: &'a HttpClient,
    issuer: &'a ServiceAddress,
    retry: RetryPolicy,
}

impl LogSource for Served<'_> {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let url = self.issuer.url(&format!("{LOG_PATH}/{path}"));
        let request = Request::get(url.clone(), max);
        let found = self.client.find(&request, self.retry).await;
        found
            .map(|found| found.map(Vec::from))
            .map_err(|error| SourceError {
                path: url,
                error: error.into(),
            })
    }
}
