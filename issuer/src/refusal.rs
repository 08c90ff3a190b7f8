//! Every reason for which the issuer refuses a token request, and the problem
//! document that says so. The only place where errors become HTTP.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use pennyblack_attestation::AttestationError;
use pennyblack_base::problem::ProblemType;
use pennyblack_privacypass::issuance::IssuanceError;
use pennyblack_privacypass::token::TokenType;
use pennyblack_service::headers::{ContentTypeError, HeaderError};
use pennyblack_service::problem_response::{PublicRefusal, respond};
use pennyblack_service::worker_pool::PoolError;
use pennyblack_storage::group_commit::CommitError;
use pennyblack_trust::CertificateError;

use crate::ledger::ChargeError;
use crate::quota::Exhausted;
use crate::signer::SignError;
use crate::token_keys::Withheld;

/// A token request that is not granted (docs/protocol.md section 2).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// `Content-Type` is not one of a token request.
    #[error("{0}")]
    MediaType(#[from] ContentTypeError),
    /// `Authorization` stands there twice, or is not ASCII.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// No `Authorization` header.
    #[error("there is no Authorization header")]
    NoAttestation,
    /// The JWT.
    #[error("{0}")]
    Attestation(#[from] AttestationError),
    /// The certificate behind the JWT.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// The threads that verify attestations and certificates.
    #[error("verifying the attestation: {0}")]
    Verification(PoolError),
    /// The body.
    #[error("{0}")]
    Request(#[from] IssuanceError),
    /// A token type that exists and that this issuer has no key for.
    #[error("token type {0} is not signed here")]
    TokenType(TokenType),
    /// No key that signs now has an id that ends so.
    #[error("no key that signs at present has an id that ends in {0:#04x}")]
    TokenKey(u8),
    /// No request of a generic batch can be served, the first for this reason.
    #[error("no request of the batch can be served: {0}")]
    Batch(Box<Self>),
    /// A blinded message that the key cannot sign, or a failure of the machine.
    #[error("{0}")]
    Sign(#[from] SignError),
    /// No tokens left in this key epoch.
    #[error("{tokens} more tokens for {subject} are too many: {} of {} are drawn", .exhausted.drawn, .exhausted.allowed)]
    Quota {
        /// Who asked.
        subject: String,
        /// How many were asked for.
        tokens: u32,
        /// The state of the account.
        exhausted: Exhausted,
        /// Time until the next key epoch.
        rest_of_epoch: Duration,
    },
    /// There are keys, and they are not to be used.
    #[error("{0}")]
    Keys(#[from] Withheld),
    /// The accounts.
    #[error("{0}")]
    Ledger(ChargeError),
    /// The signing threads.
    #[error("{0}")]
    Pool(#[from] PoolError),
}

impl PublicRefusal for Refusal {
    fn problem_type(&self) -> ProblemType {
        match self {
            Self::MediaType(_) => ProblemType::UnsupportedMediaType,
            Self::NoAttestation => ProblemType::AttestationMissing,
            Self::Header(_) => ProblemType::AttestationMalformed,
            Self::Attestation(error) => of_attestation(error),
            Self::Certificate(error) => error.problem_type(),
            Self::Request(error) => of_request(error),
            Self::TokenType(_) => ProblemType::UnknownTokenType,
            Self::TokenKey(_) => ProblemType::UnknownTokenKey,
            Self::Batch(_) => ProblemType::BatchNotServed,
            Self::Sign(SignError::MessageTooLarge | SignError::NoElement(_)) => {
                ProblemType::InvalidBlindedElement
            }
            Self::Sign(_)
            | Self::Ledger(ChargeError::Incomparable)
            | Self::Pool(PoolError::Panicked)
            | Self::Verification(PoolError::Panicked) => ProblemType::Internal,
            Self::Quota { .. } | Self::Ledger(ChargeError::Crowded) => ProblemType::QuotaExceeded,
            Self::Ledger(
                ChargeError::Commit(CommitError::Busy) | ChargeError::KeyUsedUp { .. },
            ) => ProblemType::Overloaded,
            Self::Ledger(_) | Self::Keys(_) => ProblemType::StoreUnavailable,
            Self::Pool(PoolError::Busy { .. }) | Self::Verification(PoolError::Busy { .. }) => {
                ProblemType::Overloaded
            }
        }
    }

    fn public_sentence(&self) -> Option<&'static str> {
        Some(match self {
            Self::Keys(_) => "this issuer does not sign at present",
            Self::Sign(_) | Self::Pool(PoolError::Panicked) => "signing failed",
            Self::Pool(PoolError::Busy { .. }) => "as many requests wait to be signed as may",
            Self::Verification(PoolError::Panicked) => "the attestation could not be verified",
            Self::Verification(PoolError::Busy { .. }) => {
                "as many attestations wait to be verified as may"
            }
            Self::Ledger(ChargeError::KeyUsedUp { .. }) => {
                "the token key has signed as many tokens as it may, and its successor is announced"
            }
            Self::Ledger(ChargeError::Commit(CommitError::Busy)) => {
                "too many requests wait for the quota accounts"
            }
            Self::Ledger(_) => "the quota accounts are not available",
            _ => return None,
        })
    }
}

const fn of_attestation(error: &AttestationError) -> ProblemType {
    use AttestationError as E;
    match error {
        E::NotBearer => ProblemType::AttestationMissing,
        E::Lifetime { .. } | E::NotYetValid { .. } | E::Expired { .. } => {
            ProblemType::AttestationNotCurrent
        }
        E::Subject { .. } | E::Coverage(_) => ProblemType::SubjectNotAuthorized,
        E::Signature(_) => ProblemType::AttestationSignature,
        E::OtherBody => ProblemType::AttestationBodyMismatch,
        // Form and purpose. New kinds of refusal are taken for these, too: 401.
        _ => ProblemType::AttestationMalformed,
    }
}

const fn of_request(error: &IssuanceError) -> ProblemType {
    match error {
        IssuanceError::UnknownType(_) => ProblemType::UnknownTokenType,
        IssuanceError::BlindedSize { .. } => ProblemType::InvalidBlindedElement,
        IssuanceError::BatchTooLarge { .. } => ProblemType::BatchTooLarge,
        _ => ProblemType::MalformedTokenRequest,
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = self.problem_type();
        metrics::counter!("pennyblack_issuer_refusals_total", "type" => kind.name()).increment(1);
        let response = respond(&self);
        let response = match self {
            Self::Quota { rest_of_epoch, .. } => response.retry_after(rest_of_epoch),
            _ => response,
        };
        match kind.status() {
            401 => response.www_authenticate(HeaderValue::from_static("Bearer")),
            _ => response,
        }
        .into_response()
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_base::authority::Authority;
    use pennyblack_base::time::UnixTime;
    use pennyblack_privacypass::token::TokenKeyId;
    use pennyblack_redis::RedisError;
    use pennyblack_service::missing_variants;
    use pennyblack_service::problem_response::testing::{
        OF_EVERY_SERVICE, assert_answers, assert_described,
    };
    use pennyblack_stir::jws::JwsError;
    use pennyblack_stir::{ChainError, CoverageError};

    use super::*;

    /// One of each variant. The causes for which the issuer is at fault name what a
    /// client must not learn.
    fn one_of_each() -> Vec<(Refusal, u16)> {
        let aud: Authority = "issuer.test".parse().unwrap();
        let untold = ChainError::NoRevocationList {
            subject: "A".to_owned(),
            authority: "B".to_owned(),
        };
        let stale = ChainError::StaleRevocation {
            next_update: UnixTime(1),
            now: UnixTime(2),
        };
        let (iat, now) = (UnixTime(9), UnixTime(1));
        vec![
            (ContentTypeError::Other("text/plain".to_owned()).into(), 415),
            (HeaderError::Repeated("Authorization").into(), 401),
            (Refusal::NoAttestation, 401),
            (AttestationError::NotBearer.into(), 401),
            (AttestationError::NotYetValid { iat, now }.into(), 401),
            (
                AttestationError::Audience {
                    expected: aud,
                    found: "b".to_owned(),
                }
                .into(),
                401,
            ),
            (AttestationError::OtherBody.into(), 401),
            (
                AttestationError::Signature(JwsError::BadSignature).into(),
                401,
            ),
            (
                AttestationError::Coverage(CoverageError::TooMany(129)).into(),
                403,
            ),
            (CertificateError::Untrusted(ChainError::Empty).into(), 403),
            (CertificateError::NoRoots.into(), 403),
            (
                CertificateError::Revoked(ChainError::Revoked("A".to_owned())).into(),
                403,
            ),
            (
                CertificateError::NotSent("https://a.example".to_owned()).into(),
                403,
            ),
            (CertificateError::StaleRevocation(stale).into(), 503),
            (CertificateError::NotCovered(untold).into(), 503),
            (CertificateError::NoRevocationList.into(), 503),
            (IssuanceError::EmptyBatch.into(), 400),
            (IssuanceError::UnknownType(TokenType(9)).into(), 422),
            (IssuanceError::BatchTooLarge { max: 1 }.into(), 422),
            (Refusal::Batch(Box::new(Refusal::TokenKey(1))), 400),
            (Refusal::TokenType(TokenType::VOPRF_P384), 422),
            (Refusal::TokenKey(7), 422),
            (SignError::MessageTooLarge.into(), 422),
            (SignError::SelfCheck.into(), 500),
            (
                Refusal::Quota {
                    subject: "spc:A".to_owned(),
                    tokens: 1,
                    exhausted: Exhausted {
                        drawn: 5,
                        allowed: 5,
                    },
                    rest_of_epoch: Duration::from_millis(1_500),
                },
                429,
            ),
            (Refusal::Ledger(ChargeError::Crowded), 429),
            (Refusal::Ledger(ChargeError::Incomparable), 500),
            (Refusal::Ledger(ChargeError::KeyUsedUp { max: 1 }), 503),
            (Refusal::Ledger(ChargeError::Commit(CommitError::Busy)), 503),
            (
                Refusal::Ledger(ChargeError::Commit(CommitError::Failed)),
                503,
            ),
            (
                Refusal::Ledger(ChargeError::NoSuchEpoch(TokenKeyId([7; 32]))),
                503,
            ),
            (
                Refusal::Ledger(RedisError::Connection("redis-7.test:6379".to_owned()).into()),
                503,
            ),
            (
                Refusal::Ledger(ChargeError::Lost {
                    epoch: TokenKeyId([7; 32]),
                    seen: 2,
                    found: 0,
                    memory: "/var/lib/pennyblack/node/seen.json".into(),
                }),
                503,
            ),
            (
                Refusal::Ledger(ChargeError::Memory("issuer.data_directory".to_owned())),
                503,
            ),
            (Withheld::OutOfDate.into(), 503),
            (
                Withheld::Refused("store.durability: run it with --force".into()).into(),
                503,
            ),
            (Refusal::Verification(PoolError::Busy { queue: 1 }), 503),
            (Refusal::Verification(PoolError::Panicked), 500),
            (PoolError::Busy { queue: 1 }.into(), 503),
            (PoolError::Panicked.into(), 500),
        ]
    }

    #[tokio::test]
    async fn every_refusal_has_its_status_and_headers_and_no_word_of_why_the_service_is_at_fault() {
        assert_answers(one_of_each(), Refusal::into_response).await;
    }

    #[test]
    fn each_type_of_refusal_is_described_and_no_other() {
        let answered = one_of_each().into_iter().map(|(one, _)| one.problem_type());
        assert_described(crate::routes::OPENAPI, answered.chain(OF_EVERY_SERVICE));
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
                NoAttestation,
                Attestation,
                Certificate,
                Verification,
                Request,
                TokenType,
                TokenKey,
                Batch,
                Sign,
                Quota,
                Keys,
                Ledger,
                Pool,
            ]
        );
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn a_subject_without_tokens_is_told_when_the_epoch_ends_rounded_up() {
        let all = one_of_each();
        let quota = all
            .into_iter()
            .find(|(refusal, _)| matches!(refusal, Refusal::Quota { .. }));
        let response = quota.unwrap().0.into_response();
        assert_eq!(response.headers()["retry-after"], "2");
    }
}
