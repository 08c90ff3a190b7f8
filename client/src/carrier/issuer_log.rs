//! No token is drawn of a key that the issuer shows to one carrier alone: the key
//! must be in the issuer's log (docs/protocol.md section 7.5), which is read before
//! each new draw, and remembered in the wallet. Not here: what a log must be like
//! to be believed.

use http::StatusCode;
use pennyblack_evidence::key_log_view::{KeyLogView, LOG_PATH, follow};
use pennyblack_privacypass::directory::IssuerDirectory;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_tlog::LogSource;
use pennyblack_tlog::reader::SourceError;

use super::{Carrier, CarrierError};
use crate::wallet::{Wallet, WalletError};
use pennyblack_http::{HttpClient, HttpError, Patience, Request, ServiceAddress};

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
            patience: self.patience,
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
    patience: Patience,
}

impl LogSource for Served<'_> {
    async fn read(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let url = self.issuer.url(&format!("{LOG_PATH}/{path}"));
        let request = Request::get(url.clone(), most);
        match self.client.send(&request, self.patience).await {
            Ok(answer) => Ok(Some(answer.body.to_vec())),
            Err(HttpError::Refused(refused)) if refused.status == StatusCode::NOT_FOUND => Ok(None),
            Err(error) => Err(SourceError {
                path: url,
                error: error.into(),
            }),
        }
    }
}
