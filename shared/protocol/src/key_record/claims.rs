//! The claims of a key record that have a form of their own, each in its one spelling.

use pennyblack_base::cps_uri::CpsUri;
use pennyblack_stir::Spc;
use pennyblack_stir::jws::ClaimSet;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};

use super::coverage::Coverage;
use super::error::KeyRecordError;
use super::placement::Placement;

/// `iss` in one spelling: the identity of a record depends on it. An SPC is written in either
/// case in the field, and is one holder's.
pub(super) fn take_issuer(claims: &mut ClaimSet) -> Result<String, KeyRecordError> {
    let iss = claims.take_string("iss")?;
    if TelephoneNumber::from_canonical(&iss).is_ok() {
        return Ok(iss);
    }
    match iss.parse::<Spc>() {
        Ok(spc) => Ok(spc.in_upper_case().into()),
        Err(_) => Err(KeyRecordError::IssuerForm(iss)),
    }
}

/// `cps`, `more_cps` and `copies`.
pub(super) fn take_placement(claims: &mut ClaimSet) -> Result<Placement, KeyRecordError> {
    let first = parse_cps("cps", claims.take_string("cps")?)?;
    let is_there = claims.contains("more_cps");
    let more = claims.take_strings("more_cps")?;
    if is_there && more.is_empty() {
        return Err(KeyRecordError::NoMoreCps);
    }
    let more = more.into_iter().map(|text| parse_cps("more_cps", text));
    let copies = claims.contains("copies");
    let copies = copies.then(|| claims.take_count("copies")).transpose()?;
    Ok(Placement::new(
        first,
        more.collect::<Result<_, _>>()?,
        copies,
    )?)
}

/// The address of a CPS in its one spelling.
fn parse_cps(claim: &'static str, actual: String) -> Result<CpsUri, KeyRecordError> {
    let parsed = actual.parse::<CpsUri>();
    let parsed = parsed.map_err(|error| KeyRecordError::Cps { claim, error })?;
    let canonical = parsed.to_string();
    if actual != canonical {
        return Err(KeyRecordError::CpsForm {
            claim,
            actual,
            canonical,
        });
    }
    Ok(parsed)
}

pub(super) fn refuse_rest(claims: ClaimSet) -> Result<(), KeyRecordError> {
    match claims.into_rest().into_iter().next() {
        Some((claim, _)) => Err(KeyRecordError::UnknownClaim(claim)),
        None => Ok(()),
    }
}

pub(super) fn take_coverage(claims: &mut ClaimSet) -> Result<Coverage, KeyRecordError> {
    let number = claims.take_optional_string("tn")?;
    let spc = claims.take_optional_string("spc")?;
    match (number, claims.contains("range"), spc) {
        (Some(number), false, None) => parse_number("tn", number).map(Coverage::Number),
        (None, true, None) => take_range(claims).map(Coverage::Range),
        (None, false, Some(spc)) => match spc.parse() {
            Ok(parsed) => Ok(Coverage::Spc(parsed)),
            Err(_) => Err(KeyRecordError::Coverage {
                claim: "spc",
                value: spc,
            }),
        },
        _ => Err(KeyRecordError::NotOneCoverage),
    }
}

fn take_range(claims: &mut ClaimSet) -> Result<NumberRange, KeyRecordError> {
    let mut range = claims.take_object("range")?;
    let start = parse_number("range", range.take_string("start")?)?;
    let count = range.take_count("count")?;
    refuse_rest(range)?;
    let value = format!("{count} numbers from {start}");
    // One number is `tn`.
    let range = NumberRange::new(start, count).ok();
    let range = range.filter(|range| range.count() > 1);
    range.ok_or(KeyRecordError::Coverage {
        claim: "range",
        value,
    })
}

fn parse_number(claim: &'static str, text: String) -> Result<TelephoneNumber, KeyRecordError> {
    TelephoneNumber::from_canonical(&text)
        .map_err(|_| KeyRecordError::Coverage { claim, value: text })
}
