//! The copies of a call's PASSporT, and what is said of each.

use console::style;
use pennyblack_client::auth_service::{
    FoundKeys, OobAuthenticationError, OobAuthenticationService,
};
use pennyblack_client::wallet::Wallet;
use pennyblack_passport::UnverifiedPassport;
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::telephone_number::TelephoneNumber;
use serde_json::{Value, json};

use super::super::outcome::{Exit, Failure, Outcome};
use super::super::standard_error::message;
use super::super::wording::{folded, plural, printable};
use super::output::{NOT_ALL_READ, refusals};

/// The copies for each key. One that fails does not keep the others back. The first failure
/// for a key of which no copy is stored decides the exit code.
pub(super) async fn store_copies(
    caller: &OobAuthenticationService,
    wallet: &Wallet,
    passport: &UnverifiedPassport,
    found: &FoundKeys,
    (dest, resend): (&TelephoneNumber, &str),
    clock: &Clock,
) -> Result<Outcome, Failure> {
    let keys = plural(found.keys.len() as u64, "key");
    let mut lines = vec![format!("call to {dest}: {keys}")];
    let (mut copies, mut keys_json): (Vec<Value>, Vec<Value>) = Default::default();
    let mut first_failure: Option<OobAuthenticationError> = None;
    let mut is_kept = false;
    let all_keys = caller.store_all(wallet, passport, found, clock.now()).await;
    for (key, all) in found.keys.iter().zip(all_keys) {
        let mailbox = key.mailbox().to_string();
        for cps in all.stored.iter().map(ToString::to_string) {
            let stored = style("stored").green();
            lines.push(format!("  {stored} for {mailbox} at {cps}"));
            copies.push(json!({ "mailbox": mailbox, "cps": cps, "stored": true }));
        }
        let (wanted, stored) = (all.wanted, all.stored.len());
        for (cps, error) in all.failed {
            let (cps, why) = (cps.to_string(), message(&error));
            is_kept |= error.is_kept();
            let failed = style("failed").red();
            lines.push(folded(&format!("  {failed} for {mailbox} at {cps}: {why}")));
            copies.push(json!({ "mailbox": mailbox, "cps": cps, "stored": false, "error": why }));
            if stored == 0 {
                first_failure.get_or_insert(error);
            }
        }
        if (1..wanted).contains(&stored) {
            lines.push(format!(
                "  stored {stored} of {wanted} copies for {mailbox}"
            ));
        }
        keys_json.push(json!({ "mailbox": mailbox, "wanted": wanted, "stored": stored }));
    }
    if is_kept {
        lines.push(format!("  to send it again: {resend}"));
    }
    if found.left_out > 0 {
        let more = plural(found.left_out as u64, "more key");
        lines.push(format!("  no copy for {more}: see --max-copies"));
    }
    if found.is_partial {
        lines.push(folded(&format!("  {NOT_ALL_READ}")));
    }
    if found.refused.count > 0 {
        lines.push(folded(&format!("  passed over {}", refusals(found))));
    }
    let examples = found.refused.examples.iter();
    let examples: Vec<_> = examples.map(|why| printable(&why.to_string())).collect();
    let json = json!({
        "dest": dest.to_string(),
        "keys": keys_json,
        "copies": copies,
        "resend": is_kept.then_some(resend),
        "left_out": found.left_out,
        "is_partial": found.is_partial,
        "refused_records": { "count": found.refused.count, "examples": examples },
    });
    let exit = first_failure.map_or(Exit::Done, |error| Failure::from(error).exit());
    Ok(Outcome::new(json, lines.join("\n"), exit))
}
