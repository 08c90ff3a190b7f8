//! What an audit came to, as text for people and as JSON. Not here: the audit.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use console::style;
use indicatif::HumanCount;
use pennyblack_audit::{EpochReport, Followed, FollowedLog, ProvenEntry, Report};
use pennyblack_evidence::log_entry::Statement;
use pennyblack_tlog::KeyName;
use serde_json::{Value, json};

use super::super::moment::moment;
use super::super::outcome::Outcome;

/// Nothing is wrong with the logs.
pub(super) fn followed(followed: &Followed) -> Outcome {
    let log = |log: &FollowedLog| json!({ "log": log.name.as_str(), "entries": log.now, "new": log.now - log.before });
    let json = json!({
        "cps": log(&followed.cps),
        "issuer": followed.issuer.as_ref().map(log),
        "new_double_spends": followed.double_spends,
        "keys_checked_against_issuer": followed.issuer.is_some(),
    });
    let logs = std::iter::once(&followed.cps).chain(&followed.issuer);
    let mut lines: Vec<_> = logs.map(line_of).collect();
    lines.push(format!(
        "{} new double spends, the evidence of each verified",
        HumanCount(followed.double_spends)
    ));
    if followed.issuer.is_none() {
        lines.push(
            "the issuer's log was not read: keys and the validity of tokens rest on what the CPS \
             says of the keys; name it with --issuer"
                .to_owned(),
        );
    }
    Outcome::done(json, lines.join("\n"))
}

fn line_of(log: &FollowedLog) -> String {
    let (now, new) = (HumanCount(log.now), HumanCount(log.now - log.before));
    format!(
        "{} {}: {now} entries, {new} new, all of them proven and consistent with what was seen before",
        style("sound").green(),
        log.name
    )
}

/// A report as a table.
pub(super) fn report(report: &Report, has_issuer: bool) -> Outcome {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "key",
        "opened",
        "closed",
        "issued",
        "spent",
        "replayed ≥",
        "refused ≥",
        "double-spent",
        "issued ≥ spent",
    ]);
    for epoch in &report.epochs {
        table.add_row(row(epoch));
    }
    let mut text = match report.epochs.is_empty() {
        true => "no key epoch was open in this period".to_owned(),
        false => table.to_string(),
    };
    let on_word: u64 = report
        .epochs
        .iter()
        .map(|one| one.double_spent_on_word)
        .sum();
    if on_word > 0 {
        text.push_str(&format!(
            "\n{on_word} double spends are of tokens that only their issuer can verify: that these \
             were valid is the operator's word"
        ));
    }
    if !has_issuer {
        text.push_str("\nthe issuer's log is not followed: nothing is known of what was issued");
    }
    let json = serde_json::to_value(report).unwrap_or_default();
    Outcome::done(json, text)
}

fn row(epoch: &EpochReport) -> Vec<Cell> {
    let number = |value: Option<u64>| {
        let text = value.map_or_else(|| "–".to_owned(), |value| HumanCount(value).to_string());
        Cell::new(text).set_alignment(CellAlignment::Right)
    };
    let time = |value: Option<_>| Cell::new(value.map_or_else(|| "–".to_owned(), moment));
    let short: String = epoch.token_key_id.chars().take(12).collect();
    let double_spent = epoch.double_spent + epoch.double_spent_on_word;
    let reconciled = match epoch.reconciled {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "not yet known",
    };
    vec![
        Cell::new(short),
        time(epoch.opened),
        time(epoch.closed),
        number(epoch.issued),
        number(epoch.spent),
        number(epoch.replayed),
        number(epoch.refused),
        number(Some(double_spent)),
        Cell::new(reconciled),
    ]
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
        "{} entry {} of {log}, in the tree of {} entries that the log has signed\n{} {kind} {what}",
        style("proven").green(),
        proven.index,
        proven.size,
        moment(minute)
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
                    "replayed": totals.replayed, "refused": totals.refused }),
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
        _ => ("of an unknown kind", Value::Null),
    }
}
