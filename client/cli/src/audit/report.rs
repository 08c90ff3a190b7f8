//! A report for people: what it rests on, the numbers, and what they mean, in lines of at
//! most 80 characters (but for keys, which are not broken). Not here: the numbers.

use console::style;
use indicatif::HumanCount;
use pennyblack_audit::{EpochReport, FiledReport, Known, LogReport, Report};
use pennyblack_base::time::UnixTime;

use super::super::outcome::{Failure, Outcome, json_of};
use super::super::table::{Table, numbers, words};
use super::super::wording::{count, plural, printable, wrapped};

/// The report as text and as JSON.
pub(super) fn report(filed: &FiledReport) -> Result<Outcome, Failure> {
    let mut parts = vec![head(filed), log("Log of the CPS:", &filed.cps)];
    parts.extend(
        filed
            .issuers
            .iter()
            .map(|issuer| log("Log of the issuer:", issuer)),
    );
    parts.extend(epochs(&filed.report));
    parts.extend(Some(notes(filed).join("\n")).filter(|notes| !notes.is_empty()));
    let meaning = filed.meaning.iter().map(|text| wrapped(text, "- ", "  "));
    let meaning = meaning.collect::<Vec<_>>().join("\n");
    parts.push(format!("{}\n{meaning}", style("What this means").bold()));
    Ok(Outcome::done(json_of(filed)?, parts.join("\n\n")))
}

fn head(filed: &FiledReport) -> String {
    let title = format!("Audit of {}", filed.cps.log);
    let field = |name: &str, text: &str| wrapped(text, &format!("{name:<10}"), "          ");
    let mut lines = vec![
        style(title).bold().to_string(),
        field("made", &format!("{} by {}", filed.made_at, filed.made_by)),
        field("period", &filed.report.period.to_string()),
    ];
    lines.push(match (&filed.finding, filed.known()) {
        (Some(finding), _) => {
            let (at, what) = (finding.at, printable(&finding.message));
            let code = finding.code.map(|code| format!(" (code {code})"));
            let text = format!("{at}{}: {what}", code.unwrap_or_default());
            style(field("found", &text)).red().to_string()
        }
        (None, Known::Nothing(read_at)) => {
            let text = format!(
                "nothing is known of this period: the CPS's log was last read at {read_at}, \
                 before it; run `pennyblack audit follow` after the period"
            );
            style(field("found", &text)).red().to_string()
        }
        (None, _) => {
            let text = "nothing wrong when the logs were last followed";
            format!("found     {}", style(text).green())
        }
    });
    if let Known::Until(read_at) = filed.known() {
        let text = format!(
            "until {read_at}, when the CPS's log was last read; nothing of the time after that"
        );
        lines.push(style(field("known", &text)).yellow().to_string());
    }
    lines.join("\n")
}

fn log(role: &str, log: &LogReport) -> String {
    let read = match (log.entries_read == log.size, log.size) {
        (true, 0 | 1) => "read and proven".to_owned(),
        (true, _) => "all of them read and proven".to_owned(),
        (false, _) => format!("{} of them read and proven", HumanCount(log.entries_read)),
    };
    let mut text = format!(
        "{} {}\n  {}\n  followed    since {}\n  checkpoint  read {}\n              {}, {read}\n              \
         root {}\n  witnesses   {}",
        role,
        style(&log.log).bold(),
        log.key,
        log.followed_since,
        log.read_at,
        count(log.size, "entry", "entries"),
        log.root,
        witnesses(log),
    );
    if !log.skipped.is_empty() {
        let skipped = format!("{}: not checked", log.skipped);
        text.push_str(&format!(
            "\n{}",
            wrapped(&skipped, "  not known   ", "              ")
        ));
    }
    text
}

