//! The recipient's side (docs/protocol.md sections 4 to 6): a mailbox key,
//! publishing it, emptying the mailbox, and the verdict on a call. Not here:
//! how a verdict is reached (`pennyblack_passport`).

mod mailbox_key;
mod publish;

use std::collections::HashSet;
use std::time::Duration;

use pennyblack_base::encoding::sha256;
use pennyblack_passport::{Call, OrigAuthority, UnverifiedPassport, Verdict, Verifier};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::{self, Cursor, OpenEnvelopeError, Page, Slots, open_envelope};
use pennyblack_sealing::mailbox::{KeyConfig, RecipientKey};
use pennyblack_sealing::sealed::open_passport;
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;
use tokio::time::MissedTickBehavior;

pub use mailbox_key::{MailboxKeyError, create_mailbox_key, load_mailbox_key};
pub use publish::{PublishError, Publisher};

use crate::certificates::CertificateStores;
use pennyblack_http::{HttpClient, HttpError, Request, RetryPolicy, ServiceAddress};

/// Most pages that one emptying of a mailbox reads. At 256 slots that is more
/// than any mailbox holds; a CPS that says `more` endlessly is not followed.
const MAX_PAGES: usize = 256;

/// Why there is no verdict. None of these says anything of the call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OobVerificationError {
    /// The CPS was not reached, or refused.
    #[error("no verdict: {0}")]
    Http(#[from] HttpError),
    /// The CPS's answer does not open.
    #[error(
        "no verdict: the CPS's answer does not open with this key ({0}). Is the key registered there (`pennyblack mailbox register`), and is the CPS known by this name?"
    )]
    Envelope(#[from] OpenEnvelopeError),
}

/// Asks for one page of the mailbox of `key`.
pub fn page_request(
    cps: &ServiceAddress,
    key: &KeyConfig,
    slots: Slots,
    after: Cursor,
) -> Request<'static> {
    let path = format!(
        "/v1/mailboxes/{}?slots={slots}&after={after}",
        key.mailbox()
    );
    let size = slots.envelope_size(key.kem());
    Request::get(cps.url(&path), size).header("accept", envelope::MEDIA_TYPE)
}

/// Whom a certificate with an SPC speaks for.
#[derive(Debug, Clone)]
pub enum SpcAuthority {
    /// None: only certificates with numbers are trusted.
    None,
    /// Whom this table says.
    Table(NumberingTable),
    /// Any number, if the PASSporT is `shaken` or `div`: what SHAKEN verifiers do.
    Any,
}

/// What lay in a mailbox.
#[derive(Debug, Clone, Default)]
pub struct Drained {
    /// What opened: PASSporTs, or whatever else OOB-ASs put in.
    pub passports: Vec<String>,
    /// Entries that did not open; anyone with a token can store such.
    pub unreadable: usize,
}

/// Verifies calls with what lies in a mailbox.
pub struct OobVerificationService {
    /// The mailbox's key.
    pub key: RecipientKey,
    /// Where the mailbox is.
    pub cps: ServiceAddress,
    /// How the CPS is reached.
    pub client: HttpClient,
    /// How long to keep trying.
    pub retry: RetryPolicy,
    /// What callers' certificates are judged by.
    pub trust: TrustPolicy,
    /// The certificates behind `x5u`.
    pub certificates: CertificateStores,
    /// When an SPC is authority for a number.
    pub authority: SpcAuthority,
    /// How many slots to ask for: always the same, since it is visible.
    pub slots: Slots,
}

impl OobVerificationService {
    /// Empties the mailbox and judges what lay in it for `call`.
    ///
    /// # Errors
    /// [`OobVerificationError`]: then there is no verdict, not even "no PASSporT".
    pub async fn verify(
        &self,
        call: &Call,
        clock: &Clock,
    ) -> Result<Verdict, OobVerificationError> {
        let mut cursor = Cursor::START;
        let drained = self.drain(&mut cursor).await?;
        self.verdict_on(&drained.passports, call, clock).await
    }

    /// Looks at a fixed rhythm until there is a valid PASSporT or `max_wait` has
    /// passed. The rhythm does not follow what is found, since the CPS sees it.
    ///
    /// # Errors
    /// [`OobVerificationError`] when the last look failed; earlier failures are made
    /// good by later looks.
    pub async fn wait(
        &self,
        call: &Call,
        every: Duration,
        max_wait: Duration,
        clock: &Clock,
    ) -> Result<Verdict, OobVerificationError> {
        let mut rhythm = tokio::time::interval(every);
        rhythm.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let deadline = tokio::time::Instant::now() + max_wait;
        let mut cursor = Cursor::START;
        let mut seen = HashSet::new();
        let mut passports = Vec::new();
        loop {
            rhythm.tick().await;
            let looked = self.drain(&mut cursor).await.map(|drained| {
                let unseen = drained.passports.into_iter();
                passports.extend(unseen.filter(|text| seen.insert(sha256(text.as_bytes()))));
            });
            let verdict = match looked {
                Ok(()) => self.verdict_on(&passports, call, clock).await,
                Err(error) => Err(error),
            };
            let over = tokio::time::Instant::now() + every > deadline;
            match verdict {
                Ok(valid @ Verdict::Valid { .. }) => return Ok(valid),
                last if over => return last,
                Ok(_) => {}
                Err(error) => tracing::info!(error = %error, "looking again"),
            }
        }
    }

    /// Reads the mailbox from `cursor` on, which moves behind what was read.
    ///
    /// # Errors
    /// [`OobVerificationError`].
    pub async fn drain(&self, cursor: &mut Cursor) -> Result<Drained, OobVerificationError> {
        let mut drained = Drained::default();
        for _ in 0..MAX_PAGES {
            let page = self.page(*cursor).await?;
            for entry in page.entries() {
                match open_passport(&self.key, self.cps.authority(), entry) {
                    Ok(passport) => drained.passports.push(passport),
                    Err(_) => drained.unreadable += 1,
                }
            }
            let header = page.header();
            let moved = header.next > *cursor;
            *cursor = header.next;
            if !header.more || !moved {
                break;
            }
        }
        Ok(drained)
    }

    async fn page(&self, after: Cursor) -> Result<Page, OobVerificationError> {
        let request = page_request(&self.cps, self.key.config(), self.slots, after);
        let answer = self.client.send(&request, self.retry).await?;
        let content = answer.content(envelope::MEDIA_TYPE)?;
        Ok(open_envelope(&self.key, self.cps.authority(), content)?)
    }

    async fn verdict_on(
        &self,
        passports: &[String],
        call: &Call,
        clock: &Clock,
    ) -> Result<Verdict, OobVerificationError> {
        // Certificates are fetched only for PASSporTs of this calling number.
        let parsed: Vec<_> = passports
            .iter()
            .filter_map(|text| UnverifiedPassport::parse(text).ok())
            .filter(|passport| passport.claims().orig == call.orig)
            .collect();
        let urls = parsed.iter().flat_map(UnverifiedPassport::certificate_urls);
        let certificates = self.certificates.gather(urls, clock.now()).await?;
        let verifier = Verifier {
            trust: &self.trust,
            certificates: &certificates,
            authority: match &self.authority {
                SpcAuthority::None => OrigAuthority::NumbersOnly,
                SpcAuthority::Table(table) => OrigAuthority::NumberingTable(table),
                SpcAuthority::Any => OrigAuthority::AnySpc,
            },
        };
        Ok(verifier.verify(passports, call, clock.now()))
    }
}
