//! What happened in a period, key epoch by key epoch and day by day. Not here:
//! reading the logs, and the terminal.

mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pennyblack_base::time::UnixTime;
use serde::Serialize;

use super::epochs::{DAY, DayOfSpends, Epoch, Epochs};

/// Most days that are told one by one; of more, the last.
const MOST_DAYS: u64 = 366;

/// Whole days (UTC), from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Period {
    /// When the first day begins; else everything from the beginning.
    pub from: Option<UnixTime>,
    /// When the last day ends, the first second that is not in it; else everything to the
    /// end.
    pub until: Option<UnixTime>,
}

impl Period {
    /// Whether it is all time, so that a total of a key epoch is one of the period, too.
    #[must_use]
    pub const fn is_all_time(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }

    fn has_day(self, day: u64) -> bool {
        let begin = day.saturating_mul(DAY);
        let is_before_end = self.until.is_none_or(|until| begin < until.0);
        is_before_end
            && self
                .from
                .is_none_or(|from| begin.saturating_add(DAY) > from.0)
    }

    /// Whether an epoch was open at any time in it.
    fn touches(self, epoch: &Epoch) -> bool {
        let begin = epoch.opened.or(epoch.announced).unwrap_or(UnixTime(0));
        let end = epoch.closed.map(|closed| closed.minute);
        let is_before_end = self.until.is_none_or(|until| begin < until);
        let is_after_begin = self.from.zip(end).is_none_or(|(from, end)| end >= from);
        is_before_end && is_after_begin
    }
}

/// In words: `2026-11-01 to 2026-11-30 (UTC)`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.until.map(|until| UnixTime(until.0.saturating_sub(1)));
        match (self.from, last) {
            (None, None) => f.write_str("everything followed so far"),
            (Some(from), None) => write!(f, "from {} (UTC) on", Day(from)),
            (None, Some(last)) => write!(f, "until {} (UTC)", Day(last)),
            (Some(from), Some(last)) => write!(f, "{} to {} (UTC)", Day(from), Day(last)),
        }
    }
}

/// `2026-11-01`.
struct Day(UnixTime);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(text.split_once('T').map_or(&text, |(day, _)| day))
    }
}

/// One key epoch in a report. What is not in a log yet is not told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochReport {
    /// The key's id, in hexadecimal digits.
    pub token_key_id: String,
    /// The issuer's authority.
    pub issuer: String,
    /// The type of its tokens (RFC 9578).
    pub token_type: u16,
    /// When the CPS began to take its tokens.
    pub opened: Option<UnixTime>,
    /// When the CPS took them no more.
    pub closed: Option<UnixTime>,
    /// Tokens signed, once the issuer signs no more.
    pub issued: Option<u64>,
    /// Tokens spent, once the epoch is closed.
    pub spent: Option<u64>,
    /// Requests repeated, at least; once the epoch is closed.
    pub replayed: Option<u64>,
    /// Requests refused, at least; once the epoch is closed.
    pub refused: Option<u64>,
    /// Those of the refused whose token had its entry already, at least; once the epoch is
    /// closed.
    pub further_double_spends: Option<u64>,
    /// Double spends in the period, proven in full: tokens, each counted once.
    pub double_spent: u64,
    /// Double spends in the period of tokens that only the issuer can verify.
    pub double_spent_on_word: u64,
    /// Double spends in the period for a million tokens spent, once that is known.
    pub double_spent_per_million: Option<f64>,
    /// Of a hundred tokens issued so many were spent, once both are known.
    pub spent_percent: Option<f64>,
    /// Whether no more were spent than issued, once both are known.
    pub reconciled: Option<bool>,
}

impl EpochReport {
    fn new((issuer, token_key_id): (&str, &str), epoch: &Epoch, period: Period) -> Self {
        let days = epoch.double_spends.iter();
        let days = days.filter(|(day, _)| period.has_day(**day));
        let DayOfSpends { proven, on_word } =
            days.fold(DayOfSpends::default(), |sum, (_, day)| DayOfSpends {
                proven: sum.proven + day.proven,
                on_word: sum.on_word + day.on_word,
            });
        let issued = epoch.issued.map(|issued| issued.total);
        let spent = epoch.closed.map(|closed| closed.spent);
        Self {
            token_key_id: token_key_id.to_owned(),
            issuer: issuer.to_owned(),
            token_type: epoch.token_type,
            opened: epoch.opened,
            closed: epoch.closed.map(|closed| closed.minute),
            issued,
            spent,
            replayed: epoch.closed.map(|closed| closed.replayed),
            refused: epoch.closed.map(|closed| closed.refused),
            further_double_spends: epoch.closed.map(|closed| closed.further_double_spends),
            double_spent: proven,
            double_spent_on_word: on_word,
            double_spent_per_million: rate(proven + on_word, spent, 1e6),
            spent_percent: spent.and_then(|spent| rate(spent, issued, 100.0)),
            reconciled: spent.zip(issued).map(|(spent, issued)| spent <= issued),
        }
    }

