//! A stand-in for the engine, for tests of what switches ask by.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::BoxFuture;
use pennyblack_engine::{
    BadParameter, BadValue, Finding, IncomingCall, OobOutcome, OutgoingCall, Parameter, Passport,
    PassportResult, Reason, SignOutcome, Source, Trunk, Verdict,
};
use pennyblack_passport::{Attestation, IdentityHeader, OrigId};
use pennyblack_runtime::clock::Clock;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::call_log::CallLog;
use crate::calls::Calls;
use crate::config::Config;
use crate::sip_call::deciding::Deciding;

/// An Identity of the field.
pub(crate) fn field_identity() -> IdentityHeader {
    let vectors = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/certs/field-passports.json"
    ));
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let text = vectors["identity_headers"][0]["text"].as_str().unwrap();
    text.trim_start_matches("y: ").parse().unwrap()
}

/// Signs everything with the same PASSporT, and finds what it is told.
#[derive(Default)]
pub(crate) struct StandIn {
    /// Why nothing is signed.
    pub(crate) signs_nothing: Option<Reason>,
    /// What is found.
    pub(crate) finding: Option<Finding>,
    /// What it was asked to sign.
    pub(crate) signed: Mutex<Vec<OutgoingCall>>,
    /// What it was asked to verify.
    pub(crate) verified: Mutex<Vec<IncomingCall>>,
    /// What each call to sign waits for.
    pub(crate) gate: Option<Semaphore>,
}

impl Calls for StandIn {
    fn sign<'a>(
        &'a self,
        _: Instant,
        trunk: &'a Trunk,
        call: OutgoingCall,
    ) -> BoxFuture<'a, Result<SignOutcome, BadParameter>> {
        Box::pin(async move {
            let bad = |parameter| {
                move |why| BadParameter {
                    parameter,
                    why: BadValue::Number(why),
                }
            };
            trunk.canonical(&call.from).map_err(bad(Parameter::Orig))?;
            for dest in &call.dest {
                trunk.canonical(dest).map_err(bad(Parameter::Dest))?;
            }
            let passport = match self.signs_nothing {
                Some(reason) => Passport::None(reason),
                None => Passport::Signed {
                    identity: Box::new(field_identity()),
                    attest: Attestation::Full,
                    origid: OrigId::random(),
                },
            };
            self.signed.lock().unwrap().push(call);
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let oob = OobOutcome {
                copies: 0,
                wanted: 1,
                reason: Some(Reason::NoAnswer),
            };
            Ok(SignOutcome { passport, oob })
        })
    }

    fn verify<'a>(
        &'a self,
        _: Instant,
        _: &'a Trunk,
        call: IncomingCall,
    ) -> BoxFuture<'a, Verdict> {
        self.verified.lock().unwrap().push(call);
        let finding = self.finding.clone();
        let finding = finding.unwrap_or(Finding::None(Reason::NoPassport));
        let result = match &finding {
            Finding::Failed(refused) => Some((Source::InBand, Err(refused.clone()))),
            Finding::Passed(_) => Some((Source::OutOfBand, Ok(()))),
            Finding::None(_) => None,
        };
        let results = result.into_iter().map(|(source, outcome)| PassportResult {
            source,
            ppt: Some("shaken".to_owned()),
            passport: Some(field_identity().passport().as_str().to_owned()),
            outcome,
        });
        let results = results.collect();
        Box::pin(async move { Verdict { finding, results } })
    }
}

/// Decides by the stand-in.
pub(crate) fn deciding(engine: &Arc<StandIn>, config: &Config) -> Deciding {
    Deciding {
        calls: Arc::clone(engine) as Arc<dyn Calls>,
        call_log: CallLog::open(None, config.calls.numbers).unwrap(),
        clock: Clock::system(),
        reason: config.policy.reason_header.protocol(),
    }
}
