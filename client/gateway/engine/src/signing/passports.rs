//! Which PASSporTs a call has: those that it came with, or one that is signed here. Not here:
//! storing them.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_passport::{
    Claims, Destinations, Extension, IdentityHeader, IdentityHeaderError, OrigId, Party,
    UnverifiedPassport,
};
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::jws::CertificateReference;
use pennyblack_stir::telephone_number::TelephoneNumber;

use crate::number::NotANumber;
use crate::outgoing::{BadParameter, BadValue, OutgoingCall, Parameter, Passport};
use crate::reason::Reason;
use crate::trunk::Trunk;

/// Most PASSporTs of a call that are stored: `shaken`, five `div`, and two more. Each costs a
/// token for each key.
const MAX_IDENTITIES: usize = 8;

/// Most called numbers of a call.
const MAX_DESTINATIONS: usize = 64;

/// What a call has.
pub(super) struct Prepared {
    pub(super) passport: Passport,
    pub(super) to_store: Vec<Arc<UnverifiedPassport>>,
    /// The numbers to whose keys they are sealed.
    pub(super) numbers: Vec<TelephoneNumber>,
    /// Why not all is stored, if it is not.
    pub(super) refused: Option<Reason>,
}

impl Prepared {
    fn nothing(reason: Reason) -> Self {
        Self {
            passport: Passport::None(reason),
            to_store: Vec::new(),
            numbers: Vec::new(),
            refused: Some(reason),
        }
    }
}

/// What a call is signed by, besides its trunk.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// By whose revocation lists the trunk's certificate may be revoked.
    pub(super) trust: &'a TrustPolicy,
    pub(super) clock_tolerance: Duration,
    pub(super) now: UnixTime,
}

/// Emergency calls first: nothing is done for them, whatever else is wrong with them.
pub(super) fn prepare(
    trunk: &Trunk,
    call: OutgoingCall,
    terms: Terms<'_>,
) -> Result<Prepared, BadParameter> {
    let Terms {
        clock_tolerance,
        now,
        ..
    } = terms;
    let goes_to = call.request_uri.as_deref().map(|uri| trunk.canonical(uri));
    let dest: Vec<_> = call.dest.iter().map(|text| trunk.canonical(text)).collect();
    let is_passed_over = |number: &Result<_, _>| matches!(number, Err(NotANumber::PassedOver));
    if dest.iter().chain(&goes_to).any(is_passed_over) {
        return Ok(Prepared::nothing(Reason::PassedOver));
    }
    let goes_to = goes_to.and_then(Result::ok);
    if !call.identities.is_empty() && call.div.is_none() {
        return Ok(as_they_came(&call.identities, goes_to, now));
    }
    let dest = dest.into_iter().collect::<Result<Vec<_>, _>>();
    let dest = dest.map_err(|why| bad(Parameter::Dest, why))?;
    match dest.len() {
        0 => return Err(bad(Parameter::Dest, NotANumber::Missing)),
        1..=MAX_DESTINATIONS => {}
        many => return Err(bad(Parameter::Dest, BadValue::Destinations(many))),
    }
    let orig = match trunk.orig(&call.asserted, &call.from) {
        Err(NotANumber::PassedOver) => return Ok(Prepared::nothing(Reason::PassedOver)),
        orig => orig.map_err(|why| bad(Parameter::Orig, why))?,
    };
    let iat = call.iat.unwrap_or(now);
    if iat.since(now).max(now.since(iat)) > clock_tolerance {
        let tolerance = clock_tolerance;
        let why = BadValue::Clock {
            iat,
            now,
            tolerance,
        };
        return Err(bad(Parameter::Iat, why));
    }
    let div = call.div.as_deref().map(|text| trunk.canonical(text));
    let div = div.transpose().map_err(|why| bad(Parameter::Div, why))?;
    let parties = Parties {
        orig,
        dest,
        goes_to,
        div,
    };
    Ok(match parties.div {
        Some(_) => diverted(trunk, &call, parties, iat, terms),
        None => signed(trunk, &call, parties, iat, terms),
    })
}

/// Whom a call is from, and to.
struct Parties {
    orig: TelephoneNumber,
    dest: Vec<TelephoneNumber>,
    goes_to: Option<TelephoneNumber>,
    /// Who sent it on.
    div: Option<TelephoneNumber>,
}

fn bad(parameter: Parameter, why: impl Into<BadValue>) -> BadParameter {
    let why = why.into();
    BadParameter { parameter, why }
}

/// The PASSporTs as they came (RFC 8816 section 5). Those that nobody would accept cost no
/// token, and keep no other back.
fn as_they_came(
    identities: &[String],
    goes_to: Option<TelephoneNumber>,
    now: UnixTime,
) -> Prepared {
    let too_many = identities.len() > MAX_IDENTITIES;
    let mut refused = too_many.then_some(Reason::TooManyIdentities);
    let mut to_store = Vec::new();
    for identity in identities.iter().take(MAX_IDENTITIES) {
        match fresh_passport(identity, now) {
            Ok(passport) => to_store.push(Arc::new(passport)),
            Err(reason) => drop(refused.get_or_insert(reason)),
        }
    }
    let mut numbers = called_numbers(&to_store);
    numbers.extend(goes_to);
    Prepared {
        passport: Passport::CameWithTheCall,
        to_store,
        numbers,
        refused,
    }
}

