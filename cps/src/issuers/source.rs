//! One issuer's word: its directory, sifted by its log, within a time. Not here: what
//! follows from it.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::directory::IssuerDirectory;
use pennyblack_privacypass::token::TokenKeyId;

use super::fetch::Fetcher;
use super::key_log::{KeyLog, Sifted};

/// For the directory and all of the log that is new: an issuer that answers byte by byte
/// is as good as away.
const LONGEST: Duration = Duration::from_secs(300);

/// What an issuer says.
#[derive(Debug)]
pub(super) struct Heard {
    /// Its keys, unless they are those that it said before.
    pub(super) listed: Option<Listed>,
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
}

impl IssuerSource {
    pub(super) const fn new(fetcher: Fetcher, key_log: KeyLog) -> Self {
        Self {
            fetcher,
            key_log,
            longest: LONGEST,
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
        let Some(mut directory) = fetched.directory else {
            let listed = None;
            return Ok(Heard { listed, max_age });
        };
        let sifted = self.key_log.sift(&mut directory, known, &self.fetcher, now);
        let sifted = sifted.await.map_err(|error| error.to_string())?;
        if !sifted.unlogged.is_empty() || sifted.withheld.is_some() {
            // What was left out is to be had again, changed or not.
            self.fetcher.forget();
        }
        let listed = Some(Listed { directory, sifted });
        Ok(Heard { listed, max_age })
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
