//! Throw-away mailboxes to store into: one mailbox holds some thousand entries
//! at most, and a run stores more. Not here: mailboxes that anybody reads.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::Coverage;
use pennyblack_sealing::mailbox::{Kem, KeyConfig, KeyError, RecipientKey};

use pennyblack_client::identity::StirIdentity;
use pennyblack_client::verification_service::{MailboxCpss, PublishError, Publisher};
use pennyblack_http::{HttpClient, RetryPolicy};

/// Why there are no mailboxes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxesError {
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The CPS did not take a key record.
    #[error("the CPS takes no mailbox to store into: {0}")]
    Publish(#[from] PublishError),
}

/// Where throw-away mailboxes are published, and with which identity.
#[derive(Debug, Clone)]
pub struct Mailboxes {
    /// Whose certificate holds the number.
    pub identity: StirIdentity,
    /// What the records say that they answer for: nobody should call it.
    pub coverage: Coverage,
    /// At which CPSs.
    pub cpss: MailboxCpss,
    /// Which kind of key.
    pub kem: Kem,
    /// How long the records live.
    pub lifetime: Duration,
}

impl Mailboxes {
    /// Makes and publishes `count` of them. Their private keys are forgotten:
    /// nobody will ever open what is stored there.
    ///
    /// # Errors
    /// [`MailboxesError`]; some may have been published before it.
    pub async fn publish(
        &self,
        count: usize,
        client: &HttpClient,
        now: UnixTime,
    ) -> Result<Vec<KeyConfig>, MailboxesError> {
        let mut published = Vec::with_capacity(count);
        for _ in 0..count {
            let key = RecipientKey::generate(self.kem, &mut rand::rng())?;
            let publisher = Publisher {
                identity: self.identity.clone(),
                coverage: self.coverage.clone(),
                key: key.config().clone(),
                cpss: self.cpss.clone(),
                lifetime: self.lifetime,
                retry: RetryPolicy::SHORT,
            };
            publisher.register(client, now).await?;
            published.push(key.config().clone());
        }
        Ok(published)
    }
}
