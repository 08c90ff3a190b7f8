//! What an audit came to, as text for people and as JSON. Not here: the audit.

use console::style;
use indicatif::HumanCount;
use pennyblack_audit::{Followed, FollowedLog, ProvenEntry, RecordCounts};
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::log_entry::Statement;
use pennyblack_tlog::KeyName;
use serde_json::{Value, json};

use super::super::outcome::{Exit, Outcome};
use super::super::wording::{count, plural, wrapped};

/// Nothing is wrong with the logs.
pub(super) fn followed(followed: &Followed) -> Outcome {
    let log = |log: &FollowedLog| {
        json!({ "log": log.name.as_str(), "entries": log.now, "new": log.now - log.before,
                "signed": log.signed, "complete": log.is_complete, "skipped": log.skipped })
    };
    let json = json!({
        "cps": log(&followed.cps),
        "issuers": followed.issuers.iter().map(log).collect::<Vec<_>>(),
        "new_double_spends": followed.double_spends,
        "new_oblivious_keys": followed.oblivious_keys,
        "new_key_records": { "published": followed.records.published,
                             "ended": followed.records.ended },
        "issuers_not_followed": followed.unfollowed,
    });
    let logs = std::iter::once(&followed.cps).chain(&followed.issuers);
    let mut lines: Vec<_> = logs.clone().map(line_of).collect();
    let skipping = logs.filter(|log| !log.skipped.is_empty());
    lines.extend(skipping.map(|log| {
        let (name, skipped) = (&log.name, &log.skipped);
        format!(
            "{name} has {skipped}: they are in the log, and were not checked; update this program"
        )
    }));
    lines.push(match followed.double_spends {
        0 => "no new double spends".to_owned(),
        number => format!(
            "{}, the evidence of each verified",
            plural(number, "new double spend")
        ),
    });
    if followed.oblivious_keys > 0 {
        lines.push(plural(
            followed.oblivious_keys,
            "new key for oblivious requests",
        ));
    }
    lines.extend(key_records(followed.records));
    lines.extend(unfollowed(followed));
    if followed.is_complete() {
        // Without any issuer the CPS's word is what was asked for.
        let is_whole = followed.issuers.is_empty() || followed.unfollowed.is_empty();
        let exit = if is_whole {
            Exit::Done
        } else {
            Exit::IssuerNotFollowed
        };
        return Outcome::new(json, text_of(&lines), exit);
    }
    lines.push(
        "the time was up: what was read is kept; run the command again to go on, with a larger \
         --time-limit if you like"
            .to_owned(),
    );
    let exit = Exit::Unfinished;
    Outcome::new(json, text_of(&lines), exit)
}

