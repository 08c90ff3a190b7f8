//! The OOB-VS's side (docs/protocol.md sections 4 to 6): a mailbox key, publishing it,
//! what is sent to ask for a page, and what PASSporTs are judged by. Not here: when it is
//! asked, and what is remembered (`follower`), and how PASSporTs are verified
//! (`pennyblack_passport`).

mod beside_key;
mod mailbox_cpss;
mod mailbox_key;
mod polled_cpss;
mod publish;
mod registrations;

use std::time::Duration;

use pennyblack_passport::{OrigAuthority, Verifier};
use pennyblack_sealing::envelope::{self, Cursor, OpenEnvelopeError, Slots};
use pennyblack_sealing::mailbox::KeyConfig;
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;

pub use beside_key::BesideKeyError;
pub use mailbox_cpss::{MailboxCpss, MailboxCpssError};
pub use mailbox_key::{MailboxKeyError, create_mailbox_key, load_mailbox_key};
pub use polled_cpss::PolledCpss;
pub use publish::{PublishError, Published, Publisher, SHOWN_EVERY};
pub use registrations::{Registration, Registrations};

use crate::certificates::{CertificateStores, Certificates};
use crate::request_length::pad;
use pennyblack_http::{HttpError, Request, ServiceAddress};

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
    /// The thread that looks up which PASSporTs are used ended before it was done.
    #[error("no verdict: the work was cut short; ask again, under the same name of the call")]
    CutShort,
}

/// Asks for one page of the mailbox of `key`. **Every request for a mailbox has the same
/// length**, also in HTTP/2: the cursor is written with as many digits as the longest, and
/// `pad` weighs what the cursor lacks.
pub fn page_request(
    cps: &ServiceAddress,
    key: &KeyConfig,
    slots: Slots,
    after: Cursor,
) -> Request<'static> {
    let after = format!("{:020}", after.0);
    let pad = pad(&after, 20);
    let path = format!(
        "/v1/mailboxes/{}?slots={slots}&after={after}&pad={pad}",
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
    /// The verifier by these rules, with certificates that are at hand.
    #[must_use]
    pub fn verifier<'a>(&'a self, certificates: &'a Certificates) -> Verifier<'a> {
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
