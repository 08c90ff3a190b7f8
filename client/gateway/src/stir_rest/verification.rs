//! What a verification request says, in ATIS-1000082 (`from`, `to`, `time`, `identity`) and
//! in TS 24.229 annex V (`dest`, `identityHeader`, `identityHeaders`, `requestId`), with the
//! names that other CPSs send (`orig`, `dest`, `iat`), and the one answer that serves all.
//! A call without a number, without an Identity or with an anonymous caller is no error: it
//! is looked for out of band, and not found. Not here: the verdict.

use pennyblack_base::encoding::from_base64url;
use pennyblack_base::foreign_text::printable;
use pennyblack_client::assignments::CallName;
use pennyblack_engine::{Finding, Found, IncomingCall, PassportResult, Refused, Verdict};
use serde_json::{Map, Value, json};

use super::identities;
use super::members::{MAX_TEXT, Members};
use super::party::Party;
use super::refusal::Refusal;

/// Characters of a reason, which may quote what a stranger wrote.
const MAX_REASON: usize = 200;

/// A call that is to be verified, and its name.
#[derive(Debug, Clone)]
pub struct VerificationRequest {
    /// The call.
    pub call: IncomingCall,
    /// Names it, and is given back.
    pub request_id: Option<String>,
}

impl VerificationRequest {
    /// Reads the members of a body. `header_id` is the value of `X-RequestID`: it names the
    /// call where the body does not, and a call without any name is a call of its own.
    ///
    /// # Errors
    /// [`Refusal`], which names the member.
    pub(crate) fn read(mut body: Members, header_id: Option<&str>) -> Result<Self, Refusal> {
        let missing = Refusal::Missing("verificationRequest");
        let mut request = body.object("verificationRequest")?.ok_or(missing)?;
        let request = &mut request;
        let from = calling(request)?;
        let (to, request_uri) = called(request)?;
        if request.time("time")?.is_none() && request.time("iat")?.is_none() {
            return Err(Refusal::Missing("time"));
        }
        let identities = identities::read(request)?;
        let request_id = request.text("requestId", MAX_TEXT)?;
        let name = request_id.as_deref().or(header_id);
        let call = IncomingCall {
            call: name.map_or_else(CallName::random, CallName::new),
            asserted: Vec::new(),
            from,
            to,
            request_uri,
            identities,
        };
        Ok(Self { call, request_id })
    }
}

/// Who calls; an empty text if the call does not say.
fn calling(request: &mut Members) -> Result<String, Refusal> {
    let mut party = match Party::take(request, "from")? {
        Some(from) => from,
        None => Party::take(request, "orig")?.ok_or(Refusal::Missing("from"))?,
    };
    Ok(party.tn_or_uri()?.into_iter().next().unwrap_or_default())
}

/// Who was called at first (`to`), and where the call goes now (`dest`, the Request-URI).
/// One of them is enough.
fn called(request: &mut Members) -> Result<(Vec<String>, Option<String>), Refusal> {
    let mut numbers = |name| {
        let party = Party::take(request, name)?;
        party.map(|mut party| party.tn_or_uri()).transpose()
    };
    match (numbers("to")?, numbers("dest")?) {
        (None, None) => Err(Refusal::Missing("to")),
        (None, Some(dest)) => Ok((dest, None)),
        (Some(to), dest) => Ok((to, dest.and_then(|dest| dest.into_iter().next()))),
    }
}

/// The body of the answer: 200, whatever the verdict. **A reason is in it exactly when the
/// verdict is Failed**: SBCs make a `Reason` header of it, and one of their own, 403, where
/// it is missing.
#[must_use]
pub fn answer(verdict: &Verdict, request_id: Option<&str>) -> Value {
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    put("verstat", verdict.verstat().into());
    put("verstatValue", verdict.verstat().into());
    if let Finding::Failed(Refused { code, detail, .. }) = &verdict.finding {
        // A number: there are SBCs that pass over one in quotes.
        put("reasoncode", code.code().into());
        put("reasonCode", code.code().into());
        put("reasontext", code.phrase().into());
        put("reasondesc", printable(detail, MAX_REASON).into());
    }
    let results: Vec<_> = verdict.results.iter().map(result).collect();
    if !results.is_empty() {
        put("verifyResults", results.into());
    }
    let diversions: Vec<_> = verdict.results.iter().filter_map(diversion).collect();
    if !diversions.is_empty() {
        put("divResult", diversions.into());
    }
    if let Some(id) = request_id {
        put("requestId", id.into());
    }
    put("oob", oob(verdict));
    json!({ "verificationResponse": answer })
}

/// One PASSporT of the call, as TS 24.229 tells of it.
fn result(result: &PassportResult) -> Value {
    let mut said = Map::new();
    let mut put = |name: &str, value: Value| said.insert(name.to_owned(), value);
    if let Some(ppt) = &result.ppt {
        put("ppt", printable(ppt, MAX_REASON).into());
    }
    match &result.outcome {
        Ok(()) => {
            put("status", "pass".into());
            let claims = result.passport.as_deref().and_then(claims);
            put("validClaims", claims.unwrap_or_default());
        }
        Err(Refused { code, detail, .. }) => {
            put("status", "fail".into());
            put("reasonCode", code.code().into());
            put("reasonText", code.phrase().into());
            put("reasonDescription", printable(detail, MAX_REASON).into());
        }
    }
    json!({ "verifyResult": said })
}

/// Who diverted the call, by one PASSporT, and whether that is so, as TS 24.229 tells of it.
fn diversion(result: &PassportResult) -> Option<Value> {
    let claims = result.passport.as_deref().and_then(claims)?;
    let div = claims.get("div")?;
    let verstat = match &result.outcome {
        Ok(()) => "TN-Validation-Passed",
        Err(refused) if refused.not_judged.is_some() => "No-TN-Validation",
        Err(_) => "TN-Validation-Failed",
    };
    Some(json!({ "div": div, "verstatValue": verstat }))
}

/// The claims of a PASSporT in full form.
pub(crate) fn claims(passport: &str) -> Option<Value> {
    let payload = from_base64url(passport.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// What came out of band, which only Pennyblack says.
fn oob(verdict: &Verdict) -> Value {
    let mut said = Map::new();
    let mut put = |name: &str, value: Value| said.insert(name.to_owned(), value);
    match &verdict.finding {
        Finding::Passed(found) => {
            put("source", found.source.name().into());
            for (name, value) in of_found(found) {
                put(name, value);
            }
            if let Some(Refused { code, .. }) = verdict.in_band_refusal() {
                put("in_band", code.code().into());
            }
        }
        Finding::Failed(_) => {
            put("source", "in-band".into());
        }
        Finding::None(reason) => {
            put("source", "none".into());
            put("reason", reason.name().into());
        }
    }
    said.into()
}

fn of_found(found: &Found) -> impl Iterator<Item = (&'static str, Value)> {
    let identity = found.identities.first().map(|one| one.as_str().into());
    let all = (found.identities.len() > 1).then(|| found.identities.as_slice().into());
    let attest = found.attest.map(|level| level.letter().into());
    let origid = found.origid.as_ref().map(|id| id.as_str().into());
    let retargeted = found.retargeted.as_ref();
    let retargeted = retargeted.map(|call| call.to.as_str().into());
    let members = [
        ("identity", identity),
        ("identities", all),
        ("attest", attest),
        ("origid", origid),
        ("age", Some(found.age.as_secs().into())),
        ("retargeted", retargeted),
    ];
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
}