fn text_of(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| wrapped(line, "", "  "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Nothing follows from how many there are.
fn key_records(RecordCounts { published, ended }: RecordCounts) -> Option<String> {
    let is_any = published > 0 || ended > 0;
    is_any.then(|| {
        format!(
            "{} published, {} ended before their time",
            plural(published, "key record"),
            HumanCount(ended)
        )
    })
}

/// What nobody has checked.
fn unfollowed(followed: &Followed) -> Option<String> {
    let names = followed.unfollowed.join(", ");
    match followed.unfollowed.as_slice() {
        [] => None,
        [_] => Some(format!(
            "the log of the issuer {names} was not read: that the CPS takes only keys which this \
             issuer announced rests on the CPS's word; name the log with --issuer and --issuer-key"
        )),
        _ => Some(format!(
            "the logs of these issuers were not read: {names}. That the CPS takes only keys which \
             these announced rests on the CPS's word; name each log with --issuer and --issuer-key"
        )),
    }
}

fn line_of(log: &FollowedLog) -> String {
    let entries = count(log.now, "entry", "entries");
    let new = HumanCount(log.now - log.before);
    if !log.is_complete {
        return format!(
            "{} {}: {entries} of {}, {new} new; these are proven, and consistent with what was \
             seen before",
            style("unfinished").yellow(),
            log.name,
            HumanCount(log.signed)
        );
    }
    format!(
        "{} {}: {entries}, {new} new; all proven, and consistent with what was seen before",
        style("sound").green(),
        log.name
    )
}

/// An entry that is in the log.
pub(super) fn proven(proven: &ProvenEntry, log: &KeyName) -> Outcome {
    let (kind, what) = statement(&proven.entry.statement);
    let minute = proven.entry.minute.start();
    let cosigned = proven.cosignatures.iter();
    let witnesses: Vec<_> = cosigned.clone().map(|one| one.witness.as_str()).collect();
    let json = json!({
        "log": log.as_str(),
        "index": proven.index,
        "size": proven.size,
        "minute": minute,
        "kind": kind,
        "statement": what,
        "cosigned_by": witnesses,
    });
    let first = format!(
        "{} entry {} of {log}, in the tree of {} that the log has signed",
        style("proven").green(),
        proven.index,
        count(proven.size, "entry", "entries"),
    );
    let mut lines = vec![wrapped(&first, "", "  ")];
    lines
        .extend(cosigned.map(|one| field("cosigned", &format!("{} by {}", one.time, one.witness))));
    lines.push(field("made", &minute.to_string()));
    match &proven.entry.statement {
        Statement::DoubleSpend(evidence) => lines.extend(double_spend(evidence)),
        _ => lines.push(field("says", &format!("{kind} {what}"))),
    }
    Outcome::done(json, lines.join("\n"))
}

/// What the entry alone shows of a double spend, line by line.
fn double_spend(evidence: &DoubleSpendEvidence) -> Vec<String> {
    let token = &evidence.token;
    let (nonce, key) = (short(&token.nonce.0), short(&token.token_key_id.0));
    let cps = &evidence.cps;
    let what = format!("double spend of token {nonce}… of the key {key}… at {cps}");
    let mut lines = vec![field("says", &what)];
    lines.extend(evidence.requests.iter().map(|request| {
        let created = UnixTime(u64::from(request.signature.created.0));
        let content = short(&request.digest.0);
        field("request", &format!("signed {created}, content {content}…"))
    }));
    lines.push(match evidence.verify_requests() {
        Ok(()) => field(
            "holds",
            "both are signed with the token's own key, and differ; `follow` checks the issuer's \
             signature of the token",
        ),
        Err(error) => field("WRONG", &error.to_string()),
    });
    lines
}

/// A line with a name in front.
fn field(name: &str, text: &str) -> String {
    wrapped(text, &format!("  {name:<10}"), &" ".repeat(12))
}

/// The first digits of what is told from others by them.
fn short(bytes: &[u8]) -> String {
    let first = bytes.iter().take(6);
    first.map(|byte| format!("{byte:02x}")).collect()
}

fn statement(statement: &Statement) -> (&'static str, Value) {
    match statement {
        Statement::DoubleSpend(evidence) => (
            "double spend",
            serde_json::from_str(&evidence.to_json()).unwrap_or_default(),
        ),
        Statement::KeyEpochOpened {
            issuer,
            key,
            not_before,
        } => (
            "key epoch opened",
            json!({ "issuer": issuer.as_str(), "token_key_id": key.id().to_string(), "not_before": not_before }),
        ),
        Statement::KeyEpochClosed {
            token_key_id,
            totals,
        } => (
            "key epoch closed",
            json!({ "token_key_id": token_key_id.to_string(), "spent": totals.spent,
                    "replayed": totals.replayed, "refused": totals.refused,
                    "further_double_spends": totals.further_double_spends }),
        ),
        Statement::TokenKeyAnnounced { key, not_before } => (
            "token key announced",
            json!({ "token_key_id": key.id().to_string(), "not_before": not_before }),
        ),
        Statement::IssuanceTotal {
            token_key_id,
            issued,
        } => (
            "issuance total",
            json!({ "token_key_id": token_key_id.to_string(), "issued": issued }),
        ),
        Statement::ObliviousKeyAnnounced(key) => (
            "oblivious key announced",
            json!({ "key_config_digest": key.key_config.to_string(),
                    "kem_id": key.kem_id,
                    "not_before": key.not_before, "not_after": key.not_after }),
        ),
        Statement::KeyRecordPublished(hash) => (
            "key record published",
            json!({ "key_record_hash": hash.to_string() }),
        ),
        Statement::KeyRecordEnded(hash) => (
            "key record ended",
            json!({ "key_record_hash": hash.to_string() }),
        ),
        Statement::Unknown(unknown) => (
            "of a kind that this version does not know",
            json!({ "kind": unknown.kind(), "bytes": unknown.body().len() }),
        ),
        _ => ("of a kind that is not shown", Value::Null),
    }
}
