//! Which token key calls can be made with, as a carrier can see it: an issuer and a CPS rotate
//! their keys later than the clock says, and by how much depends on the machine.

use bytes::Bytes;
use http::header::{HeaderMap, WWW_AUTHENTICATE};
use pennyblack_base::encoding::sha256;
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_http::Request;
use pennyblack_privacypass::directory::DirectoryKey;
use pennyblack_privacypass::token::{TokenKeyId, parse_www_authenticate};
use pennyblack_protocol::store_request::MEDIA_TYPE;
use pennyblack_sealing::sealed::seal_passport;

use super::{EPOCH, Federation};
use crate::demo::{DemoError, WhileDoing as _};

impl Federation {
    /// The token key that the issuer signs with and the CPS accepts, as long as the clock
    /// stands still; `None` while they do not agree.
    pub(in super::super) async fn usable_key(&self) -> Result<Option<TokenKeyId>, DemoError> {
        let signing = self.signing_key().await?;
        let accepted = self.accepted_keys().await?;
        Ok(signing.filter(|key| accepted.contains(key)))
    }

    /// The key that began last, unless its epoch has ended: then its successor is late, and
    /// takes its place at any time.
    async fn signing_key(&self) -> Result<Option<TokenKeyId>, DemoError> {
        let directory = self.carrier("carrier-a")?.directory(&self.client).await;
        let directory = directory.during("fetching the issuer's directory")?;
        let now = self.clock.now();
        let begun = directory.token_keys.iter().filter_map(|key| {
            let begins = key.not_before.filter(|begins| *begins <= now);
            begins.map(|begins| (begins, key))
        });
        let last = begun.max_by_key(|(begins, _)| *begins);
        let signs = last.filter(|(begins, _)| now < begins.plus(EPOCH));
        Ok(signs.map(|(_, key)| DirectoryKey::id(key)))
    }

    /// The keys whose tokens the CPS asks for when a store request brings none.
    async fn accepted_keys(&self) -> Result<Vec<TokenKeyId>, DemoError> {
        let (cps, mailbox) = (&self.cps.address, &self.mailbox);
        let sealed = seal_passport(mailbox, cps.authority(), "no.call.s", &mut rand::rng());
        let sealed = sealed.during("sealing")?;
        let body = [&mailbox.mailbox().0[..], sealed.as_ref()].concat();
        let request = Request::post(cps.url(STORE_PATH), Bytes::from(body), 4096);
        let request = request.header("content-type", MEDIA_TYPE);
        let answer = self.client.exchange(&request).await;
        challenged(&answer.during("asking the CPS for its challenge")?.headers)
    }
}

fn challenged(headers: &HeaderMap) -> Result<Vec<TokenKeyId>, DemoError> {
    let mut keys = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let value = value.to_str().during("reading a challenge")?;
        let challenges = parse_www_authenticate(value).during("reading a challenge")?;
        let ids = challenges
            .iter()
            .map(|one| TokenKeyId(sha256(&one.token_key)));
        keys.extend(ids);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pennyblack_runtime::clock::{Clock, ClockHand};

    use super::*;

    async fn start(directory: &Path) -> (Federation, ClockHand) {
        let (clock, hand) = Clock::by_hand(Clock::system().now());
        (Federation::start(directory, &clock).await.unwrap(), hand)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_is_usable_until_its_successor_is_late() {
        let directory = tempfile::tempdir().unwrap();
        let (federation, hand) = start(directory.path()).await;
        let first = federation.usable_key().await.unwrap();
        assert!(first.is_some());
        hand.advance(EPOCH);
        assert_eq!(federation.usable_key().await.unwrap(), None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_whose_tokens_nobody_asks_for_is_not_usable() {
        let directory = tempfile::tempdir().unwrap();
        let (mut federation, _hand) = start(directory.path()).await;
        // It signs with the key, and asks for no token.
        federation.cps.address = federation.issuer.address.clone();
        assert_eq!(federation.usable_key().await.unwrap(), None);
    }
}
