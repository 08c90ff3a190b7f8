//! The recipient's side (docs/protocol.md sections 4 to 6): a mailbox key,
//! publishing it, emptying the mailbox, and the verdict on a call. Not here:
//! how a verdict is reached (`pennyblack_passport`).

mod mailbox_key;
mod publish;

use std::time::Duration;

use pennyblack_passport::{Call, OrigAuthority, UnverifiedPassport, Verdict, Verifier};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::{self, Cursor, OpenEnvelopeError, Page, Slots, open_envelope};
use pennyblack_sealing::mailbox::{KeyConfig, RecipientKey};
use pennyblack_sealing::sealed::open_passport;
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;

pub use mailbox_key::{MailboxKeyError, create_mailbox_key, load_mailbox_key};
pub use publish::{PublishError, Publisher};

use crate::certificates::{CertificateStores, Certificates};
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
    /// The CPS took too long.
    #[error("no verdict: the CPS did not answer within {0:?}; check the address and the network")]
    NoAnswerInTime(Duration),
}

/// Asks for one page of the mailbox of `key`. Every request for a mailbox has the same
/// length: the cursor is written with as many digits as the longest.
pub fn page_request(
    cps: &ServiceAddress,
    key: &KeyConfig,
    slots: Slots,
    after: Cursor,
) -> Request<'static> {
    let path = format!(
        "/v1/mailboxes/{}?slots={slots}&after={:020}",
        key.mailbox(),
        after.0
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

/// What PASSporTs are judged by.
#[derive(Debug, Clone)]
pub struct VerificationRules {
    /// What callers' certificates are judged by.
    pub trust: TrustPolicy,
    /// The certificates behind `x5u`.
    pub certificates: CertificateStores,
    /// When an SPC is authority for a number.
    pub authority: SpcAuthority,
}

impl VerificationRules {
    pub(crate) fn verifier<'a>(&'a self, certificates: &'a Certificates) -> Verifier<'a> {
        Verifier {
            trust: &self.trust,
            certificates,
            authority: match &self.authority {
                SpcAuthority::None => OrigAuthority::NumbersOnly,
                SpcAuthority::Table(table) => OrigAuthority::NumberingTable(table),
                SpcAuthority::Any => OrigAuthority::AnySpc,
            },
        }
    }
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
    /// What PASSporTs are judged by.
    pub rules: VerificationRules,
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
        let (stores, deadline) = (&self.rules.certificates, self.client.deadline());
        let certificates = stores.gather(urls, deadline, clock.now()).await;
        let verifier = self.rules.verifier(&certificates);
        Ok(verifier.verify(passports, call, clock.now()))
    }
}
