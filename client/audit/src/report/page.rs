//! A report as one HTML page that needs nothing else: no script, no font, no
//! address. Not here: what is reported.

use std::fmt::{self, Display, Formatter, Write as _};

use jiff::Timestamp;
use pennyblack_base::time::UnixTime;
use pennyblack_chart::bars::{BarChart, Group};
use pennyblack_chart::text::{Count, Escaped};

use super::{Day, DayReport, EpochReport, Report};
use crate::filed::FiledReport;
use crate::state::Finding;

/// Digits of a token key id that tell it from others.
const SHORT_ID: usize = 12;

impl FiledReport {
    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut html = String::new();
        // Writing to a string cannot fail.
        let _ = write!(html, "{}", Page(self));
        html
    }
}

struct Page<'a>(&'a FiledReport);

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (filed, report) = (self.0, &self.0.report);
        let log = Escaped(&filed.cps.log);
        write!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>Audit of {log}</title>\n<style>{}</style>\n</head>\n<body>\n\
             <h1>Audit of {log}</h1>\n<p class=\"period\">Period: {}</p>\n{}\n",
            include_str!("page.css"),
            report.period,
            Verdict(report),
        )?;
        finding(filed, f)?;
        tokens(report, f)?;
        days(&report.days, f)?;
        table(report, f)?;
        sources(filed, f)?;
        f.write_str("<section><h2>What this means</h2><ul>")?;
        for sentence in filed.meaning {
            write!(f, "<li>{}</li>", Escaped(sentence))?;
        }
        write!(
            f,
            "</ul></section>\n<footer>Made {} by {} from logs that were followed: every entry proven to be in them, every double spend's evidence verified. Totals of a key are published when its epoch ends. A token has one double spend; its further ones are counted only. Replayed, refused and further double spends are lower bounds.</footer>\n</body>\n</html>\n",
            filed.made_at,
            Escaped(&filed.made_by),
        )
    }
}

/// What was wrong when the logs were followed last.
fn finding(filed: &FiledReport, f: &mut Formatter<'_>) -> fmt::Result {
    let Some(finding) = &filed.finding else {
        return Ok(());
    };
    let Finding { at, message, .. } = finding;
    writeln!(
        f,
        "<p class=\"wrong\">When the logs were last followed, at {at}: {}</p>",
        Escaped(message)
    )
}

/// What the report rests on.
fn sources(filed: &FiledReport, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("<section><h2>Logs</h2>\n")?;
    for log in std::iter::once(&filed.cps).chain(&filed.issuers) {
        write!(
            f,
            "<p><b>{}</b><br>key <code>{}</code><br>followed since {}<br>checkpoint of {} entries, root <code>{}</code>, read {}; {} entries read and proven",
            Escaped(&log.log),
            Escaped(&log.key),
            log.followed_since,
            Count(log.size),
            Escaped(&log.root),
            log.read_at,
            Count(log.entries_read),
        )?;
        if !log.skipped.is_empty() {
            write!(f, "<br>{}: not checked", log.skipped)?;
        }
        let (needed, all) = (log.witnesses_needed, log.witnesses.len());
        write!(f, "<br>witnesses demanded: {needed} of {all}")?;
        for witness in &log.witnesses {
            let (name, key) = (Escaped(&witness.name), Escaped(&witness.key));
            match witness.cosigned_at {
                Some(time) => write!(f, "<br>cosigned {time} by {name} <code>{key}</code>")?,
                None => write!(f, "<br>not cosigned by {name} <code>{key}</code>")?,
            }
        }
        f.write_str("</p>\n")?;
    }
    if !filed.issuers_not_followed.is_empty() {
        let names = filed.issuers_not_followed.join(", ");
        let names = Escaped(&names);
        writeln!(
            f,
            "<p>The log of {names} was not followed: that the issuer announced its keys is the CPS's word.</p>"
        )?;
    }
    f.write_str("</section>\n")
}

/// What an auditor wants to know first.
struct Verdict<'a>(&'a Report);

