//! What a called customer must see of a call. Not here: how the call came about (`line`).

use std::collections::HashSet;
use std::ops::RangeInclusive;

use pennyblack_base::encoding::from_base64url;
use serde_json::Value;

use super::callee::Invite;

/// How far the `iat` of a PASSporT may be from the time of the judgement, in seconds.
const FRESH: i64 = 60;

/// The verdict that a call must arrive with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// `TN-Validation-Passed`, with a PASSporT from this number to that one.
    Passed { orig: String, dest: String },
    /// `No-TN-Validation`, and no Identity.
    Nothing,
}

/// Why an INVITE is not as it must be.
pub(super) fn judge(invite: &Invite, expected: &Expected, now: i64) -> Result<(), String> {
    let asserted = only_one(invite, "P-Asserted-Identity")?;
    match expected {
        Expected::Passed { orig, dest } => {
            // After a gap the number may be national.
            let national = orig.get(1..).unwrap_or_default();
            let verdict = format!("{national};verstat=TN-Validation-Passed@");
            if !asserted.contains(&verdict) {
                return Err(format!("{asserted} is not {verdict}"));
            }
            let attested = only_one(invite, "P-Attestation-Indicator")?;
            if attested != "A" {
                return Err(format!("attested {attested}, not A"));
            }
            let claims = claims(only_one(invite, "Identity")?)?;
            let origid = only_one(invite, "P-Origination-ID")?;
            if claims.get("origid").and_then(Value::as_str) != Some(origid) {
                return Err(format!("{origid} is not the origid of {claims}"));
            }
            judge_claims(&claims, orig, dest, now)
        }
        Expected::Nothing => {
            if !asserted.contains(";verstat=No-TN-Validation@") {
                return Err(format!("{asserted} is not verstat=No-TN-Validation"));
            }
            for name in ["Identity", "P-Attestation-Indicator", "P-Origination-ID"] {
                if let Some(value) = invite.all(name).next() {
                    return Err(format!("{name} is there: {value}"));
                }
            }
            Ok(())
        }
    }
}

/// Whether the time from INVITE to 180 is as expected, in milliseconds.
pub(super) fn judge_delay(delay: u64, expected: &RangeInclusive<u64>) -> Result<(), String> {
    match expected.contains(&delay) {
        true => Ok(()),
        false => Err(format!("{delay} ms to the 180, not {expected:?}")),
    }
}

/// A PASSporT is good for one call.
pub(super) fn judge_distinct(invites: &[Invite]) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut all = invites.iter().flat_map(|invite| invite.all("Identity"));
    match all.find(|identity| !seen.insert(*identity)) {
        None => Ok(()),
        Some(identity) => Err(format!("two calls have {identity}")),
    }
}

fn only_one<'a>(invite: &'a Invite, name: &'a str) -> Result<&'a str, String> {
    let values: Vec<_> = invite.all(name).collect();
    match *values.as_slice() {
        [value] => Ok(value),
        _ => Err(format!("{name} is there {} times, not once", values.len())),
    }
}

/// The claims of an Identity header of the full form.
pub(super) fn claims(identity: &str) -> Result<Value, String> {
    let malformed = || format!("{identity} is no Identity header of the full form");
    let (jws, parameters) = identity.split_once(';').ok_or_else(malformed)?;
    let mut parameters = parameters.split(';');
    let info = parameters
        .next()
        .and_then(|info| info.strip_prefix("info=<https://"));
    let rest: Vec<_> = parameters.map(|one| one.replace('"', "")).collect();
    if !info.is_some_and(|info| info.ends_with('>')) || rest != ["alg=ES256", "ppt=shaken"] {
        return Err(malformed());
    }
    let [header, claims, signature] = jws.split('.').collect::<Vec<_>>()[..] else {
        return Err(malformed());
    };
    if [header, claims, signature].contains(&"") {
        return Err(malformed());
    }
    let claims = from_base64url(claims).map_err(|_| malformed())?;
    serde_json::from_slice(&claims).map_err(|_| malformed())
}

