//! What is made of options once, and again when their CAs are renewed. Not here: when their
//! file is read again (`authorities`).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::authorities::Authorities;
use super::{FreshClients, HttpClient, HttpError, HttpOptions};

/// What is made of options once, and again when their CAs are renewed.
pub struct Kept<T> {
    options: HttpOptions,
    make: fn(&HttpOptions) -> Result<T, HttpError>,
    made: Mutex<(Option<Arc<Authorities>>, T)>,
}

/// A client that keeps its connections until then.
pub type KeptClient = Kept<HttpClient>;

/// Clients that have nothing in common but whom they trust.
pub type KeptFreshClients = Kept<FreshClients>;

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl Kept<HttpClient> {
    /// Makes it for the first time.
    ///
    /// # Errors
    /// As [`HttpOptions::client`].
    pub fn open(options: HttpOptions) -> Result<Self, HttpError> {
        Self::made(options, HttpOptions::client)
    }
}

impl Kept<FreshClients> {
    /// Makes it for the first time.
    ///
    /// # Errors
    /// As [`HttpOptions::fresh_clients`].
    pub fn open(options: HttpOptions) -> Result<Self, HttpError> {
        Self::made(options, HttpOptions::fresh_clients)
    }
}

impl<T: Clone> Kept<T> {
    fn made(
        options: HttpOptions,
        make: fn(&HttpOptions) -> Result<T, HttpError>,
    ) -> Result<Self, HttpError> {
        let authorities = options.trust_roots.renewed();
        let first = make(&options)?;
        Ok(Self {
            options,
            make,
            made: Mutex::new((authorities, first)),
        })
    }

    /// That of the CAs as they were read last.
    #[must_use]
    pub fn current(&self) -> T {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.options.trust_roots.renewed();
        let is_same = match (&made.0, &now) {
            (Some(of), Some(now)) => Arc::ptr_eq(of, now),
            (of, now) => of.is_none() && now.is_none(),
        };
        if !is_same {
            match (self.make)(&self.options) {
                Ok(new) => made.1 = new,
                Err(error) => {
                    tracing::error!(%error, "no client was made with new CAs: the old one stays");
                }
            }
            // It is not tried again before they change again.
            made.0 = now;
        }
        made.1.clone()
    }
}
