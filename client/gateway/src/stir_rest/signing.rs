//! What a signing request says, in ATIS-1000082 (`attest`, `orig`, `dest`, `iat`, `origid`)
//! and in TS 24.229 annex V (`ppt`, `requestId`), and the one answer that serves both. Not
//! here: which number a text means, which depends on the trunk, and what is signed.

use pennyblack_engine::{OutgoingCall, Passport, Reason, SignOutcome};
use pennyblack_passport::{Attestation, OrigId};
use serde_json::{Map, Value, json};

use super::identities;
use super::members::{MAX_TEXT, Members};
use super::party::Party;
use super::refusal::Refusal;

/// A call that is to be signed, and its name.
#[derive(Debug, Clone)]
pub struct SigningRequest {
    /// The call.
    pub call: OutgoingCall,
    /// Names it, and is given back.
    pub request_id: Option<String>,
}

impl SigningRequest {
    /// Reads the members of a body. Members that are not known are passed over.
    ///
    /// # Errors
    /// [`Refusal`], which names the member.
    pub(crate) fn read(mut body: Members) -> Result<Self, Refusal> {
        let missing = Refusal::Missing("signingRequest");
        let mut request = body.object("signingRequest")?.ok_or(missing)?;
        let request = &mut request;
        let orig = Party::take(request, "orig")?.ok_or(Refusal::Missing("orig"))?;
        let dest = Party::take(request, "dest")?.ok_or(Refusal::Missing("dest"))?;
        let iat = request.time("iat")?.ok_or(Refusal::Missing("iat"))?;
        let div = div(request)?;
        let call = OutgoingCall {
            from: one_number(orig, "orig.tn")?,
            dest: numbers(dest, "dest.tn")?,
            attest: attest(request)?,
            origid: origid(request)?,
            iat: Some(iat),
            identities: identities::read(request)?,
            div,
            ..OutgoingCall::default()
        };
        let request_id = request.text("requestId", MAX_TEXT)?;
        Ok(Self { call, request_id })
    }
}

fn one_number(party: Party, missing: &'static str) -> Result<String, Refusal> {
    let name = party.name;
    let mut numbers = numbers(party, missing)?.into_iter();
    match (numbers.next(), numbers.next()) {
        (Some(number), None) => Ok(number),
        _ => Err(Refusal::invalid(name, "must be one number")),
    }
}

/// The numbers of a party; what cannot be one is refused at once.
fn numbers(mut party: Party, missing: &'static str) -> Result<Vec<String>, Refusal> {
    let tn = party.tn()?;
    if !tn.iter().all(|number| is_number(number)) {
        let reason = "a telephone number has digits, *, #, +, . - ( ) and blanks only";
        return Err(Refusal::invalid(party.name, reason));
    }
    let numbers = if tn.is_empty() {
        party.tn_or_uri()?
    } else {
        tn
    };
    match numbers.is_empty() {
        true => Err(Refusal::Missing(missing)),
        false => Ok(numbers),
    }
}

/// The characters that ATIS-1000082 accepts in a number, and blanks between them.
fn is_number(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || b"*#+.-() ".contains(&byte))
}

/// Who sent the call on, if a `div` PASSporT is to be signed.
fn div(request: &mut Members) -> Result<Option<String>, Refusal> {
    match request.text("ppt", MAX_TEXT)?.as_deref() {
        None | Some("shaken") => Ok(None),
        Some("div") => {
            let party = Party::take(request, "div")?.ok_or(Refusal::Missing("div"))?;
            one_number(party, "div.tn").map(Some)
        }
        Some(_) => Err(Refusal::invalid(
            "ppt",
            "only shaken and div are signed here; send others as identityHeaders to have them \
             stored",
        )),
    }
}

fn attest(request: &mut Members) -> Result<Option<Attestation>, Refusal> {
    let Some(letter) = request.text("attest", MAX_TEXT)? else {
        return Ok(None);
    };
    let level = letter.parse();
    let level = level.map_err(|_| Refusal::invalid("attest", "must be A, B or C"))?;
    Ok(Some(level))
}

fn origid(request: &mut Members) -> Result<Option<OrigId>, Refusal> {
    let Some(text) = request.text("origid", MAX_TEXT)? else {
        return Ok(None);
    };
    let uuid = text.parse();
    let uuid = uuid.map_err(|_| Refusal::invalid("origid", "must be a UUID (RFC 4122)"))?;
    Ok(Some(uuid))
}

/// The body of the answer to a signed call.
///
/// # Errors
/// [`Refusal::NoSigningKey`] where a call comes without an Identity, and there is no
/// certificate that is good now: the one trouble of ours that a switch hears of.
pub fn answer(outcome: &SignOutcome, request_id: Option<&str>) -> Result<Value, Refusal> {
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    match &outcome.passport {
        Passport::Signed { identity, .. } | Passport::Diverted { identity } => {
            let header = identity.to_string();
            put("identity", header.clone().into());
            put("identityHeader", header.into());
        }
        Passport::None(Reason::NoCertificate | Reason::CertificateNotCurrent) => {
            return Err(Refusal::NoSigningKey);
        }
        Passport::None(Reason::PassedOver) => {
            let reason = "an emergency number or short code: it is neither signed nor stored";
            return Err(Refusal::invalid("dest", reason));
        }
        Passport::None(_) | Passport::CameWithTheCall => {}
    }
    if let Some(id) = request_id {
        put("requestId", id.into());
    }
    put("oob", oob(outcome));
    Ok(json!({ "signingResponse": answer }))
}

/// What came of storing, which only Pennyblack says.
fn oob(outcome: &SignOutcome) -> Value {
    let oob = &outcome.oob;
    let mut said = Map::new();
    said.insert("stored".to_owned(), oob.is_stored().into());
    said.insert("copies".to_owned(), oob.copies.into());
    let reason = match outcome.passport {
        Passport::None(reason) => Some(reason),
        _ => oob.reason,
    };
    if let Some(reason) = reason {
        said.insert("reason".to_owned(), reason.name().into());
    }
    said.into()
}
