//! One issuer's word: its directory, sifted by its log, within a time. Not here: what
//! follows from it.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::directory::{DirectoryKey, IssuerDirectory};
use pennyblack_privacypass::token::TokenKeyId;

use super::fetch::Fetcher;
use super::key_log::{KeyLog, LogSays, Sifted};

/// For the directory and all of the log that is new: an issuer that answers byte by byte
/// is as good as away.
const LONGEST: Duration = Duration::from_secs(300);

/// What an issuer says.
#[derive(Debug)]
pub(super) struct Heard {
    /// Its keys, unless they are those that it said before.
    pub(super) listed: Option<Listed>,
    /// What its log says now: time goes on while the directory stays as it is.
    pub(super) log: LogSays,
    /// For how long it holds.
    pub(super) max_age: Duration,
}

/// The keys that an issuer lists.
#[derive(Debug)]
pub(super) struct Listed {
    /// Its directory, without keys that its log should have and does not.
    pub(super) directory: IssuerDirectory,
    /// What its log says of them.
    pub(super) sifted: Sifted,
}

/// Asks one issuer.
#[derive(Debug)]
pub(super) struct IssuerSource {
    fetcher: Fetcher,
    key_log: KeyLog,
    longest: Duration,
    /// The keys of the last directory.
    listed: Vec<TokenKeyId>,
}

impl IssuerSource {
    pub(super) const fn new(fetcher: Fetcher, key_log: KeyLog) -> Self {
        Self {
            fetcher,
            key_log,
            longest: LONGEST,
            listed: Vec::new(),
        }
    }

    /// Has everything answered next time, as if nothing had been heard.
    pub(super) fn forget(&mut self) {
        self.fetcher.forget();
    }

    /// Fetches the directory `now`, and of the log what is new. Keys that are `known` need
    /// not be in it.
    pub(super) async fn hear(
        &mut self,
        known: &[TokenKeyId],
        now: UnixTime,
    ) -> Result<Heard, String> {
        let longest = self.longest;
        let heard = tokio::time::timeout(longest, self.hear_all(known, now)).await;
        heard.unwrap_or_else(|_| {
            let seconds = longest.as_secs();
            Err(format!(
                "its directory and log took longer than {seconds} s: it is asked again"
            ))
        })
    }

    async fn hear_all(&mut self, known: &[TokenKeyId], now: UnixTime) -> Result<Heard, String> {
        let fetched = self.fetcher.fetch().await.map_err(|e| e.to_string())?;
        let max_age = fetched.max_age;
        if let Some(directory) = &fetched.directory {
            let listed = directory.token_keys.iter();
            self.listed = listed.map(DirectoryKey::id).collect();
        }
        let log = self.key_log.read(&self.listed, known, &self.fetcher, now);
        let log = log.await.map_err(|error| error.to_string())?;
        let listed = fetched.directory.map(|mut directory| {
            let sifted = self.key_log.sift(&mut directory, known);
            Listed { directory, sifted }
        });
        let is_unlogged = listed
            .as_ref()
            .is_some_and(|it| !it.sifted.unlogged.is_empty());
        if is_unlogged || log.withheld.is_some() {
            // What was left out is to be had again, changed or not.
            self.fetcher.forget();
        }
        Ok(Heard {
            listed,
            log,
            max_age,
        })
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_evidence::key_log_view::LogPolicy;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_issuer_that_takes_too_long_for_all_of_it_is_given_up() {
        // It takes connections and never answers; one request may wait for ten seconds.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let home = tempfile::tempdir().unwrap();
        let issuer = "issuer.example".parse().unwrap();
        let key_log = KeyLog::open(issuer, LogPolicy::default(), home.path().join("log.json"));
        let mut source = IssuerSource {
            longest: Duration::from_secs(1),
            ..IssuerSource::new(Fetcher::new(url, None).unwrap(), key_log.unwrap())
        };
        let refused = source.hear(&[], UnixTime(0)).await.unwrap_err();
        assert!(refused.contains("longer than 1 s"), "{refused}");
    }
}
