//! The certificates behind `x5u` URLs: those that lie in a directory here, and
//! those that are fetched. Not here: judging them (`pennyblack_stir`).
//!
//! An `x5u` comes from a stranger. It is fetched from hosts that the operator
//! named, by https only, without redirects, from public addresses only, up to a
//! size, and at most so many at once from one host; [`X5u`] has seen to the rest
//! (port, user name, query).

mod fetching;
mod repositories;

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;

use pennyblack_base::time::UnixTime;
use pennyblack_passport::CertificateSource;
use pennyblack_stir::certificates_of_file;
use pennyblack_stir::jws::{X5c, X5u};
use pennyblack_storage::limited_file;
use tokio::task::JoinSet;

pub use repositories::Repositories;

use pennyblack_http::{Deadline, is_public};

/// Most bytes of a certificate file: six certificates of the largest size, as PEM.
pub(crate) const MAX_FILE_SIZE: usize = 128 * 1024;

/// Where certificates are looked for.
#[derive(Debug, Clone, Default)]
pub struct CertificateStores {
    /// A directory of files (PEM or DER, leaf first), each named like the last part of
    /// its URL: `https://certs.example/carrier-a.pem` is `carrier-a.pem` here.
    /// What lies here is not fetched.
    pub directory: Option<PathBuf>,
    /// The hosts to fetch from; nothing is fetched if there is none.
    pub repositories: Option<Repositories>,
}

impl CertificateStores {
    /// Gets the chains of `urls`, as far as they can be had at `now`. One that
    /// cannot is left out: the PASSporT that needs it is then unverifiable, which
    /// must not stop others from being verified. So are those that have not come by
    /// `deadline`.
    pub async fn gather<'u>(
        &self,
        urls: impl Iterator<Item = &'u X5u>,
        deadline: Option<Deadline>,
        now: UnixTime,
    ) -> Certificates {
        let (found, missing) = self.at_hand(urls, now);
        self.expect(missing, found, deadline, now).await
    }

    /// Keeps the chains at `urls` apart from those that a flood can crowd out: a PASSporT was
    /// verified with them.
    pub fn keep_proven<'u>(&self, urls: impl Iterator<Item = &'u X5u>) {
        if let Some(repositories) = &self.repositories {
            repositories.keep_proven(urls);
        }
    }

    /// The chains of `urls` for which nobody is asked, and the URLs of the others.
    pub fn at_hand<'u>(
        &self,
        urls: impl Iterator<Item = &'u X5u>,
        now: UnixTime,
    ) -> (Certificates, HashSet<X5u>) {
        let (mut found, mut missing) = (Certificates::default(), HashSet::new());
        for url in urls {
            let remembered = || self.repositories.as_ref()?.remembered(url, now);
            match self.read(url).or_else(remembered) {
                Some(chain) => drop(found.chains.insert(url.clone(), chain)),
                None => drop(missing.insert(url.clone())),
            }
        }
        (found, missing)
    }

    /// Fetches chains again with which PASSporTs were verified, before the time ends for which
    /// they are remembered, so that no call finds them missing. A timer calls this: then the
    /// repositories do not see when calls take place.
    pub async fn renew(&self, deadline: Deadline, now: UnixTime) {
        let ending = self.repositories.as_ref().map(|known| known.ending(now));
        let ending = ending.unwrap_or_default().into_iter().collect();
        let _remembered = self
            .expect(ending, Certificates::default(), Some(deadline), now)
            .await;
    }

    /// `found` and what can be fetched of `missing`. **Each is asked for at once and none
    /// waits for another's answer**, but for those that queue at the same host.
    pub(crate) fn expect(
        &self,
        missing: HashSet<X5u>,
        mut found: Certificates,
        deadline: Option<Deadline>,
        now: UnixTime,
    ) -> impl Future<Output = Certificates> + Send + use<> {
        let mut fetches = JoinSet::new();
        if let Some(repositories) = &self.repositories {
            for url in missing {
                let fetched = repositories.fetch(&url, now);
                fetches.spawn(async move { (url, fetched.await) });
            }
        }
        async move {
            let gathering = async {
                while let Some(fetched) = fetches.join_next().await {
                    if let Ok((url, Some(chain))) = fetched {
                        found.chains.insert(url, chain);
                    }
                }
            };
            match deadline {
                Some(deadline) => drop(deadline.bound(gathering).await),
                None => gathering.await,
            }
            found
        }
    }

    fn read(&self, url: &X5u) -> Option<X5c> {
        let name = url.as_str().rsplit('/').next()?;
        let plain = !name.is_empty()
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let path = self.directory.as_ref().filter(|_| plain)?.join(name);
        let read = match limited_file::read(&path, MAX_FILE_SIZE) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            read => read.map_err(|error| error.to_string()),
        };
        let chain = read.and_then(|file| parse(&file));
        let refused = |why: &String| {
            tracing::warn!(path = %path.display(), why, "a certificate file is not used");
        };
        chain.inspect_err(refused).ok()
    }
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

fn parse(file: &[u8]) -> Result<X5c, String> {
    let certificates = certificates_of_file(file).map_err(|error| error.to_string())?;
    X5c::new(certificates).map_err(|error| error.to_string())
}

/// Chains by their URL.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    chains: HashMap<X5u, X5c>,
}

impl Certificates {
    /// Adds the chain behind a URL.
    pub(crate) fn insert(&mut self, url: &X5u, chain: X5c) {
        self.chains.insert(url.clone(), chain);
    }
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
    use pennyblack_http::HttpOptions;
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
        let found = stores.gather(urls.iter(), None, now).await;
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
            found = stores.gather(urls.iter(), None, UnixTime(1_800_000_000)) => {
                assert!(found.chains.is_empty());
            }
        };
        // The second is another try of the first.
        asked.dedup();
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
