//! What an audit came to, as text for people and as JSON. Not here: the audit.

use console::style;
use indicatif::HumanCount;
use pennyblack_audit::{EpochReport, Followed, FollowedLog, ProvenEntry, Report};
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::Statement;
use pennyblack_tlog::KeyName;
use serde_json::{Value, json};

use super::super::outcome::{Exit, Outcome};
use super::super::table::{Table, numbers, words};
use super::super::wording::{count, plural};

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
    lines.extend(unfollowed(followed));
    if followed.is_complete() {
        // Without any issuer the CPS's word is what was asked for.
        let is_whole = followed.issuers.is_empty() || followed.unfollowed.is_empty();
        let exit = if is_whole {
            Exit::Done
        } else {
            Exit::IssuerNotFollowed
        };
        return Outcome::new(json, lines.join("\n"), exit);
    }
    lines.push(
        "the time was up: what was read is kept; run the command again to go on, with a larger \
         --time-limit if you like"
            .to_owned(),
    );
    let exit = Exit::Unfinished;
    let text = lines.join("\n");
    Outcome::new(json, text, exit)
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

/// A report as a table.
pub(super) fn report(report: &Report, has_issuer: bool) -> Outcome {
    let mut table = Table::new([
        words("key"),
        words("open").whole(),
        numbers("issued"),
        numbers("spent"),
        numbers("double spends"),
        words("spent ≤ issued"),
    ]);
    for epoch in &report.epochs {
        table.row(row(epoch));
    }
    let mut text = match report.epochs.is_empty() {
        true => "no key epoch was open in this period".to_owned(),
        false => format!("{table}{}", least_counts(report)),
    };
    let on_word: u64 = report
        .epochs
        .iter()
        .map(|one| one.double_spent_on_word)
        .sum();
    if on_word > 0 {
        let verb = if on_word == 1 { "is" } else { "are" };
        text.push_str(&format!(
            "\n{} {verb} of tokens that only their issuer can verify: that the tokens were valid \
             rests on the operator's word",
            plural(on_word, "double spend")
        ));
    }
    if !has_issuer {
        text.push_str(
            "\nthe issuer's log is not followed: how many tokens were issued is not known",
        );
    }
    let json = serde_json::to_value(report).unwrap_or_default();
    Outcome::done(json, text)
}

fn row(epoch: &EpochReport) -> [String; 6] {
    let number = |value: Option<u64>| {
        value.map_or_else(|| "–".to_owned(), |value| HumanCount(value).to_string())
    };
    let time =
        |value: Option<UnixTime>| value.map_or_else(|| "–".to_owned(), |time| time.to_string());
    let reconciled = match epoch.reconciled {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "not yet known",
    };
    [
        epoch.token_key_id.chars().take(8).collect(),
        match epoch.closed {
            Some(closed) => format!("{} to\n{closed}", time(epoch.opened)),
            None => format!("{} on", time(epoch.opened)),
        },
        number(epoch.issued),
        number(epoch.spent),
        number(Some(epoch.all_double_spends())),
        reconciled.to_owned(),
    ]
}

/// These are counted at least, and only of closed epochs.
fn least_counts(report: &Report) -> String {
    let sum = |of: fn(&EpochReport) -> Option<u64>| report.epochs.iter().filter_map(of).sum();
    format!(
        "\nin closed epochs at least {}, {} and {}",
        plural(sum(|epoch| epoch.replayed), "repeated request"),
        plural(sum(|epoch| epoch.refused), "refused request"),
        plural(
            sum(|epoch| epoch.further_double_spends),
            "further double spend"
        ),
    )
}

/// An entry that is in the log.
pub(super) fn proven(proven: &ProvenEntry, log: &KeyName) -> Outcome {
    let (kind, what) = statement(&proven.entry.statement);
    let minute = proven.entry.minute.start();
    let witnesses: Vec<_> = proven
        .cosignatures
        .iter()
        .map(|one| one.witness.as_str())
        .collect();
    let json = json!({
        "log": log.as_str(),
        "index": proven.index,
        "size": proven.size,
        "minute": minute,
        "kind": kind,
        "statement": what,
        "cosigned_by": witnesses,
    });
    let text = format!(
        "{} entry {} of {log}, in the tree of {} that the log has signed\n{minute} {kind} {what}",
        style("proven").green(),
        proven.index,
        count(proven.size, "entry", "entries"),
    );
    Outcome::done(json, text)
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
        Statement::Unknown(unknown) => (
            "of a kind that this version does not know",
            json!({ "kind": unknown.kind(), "bytes": unknown.body().len() }),
        ),
        _ => ("of a kind that is not shown", Value::Null),
    }
}
