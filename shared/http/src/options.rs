//! How services are reached: which authorities are trusted, through which proxy, and
//! how long a request may take.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Proxy};

use super::authorities::{Authorities, RenewedAuthorities, read_authorities, unusable};
use super::public_addresses::PublicAddresses;
use super::way::Way;
use super::{Deadline, HttpClient, HttpError, Route, RouteError};

/// How services are reached.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Whose certificates a service may have.
    pub trust_roots: TrustRoots,
    /// A proxy to go through, for example `http://relay.example:3128`. Run by
    /// somebody else, it keeps an OOB-AS's address from the CPS.
    pub proxy: Option<String>,
    /// How long one request may take, from connecting to the last byte.
    pub timeout: Duration,
    /// How long connecting may take, as a part of that.
    pub connect_timeout: Duration,
    /// Refuse names that lead to private, loopback or link-local addresses: for
    /// URLs that strangers chose.
    pub public_addresses_only: bool,
    /// When the operation ends that the clients are made for, whatever its requests come
    /// to; see [`HttpClient::within`] for a client that outlives operations.
    pub deadline: Option<Deadline>,
    /// By which way requests go that are not to go directly. The options above are those of
    /// the direct way.
    pub route: Option<Arc<dyn Route>>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            trust_roots: TrustRoots::System,
            proxy: None,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            public_addresses_only: false,
            deadline: None,
            route: None,
        }
    }
}

/// The certification authorities that may vouch for a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TrustRoots {
    /// Those of the system.
    #[default]
    System,
    /// Those of the system, and those in this PEM file.
    SystemAnd(PathBuf),
    /// Those of the system, and those of a file that is read again.
    SystemAndRenewed(RenewedAuthorities),
    /// Those in this PEM file and no others.
    Only(PathBuf),
}

impl TrustRoots {
    /// Those of the system, and those in `file` if there is one.
    #[must_use]
    pub fn system_and(file: Option<PathBuf>) -> Self {
        file.map_or(Self::System, Self::SystemAnd)
    }

    /// Those in `file`; without one, those of the system.
    #[must_use]
    pub fn only_or_system(file: Option<PathBuf>) -> Self {
        file.map_or(Self::System, Self::Only)
    }

    /// The CAs of the file, if there is one. Waits for the disk.
    pub(super) fn read(&self) -> Result<Vec<Vec<u8>>, HttpError> {
        match self {
            Self::System => Ok(Vec::new()),
            Self::SystemAnd(file) | Self::Only(file) => read_authorities(file),
            Self::SystemAndRenewed(renewed) => Ok(renewed.current().to_vec()),
        }
    }

    fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, HttpError> {
        Ok(match self {
            Self::System => builder,
            Self::SystemAnd(file) => builder.tls_certs_merge(certificates(file)?),
            Self::SystemAndRenewed(renewed) => {
                let ders = renewed.current();
                let certificates = of_ders(&ders).map_err(HttpError::Build)?;
                builder.tls_certs_merge(certificates)
            }
            Self::Only(file) => builder.tls_certs_only(certificates(file)?),
        })
    }

    /// The certificates of a file that is read again, as they were read last.
    pub(super) fn renewed(&self) -> Option<Arc<Authorities>> {
        match self {
            Self::SystemAndRenewed(renewed) => Some(renewed.current()),
            Self::System | Self::SystemAnd(_) | Self::Only(_) => None,
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, HttpError> {
    let ders = read_authorities(path)?;
    of_ders(&ders).map_err(|error| unusable(path, error.to_string()))
}

fn of_ders(ders: &[Vec<u8>]) -> Result<Vec<Certificate>, reqwest::Error> {
    let ders = ders.iter();
    ders.map(|der| Certificate::from_der(der)).collect()
}

impl HttpOptions {
    /// A client with connections and TLS sessions of its own. Whatever must not
    /// be linked with anything else, such as the storing of one PASSporT, is
    /// sent by a client of its own: a kept connection or a resumed session
    /// would tell the CPS that two stores have one OOB-AS.
    ///
    /// No client follows redirects, and no environment variable chooses a proxy. Each sends
    /// a request again, at once and on a new connection, if the service says that it has
    /// not begun to process it: services end HTTP/2 connections when they are shut down,
    /// and without TLS after every 128 KiB.
    ///
    /// # Errors
    /// [`HttpError::CaFile`] or [`HttpError::Build`].
    pub fn client(&self) -> Result<HttpClient, HttpError> {
        self.build(|| self.trust_roots.apply(reqwest::Client::builder()))
    }

    /// The same options for clients whose requests go by a route.
    #[must_use]
    pub fn routed(&self, route: Arc<dyn Route>) -> Self {
        Self {
            route: Some(route),
            ..self.clone()
        }
    }

    /// Whether a request to `url` could leave now, as far as that is known without asking
    /// anybody.
    ///
    /// # Errors
    /// [`RouteError`].
    pub fn check_way(&self, url: &str) -> Result<(), RouteError> {
        let Some(route) = &self.route else {
            return Ok(());
        };
        match route.check(url) {
            Err(error) if error.fault.is_closed() && route.allows_direct() => Ok(()),
            checked => checked,
        }
    }

    /// Whether a request may go directly, now or when its route is closed.
    #[must_use]
    pub fn allows_direct(&self) -> bool {
        self.route
            .as_ref()
            .is_none_or(|route| route.allows_direct())
    }

    /// A client whose direct connections, if it has any, are of this builder.
    pub(super) fn build(
        &self,
        builder: impl FnOnce() -> Result<ClientBuilder, HttpError>,
    ) -> Result<HttpClient, HttpError> {
        let way = match &self.route {
            None => Way::Direct(self.direct(builder()?)?),
            Some(route) => Way::Routed {
                route: Arc::clone(route),
                direct: match route.allows_direct() {
                    true => Some(self.direct(builder()?)?),
                    false => None,
                },
            },
        };
        Ok(HttpClient {
            way,
            deadline: self.deadline,
            pace: None,
            clock_gap: Arc::default(),
        })
    }

    fn direct(&self, builder: ClientBuilder) -> Result<reqwest::Client, HttpError> {
        let mut builder = builder
            .redirect(Policy::none())
            .referer(false)
            .timeout(self.timeout)
            .connect_timeout(self.timeout.min(self.connect_timeout));
        if self.public_addresses_only {
            builder = builder.dns_resolver(PublicAddresses);
        }
        builder = match &self.proxy {
            Some(proxy) => builder.proxy(Proxy::all(proxy).map_err(HttpError::Build)?),
            // Environment variables must not choose a proxy that calls pass through.
            None => builder.no_proxy(),
        };
        builder.build().map_err(HttpError::Build)
    }
}
