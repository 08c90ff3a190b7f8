//! Every reason for which the CPS refuses a request, and the problem document
//! that says so. The only place where errors become HTTP.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use pennyblack_base::problem::ProblemType;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_protocol::key_record::{Coverage, KeyRecordError};
use pennyblack_protocol::store_request::{ParseStoreError, StoreRefusal};
use pennyblack_sealing::envelope::{CursorError, SlotsError};
use pennyblack_sealing::mailbox::MailboxIdError;
use pennyblack_service::headers::{ContentTypeError, HeaderError};
use pennyblack_service::problem_response::ProblemResponse;
use pennyblack_stir::telephone_number::TelephoneNumberError;
use pennyblack_trust::CertificateError;

use crate::store::StoreError;

/// A request that is not granted (docs/protocol.md sections 3 to 5).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// `Content-Type` is not the one of this path.
    #[error("{0}")]
    MediaType(#[from] ContentTypeError),
    /// A header field of a store request stands there twice, or is not ASCII.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The store request's form.
    #[error("{0}")]
    Form(#[from] ParseStoreError),
    /// The token's key is none that is taken now.
    #[error("no token key that is redeemable now has the id {0}")]
    UnknownKey(TokenKeyId),
    /// No record of a key for this mailbox.
    #[error("no key is registered for this mailbox")]
    UnknownMailbox,
    /// What the store request claims does not hold.
    #[error("{0}")]
    Store(#[from] StoreRefusal),
    /// The token was spent on another request.
    #[error("the token was spent on another request")]
    AlreadySpent,
    /// The spent set and the mailboxes.
    #[error("{0}")]
    Storage(#[from] StoreError),
    /// The double-spend log could not be written, so the answer must wait.
    #[error("the double-spend log is not available")]
    Log,
    /// The mailbox id of a retrieval.
    #[error("{0}")]
    Mailbox(#[from] MailboxIdError),
    /// `slots` of a retrieval.
    #[error("{0}")]
    Slots(#[from] SlotsError),
    /// `after` of a retrieval or of the log.
    #[error("{0}")]
    Cursor(#[from] CursorError),
    /// A query that does not parse.
    #[error("the query is not one of this path")]
    Query,
    /// A number or prefix of a look-up.
    #[error("{0}")]
    Number(#[from] TelephoneNumberError),
    /// A prefix that would list everybody.
    #[error("a prefix has {least} to 15 digits, not {actual}")]
    Prefix {
        /// Fewest digits.
        least: usize,
        /// Digits there were.
        actual: usize,
    },
    /// A block with more records than are listed.
    #[error(
        "more than {0} records, or more than 16 MiB of them, answer for this block: ask for a smaller one"
    )]
    TooManyRecords(usize),
    /// A key record's form, time, authority or signature.
    #[error("{0}")]
    Record(#[from] KeyRecordError),
    /// The body of a registration is not text.
    #[error("a key record is ASCII text")]
    RecordText,
    /// The record names another CPS.
    #[error("the record is for the CPS {0}, which is not this one")]
    OtherCps(String),
    /// A newer record of the same key and signer is registered.
    #[error("a newer record of this key by this signer is registered")]
    OlderRecord,
    /// As many living records as one signer may have for the same numbers.
    #[error("{iss} has {most} living records for {coverage} already")]
    TooManyOfSigner {
        /// Who signs.
        iss: String,
        /// For which numbers.
        coverage: Coverage,
        /// Most records.
        most: usize,
    },
    /// The directory is full.
    #[error("the key directory is full")]
    DirectoryFull,
    /// A key record's certificate.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// A file of the directory could not be written, or sealing failed.
    #[error("{0}")]
    Internal(String),
}

impl Refusal {
    /// The type of problem document that says so.
    #[must_use]
    pub const fn problem_type(&self) -> ProblemType {
        match self {
            Self::MediaType(_) => ProblemType::UnsupportedMediaType,
            Self::Header(_) => ProblemType::MalformedStoreRequest,
            Self::Form(error) => of_form(error),
            Self::UnknownKey(_) | Self::Storage(StoreError::EpochClosed) => {
                ProblemType::TokenInvalid
            }
            Self::UnknownMailbox => ProblemType::UnknownMailbox,
            Self::Store(error) => of_store(error),
            Self::AlreadySpent => ProblemType::TokenAlreadySpent,
            Self::Storage(StoreError::MailboxFull) => ProblemType::MailboxFull,
            Self::Storage(StoreError::Busy) | Self::DirectoryFull => ProblemType::Overloaded,
            Self::Storage(StoreError::Unavailable(_)) | Self::Log => ProblemType::StoreUnavailable,
            Self::Mailbox(_) | Self::Number(_) | Self::Prefix { .. } | Self::TooManyRecords(_) => {
                ProblemType::MalformedNumber
            }
            Self::Slots(_) | Self::Cursor(_) | Self::Query => ProblemType::MalformedPageRequest,
            Self::Record(error) => of_record(error),
            Self::RecordText | Self::OtherCps(_) => ProblemType::MalformedKeyRecord,
            Self::TooManyOfSigner { .. } => ProblemType::TooManyKeyRecords,
            Self::OlderRecord => ProblemType::KeyRecordNotCurrent,
            Self::Certificate(error) => error.problem_type(),
            Self::Internal(_) => ProblemType::Internal,
        }
    }

    /// The response, with the challenge where the protocol wants one.
    #[must_use]
    pub fn with_challenges(self, challenges: &[HeaderValue]) -> Response {
        let kind = self.problem_type();
        match kind {
            ProblemType::Internal | ProblemType::StoreUnavailable => {
                tracing::error!(error = %self, "a request failed");
            }
            _ => {}
        }
        // What went wrong inside is for the log; the client is told the type.
        let problem = match kind {
            ProblemType::Internal | ProblemType::StoreUnavailable => kind.document(),
            _ => kind.because(&self),
        };
        let mut response = ProblemResponse::from(problem);
        if kind.status() == 401 {
            for challenge in challenges {
                response = response.www_authenticate(challenge.clone());
            }
        }
        let mut response = response.into_response();
        // By which it is counted.
        response.extensions_mut().insert(kind);
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.with_challenges(&[])
    }
}

const fn of_form(error: &ParseStoreError) -> ProblemType {
    match error {
        ParseStoreError::BodySize(_) => ProblemType::WrongSlotSize,
        ParseStoreError::NoToken => ProblemType::TokenMissing,
        ParseStoreError::Token(_) => ProblemType::TokenInvalid,
        _ => ProblemType::MalformedStoreRequest,
    }
}

const fn of_store(error: &StoreRefusal) -> ProblemType {
    match error {
        StoreRefusal::Stale { .. } | StoreRefusal::FromTheFuture { .. } => {
            ProblemType::SpendNotCurrent
        }
        StoreRefusal::SlotSize { .. } => ProblemType::WrongSlotSize,
        StoreRefusal::ContentDigest { .. } => ProblemType::ContentDigestMismatch,
        StoreRefusal::Signature(_) => ProblemType::SpendSignature,
        // The token, or its challenge. New kinds are taken for these: 401.
        _ => ProblemType::TokenInvalid,
    }
}

const fn of_record(error: &KeyRecordError) -> ProblemType {
    match error {
        KeyRecordError::Lifetime { .. }
        | KeyRecordError::Expired { .. }
        | KeyRecordError::NotYetValid { .. } => ProblemType::KeyRecordNotCurrent,
        KeyRecordError::Signature(_) => ProblemType::KeyRecordSignature,
        KeyRecordError::Issuer { .. }
        | KeyRecordError::NotHeld { .. }
        | KeyRecordError::NoNumberingTable { .. } => ProblemType::NumberNotAuthorized,
        _ => ProblemType::MalformedKeyRecord,
    }
}
