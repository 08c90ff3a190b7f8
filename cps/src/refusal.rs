//! Every reason for which the CPS refuses a request, and the problem document
//! that says so. The only place where errors become HTTP.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use pennyblack_base::problem::ProblemType;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_protocol::key_record::KeyRecordError;
use pennyblack_protocol::store_request::{ParseStoreError, StoreRefusal};
use pennyblack_sealing::envelope::{CursorError, SlotsError};
use pennyblack_sealing::mailbox::MailboxIdError;
use pennyblack_service::answer_room::NoRoomForAnswer;
use pennyblack_service::headers::{ContentTypeError, HeaderError};
use pennyblack_service::problem_response::{PublicRefusal, respond};
use pennyblack_service::worker_pool::PoolError;
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
    #[error("a prefix has {min} to 15 digits, not {actual}")]
    Prefix {
        /// Fewest digits.
        min: usize,
        /// Digits there were.
        actual: usize,
    },
    /// `after` of a look-up by prefix.
    #[error("after is none that an answer has named as next")]
    BlockCursor,
    /// A mailbox or a number in a path that is not UTF-8.
    #[error("the path is not UTF-8")]
    PathText,
    /// A query where there is none: a request's signature does not cover it.
    #[error("this path has no query, and a request's signature does not cover one")]
    UnsignedQuery,
    /// A key record's form, time, authority or signature.
    #[error("{0}")]
    Record(#[from] KeyRecordError),
    /// The body of a registration is not text.
    #[error("a key record is ASCII text")]
    RecordText,
    /// The record names another CPS.
    #[error("the record is for the CPS {0}, which is not this one")]
    OtherCps(String),
    /// A record of the same key and signer is registered that is not older.
    #[error(
        "another record of this key by this signer is registered, made in the same second or later"
    )]
    OlderRecord,
    /// As many bytes of records as the numbers of a certificate may have.
    #[error("the numbers of the certificate ({holder}) have records of {max} bytes already")]
    TooManyOfGrant {
        /// What it covers, in short.
        holder: String,
        /// Most bytes.
        max: u64,
    },
    /// A certificate whose numbers cannot be counted cheaply.
    #[error(
        "the numbers of the certificate are {actual} decimal blocks, at most {max} are counted: \
         split it into several certificates"
    )]
    ScatteredGrant {
        /// Its blocks of 1, 10, 100, … numbers.
        actual: usize,
        /// Most of them.
        max: usize,
    },
    /// No listed record has this hash.
    #[error("no unexpired key record has this hash")]
    UnknownRecord,
    /// The numbering service does not say who holds the numbers.
    #[error("{0}")]
    Numbering(String),
    /// The directory is full.
    #[error("the key directory is full")]
    DirectoryFull,
    /// A key record's certificate.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// The answer would be too much for what is held already.
    #[error("{0}")]
    NoRoom(#[from] NoRoomForAnswer),
    /// The threads that verify key records or seal large pages are busy, or failed.
    #[error("{0}")]
    Pool(#[from] PoolError),
    /// This CPS takes such requests through a relay only.
    #[error("this service takes stores and look-ups through a relay only")]
    RelayRequired,
    /// A file of the directory could not be written, or sealing failed.
    #[error("{0}")]
    Internal(String),
}

impl PublicRefusal for Refusal {
    fn problem_type(&self) -> ProblemType {
        match self {
            Self::MediaType(_) => ProblemType::UnsupportedMediaType,
            Self::Header(_) | Self::UnsignedQuery => ProblemType::MalformedStoreRequest,
            Self::Form(error) => of_form(error),
            Self::UnknownKey(_) | Self::Storage(StoreError::EpochClosed) => {
                ProblemType::TokenInvalid
            }
            Self::UnknownMailbox => ProblemType::UnknownMailbox,
            Self::Store(error) => of_store(error),
            Self::AlreadySpent => ProblemType::TokenAlreadySpent,
            Self::Storage(StoreError::Busy)
            | Self::NoRoom(_)
            | Self::Pool(PoolError::Busy { .. }) => ProblemType::Overloaded,
            Self::DirectoryFull => ProblemType::KeyDirectoryFull,
            Self::Numbering(_) => ProblemType::NumberingUnavailable,
            Self::Storage(StoreError::Unavailable(_)) | Self::Log => ProblemType::StoreUnavailable,
            Self::Mailbox(_) | Self::Number(_) | Self::Prefix { .. } | Self::PathText => {
                ProblemType::MalformedNumber
            }
            Self::Slots(_) | Self::Cursor(_) | Self::Query | Self::BlockCursor => {
                ProblemType::MalformedPageRequest
            }
            Self::Record(error) => of_record(error),
            Self::RecordText | Self::OtherCps(_) => ProblemType::MalformedKeyRecord,
            Self::TooManyOfGrant { .. } => ProblemType::TooManyKeyRecords,
            Self::ScatteredGrant { .. } => ProblemType::NumberNotAuthorized,
            Self::OlderRecord => ProblemType::KeyRecordNotCurrent,
            Self::UnknownRecord => ProblemType::UnknownKeyRecord,
            Self::Certificate(error) => error.problem_type(),
            Self::RelayRequired => ProblemType::RelayRequired,
            Self::Internal(_) | Self::Pool(PoolError::Panicked) => ProblemType::Internal,
        }
    }

    fn public_sentence(&self) -> Option<&'static str> {
        Some(match self {
            Self::DirectoryFull => "the key directory is full",
            Self::Numbering(_) => "the numbering service cannot be asked at present",
            Self::NoRoom(_) => "the service holds as much for its clients as it may",
            Self::Pool(PoolError::Busy { .. }) => "as many requests wait for a thread as may",
            Self::Storage(StoreError::Busy) => "too many requests wait for the store",
            Self::Log => "the log of double spends is not available",
            _ => return None,
        })
    }
}

impl Refusal {
    /// The response, with the challenge where the protocol wants one.
    #[must_use]
    pub fn with_challenges(self, challenges: &[HeaderValue]) -> Response {
        let mut response = respond(&self);
        if self.problem_type().status() == 401 {
            for challenge in challenges {
                response = response.www_authenticate(challenge.clone());
            }
        }
        response.into_response()
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
        StoreRefusal::Unrounded { .. } => ProblemType::MalformedStoreRequest,
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
        | KeyRecordError::Grant(_)
        | KeyRecordError::UnknownHolder { .. } => ProblemType::NumberNotAuthorized,
        _ => ProblemType::MalformedKeyRecord,
    }
}

#[cfg(test)]
mod tests;
