//! A call as an INVITE tells of it, and what is added to it: the same for an INVITE that is
//! the text of an HTTP request and for one that comes by SIP. Not here: numbers, which depend
//! on the trunk, and transactions.

pub(crate) mod deciding;

use pennyblack_client::assignments::CallName;
use pennyblack_engine::{Finding, IncomingCall, OutgoingCall, Passport, SignOutcome, Source};
use pennyblack_engine::{Trunk, Verdict};
use pennyblack_sip::SyntaxError;
use pennyblack_sip::answer::{AddedHeader, AssertedForm, ReasonProtocol, Verstat};
use pennyblack_sip::header_name::{
    CALL_ID, P_ATTESTATION_INDICATOR, P_ORIGINATION_ID, PRIORITY, RESOURCE_PRIORITY,
};
use pennyblack_sip::name_addr::NameAddr;
use pennyblack_sip::request::Request;
use pennyblack_sip::uri::{HostPort, Uri};

/// The call that leaves with an INVITE. A `From` that cannot be read names nobody.
///
/// # Errors
/// [`SyntaxError`] when `To` or `P-Asserted-Identity` cannot be read: two readers could find
/// two calls.
pub fn outgoing(invite: &Request) -> Result<OutgoingCall, SyntaxError> {
    let value = |name| first(invite, name);
    let attest = value(P_ATTESTATION_INDICATOR).and_then(|level| level.parse().ok());
    let origid = value(P_ORIGINATION_ID).and_then(|id| id.parse().ok());
    Ok(OutgoingCall {
        asserted: asserted(invite)?,
        from: from(invite),
        dest: vec![invite.to()?.uri().to_string()],
        request_uri: Some(invite.uri().to_string()),
        attest,
        origid,
        iat: None,
        identities: identities(invite),
        div: None,
    })
}

/// The call that arrives with an INVITE.
///
/// # Errors
/// As [`outgoing`].
pub fn incoming(invite: &Request) -> Result<IncomingCall, SyntaxError> {
    let name = call_id(invite);
    let name = name.as_deref();
    Ok(IncomingCall {
        call: name.map_or_else(CallName::random, CallName::new),
        asserted: asserted(invite)?,
        from: from(invite),
        to: vec![invite.to()?.uri().to_string()],
        request_uri: Some(invite.uri().to_string()),
        identities: identities(invite),
    })
}

/// Its `Call-ID`.
#[must_use]
pub fn call_id(invite: &Request) -> Option<String> {
    first(invite, CALL_ID)
}

/// Whether the call goes on at once, whatever there is to say of it: to an emergency number
/// by its name, or back from one (RFC 7090), or with a priority of emergency networks (RFC
/// 7135).
#[must_use]
pub fn is_emergency(invite: &Request) -> bool {
    let says = |name, word: &str| {
        let mut values = invite.headers().all(name);
        values.any(|value| value.text().to_ascii_lowercase().contains(word))
    };
    let to = invite.to();
    invite.uri().is_emergency_service()
        || to.is_ok_and(|to| to.uri().is_emergency_service())
        || says(PRIORITY, "psap-callback")
        || says(RESOURCE_PRIORITY, "esnet.")
}

fn first(invite: &Request, name: &'static str) -> Option<String> {
    let mut values = invite.headers().all(name);
    let value = values.next().map(|value| value.text().into_owned());
    value.filter(|value| !value.is_empty())
}

fn from(invite: &Request) -> String {
    let from = invite.from();
    from.map_or_else(|_| String::new(), |from| from.uri().to_string())
}

fn asserted(invite: &Request) -> Result<Vec<String>, SyntaxError> {
    let asserted = invite.asserted_identities()?;
    Ok(asserted.iter().map(|one| one.uri().to_string()).collect())
}

fn identities(invite: &Request) -> Vec<String> {
    invite.identities().map(|one| one.into_owned()).collect()
}

/// What is added to a call that leaves. Nothing: it goes on as it is.
#[must_use]
pub fn of_signed(outcome: &SignOutcome) -> Vec<AddedHeader> {
    match &outcome.passport {
        Passport::Signed { identity, .. } | Passport::Diverted { identity } => {
            // What is signed here has no line ends in it.
            let header = AddedHeader::identity(&identity.to_string());
            header.into_iter().collect()
        }
        Passport::CameWithTheCall | Passport::None(_) => Vec::new(),
    }
}

/// What is added to a call that arrives on `trunk`. Nothing: nothing can be said of it. A
/// value of a PASSporT that no header may have is left out.
#[must_use]
pub fn of_verdict(
    verdict: &Verdict,
    invite: &Request,
    trunk: &Trunk,
    reason: Option<ReasonProtocol>,
) -> Vec<AddedHeader> {
    let asserted =
        |digits: &str, verstat| AddedHeader::asserted_identity(digits, verstat, &form(invite)).ok();
    match &verdict.finding {
        Finding::None(_) => Vec::new(),
        Finding::Failed(refused) => {
            let caller = caller(invite, trunk);
            let caller = caller.and_then(|digits| asserted(&digits, Verstat::Failed));
            let (cause, text) = (refused.code.code(), refused.code.phrase());
            let reason = reason.and_then(|kind| AddedHeader::reason(kind, cause, text).ok());
            caller.into_iter().chain(reason).collect()
        }
        Finding::Passed(found) => {
            let attest = found.attest.map(|level| level.letter());
            let attest = attest.and_then(|level| AddedHeader::attestation_level(level).ok());
            let origid = found.origid.as_ref();
            let origid = origid.and_then(|id| AddedHeader::origination_id(id.as_str()).ok());
            // One that came in band is in the INVITE already.
            let back = found.identities.iter();
            let back = back.filter(|_| found.source == Source::OutOfBand);
            asserted(found.orig.as_str(), Verstat::Passed)
                .into_iter()
                .chain(attest)
                .chain(origid)
                .chain(back.filter_map(|value| AddedHeader::identity(value).ok()))
                .collect()
        }
    }
}

/// The calling number that the call shows.
fn caller(invite: &Request, trunk: &Trunk) -> Option<String> {
    let asserted = asserted(invite).unwrap_or_default();
    let asserted = asserted.into_iter().filter(|_| trunk.trust_pai);
    let mut all = asserted.chain([from(invite)]);
    let found = all.find_map(|text| trunk.canonical(&text).ok());
    found.map(|number| number.as_str().to_owned())
}

/// `P-Asserted-Identity` keeps the host of the caller, as switches expect.
fn form(invite: &Request) -> AssertedForm {
    let from = invite.from().ok();
    let of_caller = from.as_ref().map(NameAddr::uri);
    let mut uris = of_caller.into_iter().chain([invite.uri()]);
    let host = uris.find_map(|uri| match uri {
        Uri::Sip(uri) => Some(uri.host().clone()),
        _ => None,
    });
    match host {
        Some(host) => AssertedForm::Sip(HostPort { host, port: None }),
        None => AssertedForm::Tel,
    }
}

#[cfg(test)]
mod tests;
