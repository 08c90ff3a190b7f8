//! Every refusal as a client gets it, and as it is described.

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::{Created, RequestDigest, SpendSignatureError};
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::missing_variants;
use pennyblack_service::problem_response::testing::{
    OF_EVERY_SERVICE, assert_answers, assert_described,
};
use pennyblack_stir::ChainError;
use pennyblack_stir::jws::JwsError;
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::*;

/// One of each variant. The causes for which the CPS is at fault name what a client
/// must not learn.
fn one_of_each() -> Vec<(Refusal, u16)> {
    let untold = ChainError::NoRevocationList {
        subject: "A".to_owned(),
        authority: "B".to_owned(),
    };
    let stale = ChainError::StaleRevocation {
        next_update: UnixTime(1),
        now: UnixTime(2),
    };
    vec![
        (ContentTypeError::Missing.into(), 415),
        (HeaderError::NotAscii("Signature").into(), 400),
        (ParseStoreError::NoToken.into(), 401),
        (ParseStoreError::MissingHeader("Signature").into(), 400),
        (Refusal::UnknownKey(TokenKeyId([7; 32])), 401),
        (Refusal::UnknownMailbox, 404),
        (StoreRefusal::ForeignChallenge.into(), 401),
        (
            StoreRefusal::Stale {
                created: Created(30),
                now: UnixTime(300),
            }
            .into(),
            401,
        ),
        (
            StoreRefusal::Signature(SpendSignatureError::Mismatch).into(),
            401,
        ),
        (
            StoreRefusal::ContentDigest {
                claimed: RequestDigest([1; 32]),
                actual: RequestDigest([2; 32]),
            }
            .into(),
            400,
        ),
        (ParseStoreError::BodySize(1).into(), 413),
        (
            KeyRecordError::Signature(JwsError::BadSignature).into(),
            422,
        ),
        (
            CertificateError::Revoked(ChainError::Revoked("A".to_owned())).into(),
            403,
        ),
        (
            CertificateError::NotSent("https://a.example".to_owned()).into(),
            403,
        ),
        (Refusal::AlreadySpent, 409),
        (StoreError::EpochClosed.into(), 401),
        (StoreError::Busy.into(), 503),
        (
            StoreError::Unavailable("no connection to redis-7.test:6379".to_owned()).into(),
            503,
        ),
        (
            StoreError::Unavailable("run it with --accept-older-store".to_owned()).into(),
            503,
        ),
        (Refusal::Log, 503),
        (NoRoomForAnswer.into(), 503),
        ("x".parse::<MailboxId>().unwrap_err().into(), 400),
        ("x".parse::<Slots>().unwrap_err().into(), 400),
        ("x".parse::<Cursor>().unwrap_err().into(), 400),
        (Refusal::Query, 400),
        (
            TelephoneNumber::from_canonical("x").unwrap_err().into(),
            400,
        ),
        (Refusal::Prefix { min: 4, actual: 1 }, 400),
        (Refusal::BlockCursor, 400),
        (Refusal::PathText, 400),
        (Refusal::UnsignedQuery, 400),
        (KeyRecordError::Type(None).into(), 400),
        (Refusal::RecordText, 400),
        (Refusal::OtherCps("cps.test".to_owned()), 400),
        (Refusal::OlderRecord, 422),
        (Refusal::UnknownRecord, 404),
        (
            Refusal::TooManyOfGrant {
                holder: "spc:683G".to_owned(),
                max: 4,
            },
            409,
        ),
        (Refusal::ScatteredGrant { actual: 9, max: 8 }, 403),
        (Refusal::DirectoryFull, 503),
        (
            Refusal::Numbering("no answer from 10.0.0.7".to_owned()),
            503,
        ),
        (Refusal::RelayRequired, 403),
        (PoolError::Busy { queue: 1 }.into(), 503),
        (PoolError::Panicked.into(), 500),
        (CertificateError::NoRoots.into(), 403),
        (CertificateError::StaleRevocation(stale).into(), 503),
        (CertificateError::NotCovered(untold).into(), 503),
        (CertificateError::NoRevocationList.into(), 503),
        (
            Refusal::Internal("/var/lib/pennyblack/keys: read-only file system".to_owned()),
            500,
        ),
        (
            Refusal::Internal("key_records.capacity is too small".to_owned()),
            500,
        ),
    ]
}

#[test]
fn every_variant_is_among_those_of_these_tests() {
    let all: Vec<_> = one_of_each().into_iter().map(|(one, _)| one).collect();
    let missing = missing_variants!(
        Refusal,
        all,
        [
            MediaType,
            Header,
            Form,
            UnknownKey,
            UnknownMailbox,
            Store,
            AlreadySpent,
            Storage,
            Log,
            Mailbox,
            Slots,
            Cursor,
            Query,
            Number,
            Prefix,
            BlockCursor,
            PathText,
            UnsignedQuery,
            Record,
            RecordText,
            OtherCps,
            OlderRecord,
            UnknownRecord,
            TooManyOfGrant,
            ScatteredGrant,
            DirectoryFull,
            Numbering,
            Certificate,
            NoRoom,
            Pool,
            RelayRequired,
            Internal,
        ]
    );
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_type_of_refusal_is_described_and_no_other() {
    let direct = one_of_each().into_iter().map(|(one, _)| one.problem_type());
    let all = direct.chain(crate::oblivious::own_problem_types());
    assert_described(crate::routes::OPENAPI, all.chain(OF_EVERY_SERVICE));
}

#[tokio::test]
async fn every_refusal_has_its_status_and_headers_and_no_word_of_why_the_service_is_at_fault() {
    let challenge = HeaderValue::from_static("PrivateToken challenge=\"AAAA\"");
    assert_answers(one_of_each(), |refusal| {
        refusal.with_challenges(std::slice::from_ref(&challenge))
    })
    .await;
}
