//! PASSporTs in a call's Identity header. Their certificates are at hand or they are not:
//! **none is fetched because of a call**. Not here: fetching them (`certificates`).

use std::collections::HashSet;

use pennyblack_base::time::UnixTime;
use pennyblack_client::certificates::Certificates;
use pennyblack_client::verification_service::VerificationRules;
use pennyblack_passport::{
    Call, IdentityHeader, IdentityHeaderError, PassportError, Refusal, UnverifiedPassport,
    VerifiedPassport, valid_for,
};
use pennyblack_stir::ChainError;
use pennyblack_stir::jws::X5u;

use crate::reason::Reason;
use crate::verdict::{PassportResult, Refused, Source, StirCode};

/// Most Identity header fields of a call that are looked at.
const MAX_IDENTITIES: usize = 16;

/// What came in band.
#[derive(Debug, Default)]
pub(super) struct InBand {
    /// The PASSporTs that are good for the call, if there are any.
    pub(super) good: Option<Vec<VerifiedPassport>>,
    /// All of them.
    pub(super) results: Vec<PassportResult>,
    /// Why one of them could not be judged here.
    pub(super) not_judged: Option<Reason>,
}

/// Verifies them, and says which certificates are missing. It waits for the disk.
pub(super) fn verify(
    rules: &VerificationRules,
    calls: &[Call],
    identities: &[String],
    now: UnixTime,
) -> (InBand, HashSet<X5u>) {
    let (mut verified, mut results) = (Vec::new(), Vec::new());
    let mut missing = HashSet::new();
    for identity in identities.iter().take(MAX_IDENTITIES) {
        let passport = match read(identity) {
            Ok(passport) => passport,
            Err(refused) => {
                results.push(PassportResult::unread(refused));
                continue;
            }
        };
        let urls = passport.certificate_urls();
        let (certificates, not_at_hand) = rules.certificates.at_hand(urls, now);
        missing.extend(not_at_hand);
        let outcome = verify_one(rules, &certificates, &passport, now);
        let outcome = outcome.map(|verdict| {
            // They stay at hand: a timer fetches them again before their time ends.
            rules.certificates.keep_proven(passport.certificate_urls());
            verified.push(verdict);
        });
        results.push(PassportResult {
            source: Source::InBand,
            ppt: passport.claims().extension.ppt().map(str::to_owned),
            passport: Some(passport.as_str().to_owned()),
            outcome,
        });
    }
    let mut good = calls.iter().map(|call| valid_for(&verified, call, now));
    let good = good.find(|good| !good.is_empty());
    if good.is_none() {
        refuse_those_of_other_calls(&mut results);
    }
    let mut refused = results
        .iter()
        .filter_map(|result| result.outcome.as_ref().err());
    let in_band = InBand {
        good,
        not_judged: refused.find_map(|refused| refused.not_judged),
        results,
    };
    (in_band, missing)
}

fn read(identity: &str) -> Result<UnverifiedPassport, Refused> {
    let header: Result<IdentityHeader, IdentityHeaderError> = identity.trim().parse();
    let header = header.map_err(|error| Refused {
        code: match error {
            IdentityHeaderError::Info(_) | IdentityHeaderError::NoInfo => StirCode::BadIdentityInfo,
            _ => StirCode::InvalidIdentityHeader,
        },
        detail: error.to_string(),
        not_judged: None,
    })?;
    Ok(header.into_passport())
}

fn verify_one(
    rules: &VerificationRules,
    certificates: &Certificates,
    passport: &UnverifiedPassport,
    now: UnixTime,
) -> Result<VerifiedPassport, Refused> {
    let verified = rules.verifier(certificates).verify_alone(passport, now);
    verified.map_err(|refusal| Refused {
        code: code_of(&refusal),
        detail: refusal.to_string(),
        not_judged: trouble_of_ours(&refusal),
    })
}

/// A certificate that is not at hand, a list that is not current: neither is the fault of the
/// call.
fn trouble_of_ours(refusal: &Refusal) -> Option<Reason> {
    match refusal {
        Refusal::NoCertificate(_) => Some(Reason::CertificateAwaited),
        Refusal::Certificate(
            ChainError::NoRevocationList { .. } | ChainError::StaleRevocation { .. },
        ) => Some(Reason::NoRevocationList),
        Refusal::Nested(refusal) => trouble_of_ours(refusal),
        _ => None,
    }
}

/// By RFC 8224 section 6.2.2.
fn code_of(refusal: &Refusal) -> StirCode {
    match refusal {
        Refusal::Stale { .. } | Refusal::FromTheFuture { .. } => StirCode::StaleDate,
        Refusal::NoCertificate(_) => StirCode::BadIdentityInfo,
        Refusal::Certificate(_) | Refusal::NoAuthority { .. } | Refusal::ClaimConstraints(_) => {
            StirCode::UnsupportedCredential
        }
        Refusal::Nested(refusal) => code_of(refusal),
        _ => StirCode::InvalidIdentityHeader,
    }
}

/// Each is good in itself, and the call is another.
fn refuse_those_of_other_calls(results: &mut [PassportResult]) {
    for result in results.iter_mut().filter(|result| result.outcome.is_ok()) {
        result.outcome = Err(Refused {
            code: StirCode::InvalidIdentityHeader,
            detail: "it is of another call: orig or dest differ".to_owned(),
            not_judged: None,
        });
    }
}

impl PassportResult {
    fn unread(refused: Refused) -> Self {
        Self {
            source: Source::InBand,
            ppt: None,
            passport: None,
            outcome: Err(refused),
        }
    }

    pub(super) fn good_out_of_band(passport: &VerifiedPassport) -> Self {
        Self {
            source: Source::OutOfBand,
            ppt: passport.claims().extension.ppt().map(str::to_owned),
            passport: Some(passport.as_str().to_owned()),
            outcome: Ok(()),
        }
    }

    /// Why the call fails for it: not for trouble of ours, and not for a kind that is not
    /// known here.
    pub(super) fn decides(&self) -> Option<&Refused> {
        let refused = self.outcome.as_ref().err()?;
        (refused.not_judged.is_none() && !self.is_of_unknown_kind()).then_some(refused)
    }

    fn is_of_unknown_kind(&self) -> bool {
        let token = self.passport.as_deref();
        token.is_some_and(|token| {
            matches!(
                UnverifiedPassport::parse(token),
                Err(PassportError::UnknownExtension(_))
            )
        })
    }
}