    /// Double spends in the period, whatever they rest on.
    #[must_use]
    pub const fn all_double_spends(&self) -> u64 {
        self.double_spent.saturating_add(self.double_spent_on_word)
    }

    /// The names of the columns of [`Self::to_csv`].
    const COLUMNS: &str = "token_key_id,issuer,token_type,opened,closed,issued,spent,replayed,\
                           refused,further_double_spends,double_spent,double_spent_on_word,\
                           reconciled";

    /// No value has a comma or a quotation mark.
    fn to_csv(&self) -> String {
        fn cell(value: Option<impl ToString>) -> String {
            value.map_or_else(String::new, |value| value.to_string())
        }
        [
            self.token_key_id.clone(),
            self.issuer.clone(),
            self.token_type.to_string(),
            cell(self.opened.map(|time| time.0)),
            cell(self.closed.map(|time| time.0)),
            cell(self.issued),
            cell(self.spent),
            cell(self.replayed),
            cell(self.refused),
            cell(self.further_double_spends),
            self.double_spent.to_string(),
            self.double_spent_on_word.to_string(),
            cell(self.reconciled),
        ]
        .join(",")
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate, told to a few digits")]
fn rate(part: u64, whole: Option<u64>, scale: f64) -> Option<f64> {
    let whole = whole.filter(|whole| *whole > 0)?;
    Some(part as f64 * scale / whole as f64)
}

/// The double spends of one day (UTC), of all keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DayReport {
    /// When the day began.
    pub begins: UnixTime,
    /// Double spends proven in full.
    pub double_spent: u64,
    /// Double spends of tokens that only the issuer can verify.
    pub double_spent_on_word: u64,
}

impl DayReport {
    /// The days of a period from the first with a double spend to the last, those
    /// without any among them.
    fn all(epochs: &Epochs, period: Period) -> Vec<Self> {
        let mut days = BTreeMap::<u64, DayOfSpends>::new();
        for (day, one) in epochs.iter().flat_map(|(.., epoch)| &epoch.double_spends) {
            if period.has_day(*day) {
                let sum = days.entry(*day).or_default();
                sum.proven += one.proven;
                sum.on_word += one.on_word;
            }
        }
        let ends = days.keys().next().zip(days.keys().next_back());
        let Some((first, last)) = ends.map(|(first, last)| (*first, *last)) else {
            return Vec::new();
        };
        // A forged minute far away makes no endless list.
        let first = first.max(last.saturating_sub(MOST_DAYS - 1));
        let told = (first..=last).map(|day| {
            let DayOfSpends { proven, on_word } = days.get(&day).copied().unwrap_or_default();
            Self {
                begins: UnixTime(day.saturating_mul(DAY)),
                double_spent: proven,
                double_spent_on_word: on_word,
            }
        });
        told.collect()
    }
}

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Of when.
    pub period: Period,
    /// The epochs that were open in it, in the order in which they were opened.
    pub epochs: Vec<EpochReport>,
    /// Double spends by day; of more than a year, the last.
    pub days: Vec<DayReport>,
}

impl Report {
    /// What is known of a period.
    #[must_use]
    pub fn new(epochs: &Epochs, period: Period) -> Self {
        let days = DayReport::all(epochs, period);
        let touched = epochs.iter().filter(|(.., epoch)| period.touches(epoch));
        let mut epochs: Vec<_> = touched
            .map(|(issuer, id, epoch)| EpochReport::new((issuer, id), epoch, period))
            .collect();
        // Those that are only announced come last.
        epochs.sort_by_key(|epoch| (epoch.opened.is_none(), epoch.opened));
        Self {
            period,
            epochs,
            days,
        }
    }

    /// The issuers of its keys, each once, by name.
    #[must_use]
    pub fn issuers(&self) -> Vec<&str> {
        let issuers = self.epochs.iter().map(|epoch| epoch.issuer.as_str());
        let issuers: BTreeSet<_> = issuers.collect();
        issuers.into_iter().collect()
    }

    /// Comma-separated values (RFC 4180), times in seconds since 1970; empty where
    /// nothing is known yet.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = format!("{}\r\n", EpochReport::COLUMNS);
        for epoch in &self.epochs {
            text.push_str(&epoch.to_csv());
            text.push_str("\r\n");
        }
        text
    }
}

#[cfg(test)]
mod tests;