fn judge_claims(claims: &Value, orig: &str, dest: &str, now: i64) -> Result<(), String> {
    let iat = claims["iat"].as_i64();
    let is_fresh = iat.is_some_and(|iat| (now - iat).abs() <= FRESH);
    let is_of_the_call = claims["orig"]["tn"] == orig && claims["dest"]["tn"][0] == dest;
    match is_fresh && is_of_the_call {
        true => Ok(()),
        false => Err(format!(
            "{claims} is not of this call, from {orig} to {dest}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_base::encoding::base64url;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn expected() -> Expected {
        Expected::Passed {
            orig: "17325551000".to_owned(),
            dest: "12125550100".to_owned(),
        }
    }

    fn identity(claims: &str) -> String {
        let claims = base64url(claims.as_bytes());
        format!("e30.{claims}.c2ln;info=<https://certs.test/a.pem>;alg=ES256;ppt=shaken")
    }

    fn passed() -> String {
        let claims = format!(
            r#"{{"attest":"A","dest":{{"tn":["12125550100"]}},"iat":{NOW},"orig":{{"tn":"17325551000"}},"origid":"0-1"}}"#
        );
        let identity = identity(&claims);
        format!(
            "INVITE sip:a SIP/2.0\r\nCall-ID: x\r\nP-Asserted-Identity: <sip:+17325551000;verstat=TN-Validation-Passed@127.0.0.1;user=phone>\r\nP-Attestation-Indicator: A\r\nP-Origination-ID: 0-1\r\nIdentity: {identity}\r\n\r\nIdentity: body"
        )
    }

    fn nothing() -> &'static str {
        "INVITE sip:a SIP/2.0\r\nP-Asserted-Identity: <sip:anonymous;verstat=No-TN-Validation@127.0.0.1;user=phone>\r\n\r\n"
    }

    fn says(text: &str, expected: &Expected) -> Result<(), String> {
        judge(&Invite::new(text), expected, NOW)
    }

    #[test]
    fn the_judge_accepts_calls_that_are_as_they_must_be() {
        says(&passed(), &expected()).unwrap();
        says(nothing(), &Expected::Nothing).unwrap();
        let national = passed().replace("<sip:+1732", "<sip:732");
        says(&national, &expected()).unwrap();
    }

    #[test]
    fn the_judge_sees_each_planted_fault() {
        let good = passed();
        let line = good
            .lines()
            .find(|line| line.starts_with("P-Asserted"))
            .unwrap();
        let identity_line = good
            .lines()
            .find(|line| line.starts_with("Identity"))
            .unwrap();
        let of_another = identity(&format!(
            r#"{{"dest":{{"tn":["12125550100"]}},"iat":{NOW},"orig":{{"tn":"17325551001"}},"origid":"0-1"}}"#
        ));
        let stale = identity(
            r#"{"dest":{"tn":["12125550100"]},"iat":1799990000,"orig":{"tn":"17325551000"},"origid":"0-1"}"#,
        );
        for fault in [
            good.replace("TN-Validation-Passed", "No-TN-Validation"),
            good.replace("TN-Validation-Passed", "TN-Validation-Failed"),
            good.replace("<sip:+17325551000;", "<sip:+17325551009;"),
            good.replace(line, &format!("{line}\r\n{line}")),
            good.replace(&format!("{line}\r\n"), ""),
            good.replace("Indicator: A", "Indicator: B"),
            good.replace("P-Attestation-Indicator", "X"),
            good.replace("P-Origination-ID: 0-1", "P-Origination-ID: 0-2"),
            good.replace("P-Origination-ID", "X"),
            good.replace(&format!("{identity_line}\r\n"), ""),
            good.replace(
                identity_line,
                &format!("{identity_line}\r\n{identity_line}"),
            ),
            good.replace(identity_line, &format!("Identity: {of_another}")),
            good.replace(identity_line, &format!("Identity: {stale}")),
            good.replace("info=<https://", "info=<http://"),
            good.replace("ppt=shaken", "ppt=div"),
            good.replace("Identity: e30.", "Identity: ."),
            nothing().to_owned(),
        ] {
            assert!(says(&fault, &expected()).is_err(), "not seen: {fault}");
        }
        let with_identity = nothing().replace("\r\n\r\n", &format!("\r\n{identity_line}\r\n\r\n"));
        let failed = nothing().replace("No-TN-Validation", "TN-Validation-Failed");
        for fault in [with_identity, failed, good.clone()] {
            assert!(
                says(&fault, &Expected::Nothing).is_err(),
                "not seen: {fault}"
            );
        }
        let invites = [good.as_str(), good.as_str(), nothing(), nothing()].map(Invite::new);
        assert!(judge_distinct(&invites).is_err(), "twice the same PASSporT");
        judge_distinct(&invites[1..]).unwrap();
        judge_delay(10, &(0..=100)).unwrap();
        assert!(judge_delay(101, &(0..=100)).is_err());
        assert!(judge_delay(10, &(400..=800)).is_err());
    }
}