impl Display for Verdict<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let epochs = &self.0.epochs;
        let twice: u64 = epochs.iter().map(EpochReport::all_double_spends).sum();
        let known = epochs.iter().filter(|one| one.reconciled.is_some()).count();
        let wrong = epochs.iter().filter(|one| one.reconciled == Some(false));
        let wrong = wrong.count();
        let open = match epochs.len() - known {
            0 => String::new(),
            open => format!("; {open} still open"),
        };
        let (class, reconciled) = match (known, wrong) {
            (0, _) => (
                "open",
                "no closed key epoch with both totals yet".to_owned(),
            ),
            (_, 0) => (
                "sound",
                format!(
                    "{}: spent ≤ issued{open}",
                    counted(known, "closed key epoch")
                ),
            ),
            _ => (
                "wrong",
                format!(
                    "{wrong} of {}: spent &gt; issued",
                    counted(known, "closed key epoch")
                ),
            ),
        };
        write!(
            f,
            "<ul class=\"verdict\"><li><b>{}</b> {}</li><li><b>{}</b> {}</li>\
             <li class=\"{class}\">{reconciled}</li></ul>",
            epochs.len(),
            noun(epochs.len() as u64, "key epoch"),
            Count(twice),
            noun(twice, "double spend"),
        )
    }
}

fn counted(number: usize, one: &str) -> String {
    format!("{number} {}", noun(number as u64, one))
}

fn noun(number: u64, one: &str) -> String {
    match number {
        1 => one.to_owned(),
        _ => format!("{one}s"),
    }
}

fn tokens(report: &Report, f: &mut Formatter<'_>) -> fmt::Result {
    let groups = report.epochs.iter().map(|epoch| Group {
        label: short(epoch).to_owned(),
        values: vec![epoch.issued, epoch.spent],
    });
    let chart = BarChart {
        groups: groups.collect(),
        series: &["issued", "spent"],
    };
    writeln!(f, "<section><h2>Tokens by key</h2>{chart}</section>")
}

fn days(days: &[DayReport], f: &mut Formatter<'_>) -> fmt::Result {
    let groups = days.iter().map(|day| Group {
        label: Day(day.begins).to_string(),
        values: vec![Some(day.double_spent), Some(day.double_spent_on_word)],
    });
    let chart = BarChart {
        groups: groups.collect(),
        series: &["proven", "on the operator's word"],
    };
    writeln!(f, "<section><h2>Double spends by day</h2>{chart}</section>")
}

fn table(report: &Report, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(
        "<section><h2>Key epochs</h2><div class=\"wide\"><table><thead><tr><th>key</th><th>issuer</th><th>opened</th><th>closed</th>\
         <th>issued</th><th>spent</th><th>replayed ≥</th><th>refused ≥</th><th>double spends</th><th>further ≥</th>\
         <th>spent ≤ issued</th></tr></thead>\n<tbody>\n",
    )?;
    for epoch in &report.epochs {
        let reconciled = match epoch.reconciled {
            Some(true) => "<td class=\"sound\">yes</td>",
            Some(false) => "<td class=\"wrong\">NO</td>",
            None => "<td class=\"open\">not yet known</td>",
        };
        writeln!(
            f,
            "<tr><td><code title=\"{}\">{}</code></td><td>{}</td><td>{}</td><td>{}</td>{}{}{}{}{}{}{reconciled}</tr>",
            Escaped(&epoch.token_key_id),
            Escaped(short(epoch)),
            Escaped(&epoch.issuer),
            Moment(epoch.opened),
            Moment(epoch.closed),
            Cell(epoch.issued),
            Cell(epoch.spent),
            Cell(epoch.replayed),
            Cell(epoch.refused),
            Cell(Some(epoch.all_double_spends())),
            Cell(epoch.further_double_spends),
        )?;
    }
    f.write_str("</tbody></table></div></section>\n")
}

fn short(epoch: &EpochReport) -> &str {
    epoch
        .token_key_id
        .get(..SHORT_ID)
        .unwrap_or(&epoch.token_key_id)
}

struct Cell(Option<u64>);

impl Display for Cell {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, "<td class=\"number\">{}</td>", Count(value)),
            None => f.write_str("<td class=\"number\">–</td>"),
        }
    }
}

fn timestamp(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.0).ok()?).ok()
}

struct Moment(Option<UnixTime>);

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.and_then(timestamp) {
            Some(time) => write!(f, "{}", time.strftime("%Y-%m-%dT%H:%MZ")),
            None => f.write_str("–"),
        }
    }
}