fn witnesses(log: &LogReport) -> String {
    if log.witnesses.is_empty() {
        return "none demanded".to_owned();
    }
    let all = log.witnesses.len();
    let mut lines = vec![format!("{} of {all} demanded", log.witnesses_needed)];
    lines.extend(log.witnesses.iter().map(|witness| {
        let did = match witness.cosigned_at {
            Some(time) => format!("cosigned {time}"),
            None => "has not cosigned".to_owned(),
        };
        format!("{} {did}\n                {}", witness.name, witness.key)
    }));
    lines.join("\n              ")
}

/// A table for each issuer.
fn epochs(report: &Report) -> Vec<String> {
    let issuers = report.issuers().into_iter();
    let tables = issuers.map(|issuer| {
        let mut table = Table::new([
            words("key").whole(),
            words("accepted").whole(),
            numbers("issued"),
            numbers("spent"),
            numbers("double spends"),
            words("verdict").whole(),
        ]);
        let epochs = report.epochs.iter();
        for epoch in epochs.filter(|epoch| epoch.issuer == issuer) {
            table.row(row(epoch));
        }
        format!("Token keys of {}\n{table}", style(issuer).bold())
    });
    tables.collect()
}

fn row(epoch: &EpochReport) -> [String; 6] {
    let number = |value: Option<u64>| {
        value.map_or_else(|| "–".to_owned(), |value| HumanCount(value).to_string())
    };
    let verdict = match epoch.reconciled {
        Some(true) => "sound",
        Some(false) => "WRONG",
        None => "open",
    };
    [
        epoch.token_key_id.chars().take(8).collect(),
        match (epoch.opened, epoch.closed) {
            (None, _) => "not yet".to_owned(),
            (Some(opened), Some(closed)) => format!("{}\nto {}", minute(opened), minute(closed)),
            (Some(opened), None) => format!("{} on", minute(opened)),
        },
        number(epoch.issued),
        number(epoch.spent),
        number(Some(epoch.all_double_spends())),
        verdict.to_owned(),
    ]
}

/// `2026-11-29T06:00Z`: a log tells no seconds.
fn minute(time: UnixTime) -> String {
    let text = time.to_string();
    text.strip_suffix(":00Z")
        .map_or(text.clone(), |text| format!("{text}Z"))
}

/// What the tables do not say.
fn notes(filed: &FiledReport) -> Vec<String> {
    let report = &filed.report;
    if matches!(filed.known(), Known::Nothing(_)) {
        return Vec::new();
    }
    if report.epochs.is_empty() {
        return vec!["no token key on record was accepted in this period".to_owned()];
    }
    let sum = |of: fn(&EpochReport) -> Option<u64>| report.epochs.iter().filter_map(of).sum();
    let mut notes =
        vec![
        "sound: no more tokens were spent than issued, by both logs; WRONG: more were; open: the \
         totals of a key are published when its tokens are no longer accepted"
            .to_owned(),
        format!(
            "of keys that are closed: at least {}, {} and {}",
            plural(sum(|epoch| epoch.replayed), "repeated request"),
            plural(sum(|epoch| epoch.refused), "refused request"),
            plural(sum(|epoch| epoch.further_double_spends), "further double spend"),
        ),
    ];
    if !report.period.is_all_time() {
        let text = "double spends are those of the period; all other numbers, in the table and \
                    here, are totals of a key, from its first day to its last, also outside the \
                    period";
        notes.insert(0, text.to_owned());
    }
    let on_word = report.epochs.iter().map(|one| one.double_spent_on_word);
    let on_word: u64 = on_word.sum();
    if on_word > 0 {
        let verb = if on_word == 1 { "is" } else { "are" };
        notes.push(format!(
            "{} {verb} of tokens that only their issuer can verify: that the tokens were valid rests \
             on the operator's word",
            plural(on_word, "double spend")
        ));
    }
    if !filed.issuers_not_followed.is_empty() {
        notes.push(format!(
            "not followed: the log of {}. That the issuer announced these keys is the CPS's word, \
             and how many tokens were issued is not known",
            filed.issuers_not_followed.join(", ")
        ));
    }
    notes.iter().map(|note| wrapped(note, "", "")).collect()
}