fn fresh_passport(identity: &str, now: UnixTime) -> Result<UnverifiedPassport, Reason> {
    let header: Result<IdentityHeader, _> = identity.trim().parse();
    let passport = match header {
        Ok(header) => header.into_passport(),
        Err(IdentityHeaderError::CompactForm) => return Err(Reason::CompactForm),
        Err(_) => return Err(Reason::BadIdentity),
    };
    match passport.check_fresh(now) {
        Ok(()) => Ok(passport),
        Err(_) => Err(Reason::StaleIdentity),
    }
}

/// Who is called now: of a diverted call not the numbers that diverted it.
fn called_numbers(passports: &[Arc<UnverifiedPassport>]) -> Vec<TelephoneNumber> {
    let claims = || passports.iter().map(|passport| passport.claims());
    let diverting: Vec<_> = claims()
        .filter_map(|claims| claims.extension.diverting_party())
        .collect();
    let called = claims().flat_map(|claims| claims.dest.numbers());
    let still_called =
        called.filter(|number| !diverting.contains(&&Party::Number((*number).clone())));
    still_called
        .filter_map(|number| number.to_telephone_number())
        .collect()
}

fn signed(
    trunk: &Trunk,
    call: &OutgoingCall,
    parties: Parties,
    iat: UnixTime,
    terms: Terms<'_>,
) -> Prepared {
    let attest = trunk.attestation(&parties.orig, call.attest);
    let origid = call.origid.clone().unwrap_or_else(OrigId::random);
    let extension = Extension::Shaken {
        attest,
        origid: origid.clone(),
    };
    match sign(trunk, &parties, extension, iat, terms) {
        Ok(header) => Prepared {
            to_store: vec![Arc::new(header.passport().clone())],
            passport: Passport::Signed {
                identity: Box::new(header),
                attest,
                origid,
            },
            numbers: parties.dest.into_iter().chain(parties.goes_to).collect(),
            refused: None,
        },
        Err(reason) => Prepared::nothing(reason),
    }
}

/// **A `div` without what it diverts is good for nothing**, and costs no token.
fn diverted(
    trunk: &Trunk,
    call: &OutgoingCall,
    parties: Parties,
    iat: UnixTime,
    terms: Terms<'_>,
) -> Prepared {
    let Some(div) = parties.div.clone().map(Party::from) else {
        return Prepared::nothing(Reason::Internal);
    };
    let extension = Extension::Div { div: div.clone() };
    let header = match sign(trunk, &parties, extension, iat, terms) {
        Ok(header) => header,
        Err(reason) => return Prepared::nothing(reason),
    };
    let Prepared {
        mut to_store,
        mut refused,
        ..
    } = as_they_came(&call.identities, None, terms.now);
    let orig = Party::from(parties.orig);
    let is_original = |passport: &Arc<UnverifiedPassport>| {
        let claims = passport.claims();
        claims.orig == orig && claims.dest.contain(&div)
    };
    if to_store.iter().any(is_original) {
        to_store.push(Arc::new(header.passport().clone()));
    } else {
        to_store.clear();
        refused.get_or_insert(Reason::NoOriginal);
    }
    Prepared {
        to_store,
        passport: Passport::Diverted {
            identity: Box::new(header),
        },
        numbers: parties.dest.into_iter().chain(parties.goes_to).collect(),
        refused,
    }
}

/// Signs with the trunk's certificate, if it is good now.
fn sign(
    trunk: &Trunk,
    parties: &Parties,
    extension: Extension,
    iat: UnixTime,
    Terms { trust, now, .. }: Terms<'_>,
) -> Result<IdentityHeader, Reason> {
    let identity = trunk.identity.as_ref().ok_or(Reason::NoCertificate)?;
    let current = identity.files.current();
    let is_good = current
        .check_current(now)
        .and_then(|()| current.check_not_revoked(trust, now));
    if let Err(error) = is_good {
        tracing::warn!(trunk = trunk.name, %error, "a call was not signed");
        return Err(Reason::CertificateNotCurrent);
    }
    let dest = parties.dest.iter().cloned().map(Party::from);
    let claims = Claims {
        orig: Party::from(parties.orig.clone()),
        dest: Destinations::new(dest).map_err(|_| Reason::Internal)?,
        iat,
        mky: Vec::new(),
        extension,
        others: serde_json::Map::new(),
    };
    let reference = CertificateReference::X5u(identity.x5u.clone());
    let token = claims.sign(&reference, current.key());
    let passport = UnverifiedPassport::parse(&token).map_err(|_| Reason::Internal)?;
    IdentityHeader::new(passport).map_err(|_| Reason::Internal)
}

#[cfg(test)]
mod tests;
