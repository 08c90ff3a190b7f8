//! The certificates behind `x5u` URLs: those that lie in a directory here, and
//! those that are fetched. Not here: judging them (`pennyblack_stir`).
//!
//! An `x5u` comes from a stranger. It is fetched from hosts that the operator
//! named, by https only, without redirects, from public addresses only, up to a
//! size, and at most so many at once; [`X5u`] has seen to the rest (port, user
//! name, query).

mod repositories;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;

use pennyblack_base::time::UnixTime;
use pennyblack_passport::CertificateSource;
use pennyblack_stir::certificates_from_pem;
use pennyblack_stir::jws::{X5c, X5u};
use pennyblack_storage::limited_file;
use tokio::task::JoinSet;

pub use repositories::Repositories;

use pennyblack_http::{HttpClient, HttpError, HttpOptions, Request, RetryPolicy, is_public};

/// Most bytes of a certificate file: six certificates of the largest size, as PEM.
pub(crate) const MAX_FILE_SIZE: usize = 128 * 1024;

/// Where certificates are looked for.
#[derive(Debug, Clone, Default)]
pub struct CertificateStores {
    /// A directory of PEM files (leaf first), each named like the last part of
    /// its URL: `https://certs.example/carrier-a.pem` is `carrier-a.pem` here.
    /// What lies here is not fetched.
    pub directory: Option<PathBuf>,
    /// The hosts to fetch from; nothing is fetched if there is none.
    pub repositories: Option<Repositories>,
}

impl CertificateStores {
    /// Gets the chains of `urls`, as far as they can be had at `now`. One that
    /// cannot is left out: the PASSporT that needs it is then unverifiable, which
    /// must not stop others from being verified.
    ///
    /// # Errors
    /// [`HttpError`] when the client cannot be made at all.
    pub async fn gather<'u>(
        &self,
        urls: impl Iterator<Item = &'u X5u>,
        now: UnixTime,
    ) -> Result<Certificates, HttpError> {
        let mut gathered = Certificates::default();
        let mut missing = HashSet::new();
        for url in urls {
            match self.at_hand(url, now) {
                Some(chain) => {
                    gathered.chains.insert(url.clone(), chain);
                }
                None => {
                    missing.insert(url.clone());
                }
            }
        }
        if let Some(repositories) = &self.repositories {
            let fetched = fetch_some(repositories, missing, now).await?;
            gathered.chains.extend(fetched);
        }
        Ok(gathered)
    }

    fn at_hand(&self, url: &X5u, now: UnixTime) -> Option<X5c> {
        let remembered = || self.repositories.as_ref()?.remembered(url, now);
        self.read(url).or_else(remembered)
    }

    fn read(&self, url: &X5u) -> Option<X5c> {
        let name = url.as_str().rsplit('/').next()?;
        let plain = !name.is_empty()
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let path = self.directory.as_ref().filter(|_| plain)?.join(name);
        parse(&limited_file::read(&path, MAX_FILE_SIZE).ok()?).ok()
    }
}

/// Fetches what [`Repositories::choose`] takes of `missing`.
async fn fetch_some(
    repositories: &Repositories,
    missing: HashSet<X5u>,
    now: UnixTime,
) -> Result<Vec<(X5u, X5c)>, HttpError> {
    let to_fetch = repositories.choose(missing);
    if to_fetch.is_empty() {
        return Ok(Vec::new());
    }
    let options = HttpOptions {
        public_addresses_only: true,
        ..repositories.http.clone()
    };
    let client = options.client()?;
    // All at once: a slow server must not use up the time of the others.
    let mut fetches = JoinSet::new();
    for url in to_fetch {
        let client = client.clone();
        fetches.spawn(async move { (fetch(&client, &url).await, url) });
    }
    let mut chains = Vec::new();
    for (fetched, url) in fetches.join_all().await {
        repositories.remember(url.clone(), fetched.as_ref().ok(), now);
        match fetched {
            Ok(chain) => chains.push((url, chain)),
            Err(why) => tracing::info!(%url, why, "certificate not available"),
        }
    }
    Ok(chains)
}

