//! Many clients that nothing links, for services that send a request by each: the CAs are
//! read once, since a system's 146 certificates cost more than the request. Not here: what a
//! client does.

use reqwest::Client;
use rustls::ClientConfig;
use rustls::client::Resumption;

use super::tls::trusting;
use super::{HttpClient, HttpError, HttpOptions, RouteError};

/// Makes clients that have nothing in common but whom they trust.
#[derive(Debug, Clone)]
pub struct FreshClients {
    options: HttpOptions,
    tls: ClientConfig,
}

impl HttpOptions {
    /// Reads the CAs, for clients that are made by [`FreshClients::client`]. CAs that are
    /// renewed are read by the next call of this.
    ///
    /// # Errors
    /// [`HttpError::CaFile`] or [`HttpError::Tls`].
    pub fn fresh_clients(&self) -> Result<FreshClients, HttpError> {
        let tls = trusting(&self.trust_roots, self.trust_roots.read()?)?;
        let mut tls = tls.with_no_client_auth();
        // **A session that is resumed says that two requests have one sender.**
        tls.resumption = Resumption::disabled();
        // One request: HTTP/2 would cost a round of settings first.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(FreshClients {
            options: self.clone(),
            tls,
        })
    }
}

impl FreshClients {
    /// As [`HttpOptions::check_way`].
    ///
    /// # Errors
    /// [`RouteError`].
    pub fn check_way(&self, url: &str) -> Result<(), RouteError> {
        self.options.check_way(url)
    }

    /// As [`HttpOptions::allows_direct`].
    #[must_use]
    pub fn allows_direct(&self) -> bool {
        self.options.allows_direct()
    }

    /// A client with connections and TLS sessions of its own, for one request: it speaks
    /// HTTP/1.1.
    ///
    /// # Errors
    /// [`HttpError::Build`].
    pub fn client(&self) -> Result<HttpClient, HttpError> {
        self.options.build(|| {
            let builder = Client::builder().tls_backend_preconfigured(self.tls.clone());
            Ok(builder.http1_only())
        })
    }
}
