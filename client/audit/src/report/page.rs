//! A report as one HTML page that needs nothing else: no script, no font, no
//! address. Not here: what is reported.

use std::fmt::{self, Display, Formatter, Write as _};

use jiff::Timestamp;
use pennyblack_base::time::UnixTime;
use pennyblack_chart::bars::{BarChart, Group};
use pennyblack_chart::text::{Count, Escaped};

use super::{Day, DayReport, EpochReport, Report};
use crate::filed::{FiledReport, Known};
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
             <h1>Audit of {log}</h1>\n",
            include_str!("page.css"),
        )?;
        head(filed, f)?;
        if !matches!(filed.known(), Known::Nothing(_)) {
            writeln!(f, "{}", Verdict(report))?;
            tables(report, f)?;
            tokens(report, f)?;
            days(&report.days, f)?;
        }
        sources(filed, f)?;
        f.write_str("<section><h2>What this means</h2><ul>")?;
        for sentence in filed.meaning {
            write!(f, "<li>{}</li>", WithCommands(sentence))?;
        }
        f.write_str("</ul></section>\n</body>\n</html>\n")
    }
}

/// When it was made, of which time, and what was found: what tells one page in a file of
/// them from another.
fn head(filed: &FiledReport, f: &mut Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "<dl><dt>made</dt><dd>{} by {}</dd>\n<dt>period</dt><dd>{}</dd>\n<dt>found</dt>{}\n",
        filed.made_at,
        Escaped(&filed.made_by),
        filed.report.period,
        Found(filed),
    )?;
    if let Known::Until(read_at) = filed.known() {
        writeln!(
            f,
            "<dt>known</dt><dd class=\"wrong\">until {read_at}, when the CPS's log was last \
             read; nothing of the time after that</dd>"
        )?;
    }
    f.write_str("</dl>\n")
}

struct Found<'a>(&'a FiledReport);

impl Display for Found<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.0.finding, self.0.known()) {
            (Some(Finding { at, message, .. }), _) => write!(
                f,
                "<dd class=\"wrong\">when the logs were last followed, at {at}: {}</dd>",
                WithCommands(message)
            ),
            (None, Known::Nothing(read_at)) => write!(
                f,
                "<dd class=\"wrong\">nothing is known of this period: the CPS's log was last \
                 read at {read_at}, before it</dd>"
            ),
            (None, _) => f.write_str(
                "<dd class=\"sound\">nothing wrong when the logs were last followed</dd>",
            ),
        }
    }
}

/// Text in which a command stands between backticks.
struct WithCommands<'a>(&'a str);

impl Display for WithCommands<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut is_command = false;
        for part in self.0.split('`') {
            match is_command {
                true => write!(f, "<code>{}</code>", Escaped(part))?,
                false => write!(f, "{}", Escaped(part))?,
            }
            is_command = !is_command;
        }
        Ok(())
    }
}

/// What the report rests on.
fn sources(filed: &FiledReport, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("<section><h2>Logs</h2>\n")?;
    for log in std::iter::once(&filed.cps).chain(&filed.issuers) {
        write!(
            f,
            "<p><b>{}</b><br>key <code>{}</code><br>followed since {}<br>checkpoint of {} {}, read {}; {} read and proven<br>root <code>{}</code>",
            Escaped(&log.log),
            Escaped(&log.key),
            log.followed_since,
            Count(log.size),
            if log.size == 1 { "entry" } else { "entries" },
            log.read_at,
            Count(log.entries_read),
            Escaped(&log.root),
        )?;
        if !log.skipped.is_empty() {
            write!(f, "<br>{}: not checked", log.skipped)?;
        }
        match (log.witnesses_needed, log.witnesses.len()) {
            (_, 0) => f.write_str("<br>no witnesses demanded")?,
            (needed, all) => write!(f, "<br>witnesses demanded: {needed} of {all}")?,
        }
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

/// One for each issuer.
fn tables(report: &Report, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("<section><h2>Token keys</h2>\n")?;
    if report.epochs.is_empty() {
        return f.write_str(
            "<p class=\"none\">No key on record was accepted in this period.</p></section>\n",
        );
    }
    for issuer in report.issuers() {
        writeln!(
            f,
            "<table><caption>Keys of {}</caption><thead><tr><th>key</th><th>accepted</th>\
             <th>issued</th><th>spent</th><th>repeated ≥</th><th>refused ≥</th>\
             <th>double spends</th><th>further ≥</th><th>verdict</th></tr></thead>\n<tbody>",
            Escaped(issuer)
        )?;
        for epoch in report.epochs.iter().filter(|epoch| epoch.issuer == *issuer) {
            row(epoch, f)?;
        }
        f.write_str("</tbody></table>\n")?;
    }
    let of_the_epoch = match report.period.is_all_time() {
        true => "",
        false => {
            "<p><b>Double spends are those of the period. All other numbers are totals of a key, from \
             its first day to its last, also outside the period.</b></p>"
        }
    };
    writeln!(
        f,
        "{of_the_epoch}<p>Sound: no more tokens were spent than issued, by both logs. WRONG: more \
         were. Open: the totals of a key are published when its tokens are no longer accepted. A \
         token has one double spend; the requests with it that followed are further double \
         spends, and only counted. Repeated, refused and further double spends are lower \
         bounds.</p></section>"
    )
}

fn row(epoch: &EpochReport, f: &mut Formatter<'_>) -> fmt::Result {
    let verdict = match epoch.reconciled {
        Some(true) => "<td class=\"sound\">sound</td>",
        Some(false) => "<td class=\"wrong\">WRONG</td>",
        None => "<td class=\"open\">open</td>",
    };
    writeln!(
        f,
        "<tr><td><code title=\"{}\">{}</code></td><td>{}</td>{}{}{}{}{}{}{verdict}</tr>",
        Escaped(&epoch.token_key_id),
        Escaped(short(epoch)),
        Accepted(epoch),
        Cell(epoch.issued),
        Cell(epoch.spent),
        Cell(epoch.replayed),
        Cell(epoch.refused),
        Cell(Some(epoch.all_double_spends())),
        Cell(epoch.further_double_spends),
    )
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

/// From when to when the CPS took tokens of a key.
struct Accepted<'a>(&'a EpochReport);

impl Display for Accepted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.0.opened, self.0.closed) {
            (None, _) => f.write_str("not yet"),
            (Some(opened), None) => write!(f, "{} on", Moment(opened)),
            (Some(opened), Some(closed)) => {
                write!(f, "{}<br>to {}", Moment(opened), Moment(closed))
            }
        }
    }
}

struct Moment(UnixTime);

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match timestamp(self.0) {
            Some(time) => write!(f, "{}", time.strftime("%Y-%m-%dT%H:%MZ")),
            None => f.write_str("–"),
        }
    }
}