async fn fetch(client: &HttpClient, url: &X5u) -> Result<X5c, String> {
    refuse_private_literal(url)?;
    let request = Request::get(url.as_str().to_owned(), MAX_FILE_SIZE);
    let answer = client.send(&request, RetryPolicy::NONE).await;
    parse(&answer.map_err(|error| error.to_string())?.body)
}

/// A host that is an address is not looked up, so the resolver never sees it.
fn refuse_private_literal(url: &X5u) -> Result<(), String> {
    let authority = url.authority().as_str();
    let host = authority.strip_suffix(":8443").unwrap_or(authority);
    let literal: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    match literal {
        Ok(address) if !is_public(address) => Err(format!("{address} is not a public address")),
        _ => Ok(()),
    }
}

fn parse(pem: &[u8]) -> Result<X5c, String> {
    let certificates = certificates_from_pem(pem).map_err(|error| error.to_string())?;
    X5c::new(certificates).map_err(|error| error.to_string())
}

/// Chains by their URL.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    chains: HashMap<X5u, X5c>,
}

impl CertificateSource for Certificates {
    fn certificates(&self, url: &X5u) -> Option<X5c> {
        self.chains.get(url).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use pennyblack_pki::{CaNames, DevelopmentCa, LeafRequest, TnAuthEntry};
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    use tokio::net::TcpListener;

    fn url(text: &str) -> X5u {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_chain_in_the_directory_is_found_by_the_last_part_of_its_url() {
        let home = tempfile::tempdir().unwrap();
        let now = UnixTime(1_800_000_000);
        let ca = DevelopmentCa::generate(&CaNames::default(), now).unwrap();
        let request = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
        let credential = ca.issue(&request, now).unwrap();
        fs::write(home.path().join("a.pem"), credential.path_pem()).unwrap();
        let stores = CertificateStores {
            directory: Some(home.path().to_owned()),
            repositories: None,
        };
        let urls = [
            url("https://certs.example/x/a.pem"),
            url("https://certs.example/b.pem"),
        ];
        let found = stores.gather(urls.iter(), now).await.unwrap();
        let chain = found.certificates(&urls[0]).unwrap();
        assert_eq!(chain.certificates(), credential.path());
        assert!(found.certificates(&urls[1]).is_none());
    }

    #[tokio::test]
    async fn no_connection_leads_to_a_host_that_the_operator_did_not_name() {
        // All fetches go through this proxy, which records where they go.
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = HttpOptions {
            proxy: Some(format!("http://{}", proxy.local_addr().unwrap())),
            ..HttpOptions::default()
        };
        let named = ["certs.example".parse().unwrap()];
        let stores = CertificateStores {
            directory: None,
            repositories: Some(Repositories::new(named, http)),
        };
        let urls = [
            url("https://attacker.example/a.pem"),
            url("https://certs.example/a.pem"),
            url("https://certs.example.attacker.example/a.pem"),
        ];
        let mut asked = Vec::new();
        let noting = async {
            loop {
                let (mut connection, _) = proxy.accept().await.unwrap();
                let mut head = String::new();
                BufReader::new(&mut connection)
                    .read_line(&mut head)
                    .await
                    .unwrap();
                asked.push(head.trim_end().to_owned());
            }
        };
        tokio::select! {
            () = noting => {}
            found = stores.gather(urls.iter(), UnixTime(1_800_000_000)) => {
                assert!(found.unwrap().chains.is_empty());
            }
        };
        assert_eq!(asked, ["CONNECT certs.example:443 HTTP/1.1"]);
    }

    #[test]
    fn a_url_with_a_private_address_is_not_fetched() {
        for private in [
            "https://127.0.0.1/a",
            "https://[::1]:8443/a",
            "https://10.0.0.1:8443/a",
        ] {
            assert!(refuse_private_literal(&url(private)).is_err(), "{private}");
        }
        assert!(refuse_private_literal(&url("https://certs.example/a")).is_ok());
    }
}
