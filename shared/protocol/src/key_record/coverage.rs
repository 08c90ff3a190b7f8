//! What a key record answers for, and whether a certificate has the authority
//! for that: by its own numbers, or by an SPC and the numbering table.

use std::fmt;

use serde_json::{Value, json};

use super::{KeyRecordError, refuse_rest};
use pennyblack_stir::jws::ClaimSet;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use pennyblack_stir::{Spc, TnAuthList};

/// What a record says it answers for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Coverage {
    /// One number (`tn`).
    Number(TelephoneNumber),
    /// Numbers that follow each other (`range`).
    Range(NumberRange),
    /// All numbers that a provider holds by the numbering table (`spc`).
    Spc(Spc),
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Range(range) => write!(f, "{} numbers from {}", range.count(), range.start()),
            Self::Spc(spc) => write!(f, "the numbers of {spc}"),
        }
    }
}

impl Coverage {
    /// How many numbers it names, as far as it says so itself.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Number(_) => 1,
            Self::Range(range) => range.count(),
            Self::Spc(_) => u64::MAX,
        }
    }

    /// Whether it may answer for `number`: only a numbering table tells of an SPC.
    #[must_use]
    pub fn may_answer_for(&self, number: &TelephoneNumber) -> bool {
        match self {
            Self::Number(own) => own == number,
            Self::Range(range) => range.contains(number),
            Self::Spc(_) => true,
        }
    }

    /// The claim that says it, and its value.
    pub(super) fn to_claim(&self) -> (&'static str, Value) {
        match self {
            Self::Number(number) => ("tn", json!(number.to_string())),
            Self::Range(range) => (
                "range",
                json!({"start": range.start().to_string(), "count": range.count()}),
            ),
            Self::Spc(spc) => ("spc", json!(spc.to_string())),
        }
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

/// The numbers of `coverage`, if the certificate has authority for all of them.
pub(super) fn authorized_numbers(
    coverage: &Coverage,
    list: &TnAuthList,
    numbering: Option<&NumberingTable>,
) -> Result<Vec<NumberRange>, KeyRecordError> {
    let not_held = || KeyRecordError::NotHeld {
        coverage: coverage.clone(),
        certificate: list.clone(),
    };
    let range = match coverage {
        Coverage::Number(number) => NumberRange::from(number.clone()),
        Coverage::Range(range) => range.clone(),
        Coverage::Spc(spc) => {
            if !list.covers_spc(spc) {
                return Err(not_held());
            }
            let table = numbering.ok_or_else(|| no_table(coverage, list))?;
            let numbers = table.held_by(spc);
            return if numbers.is_empty() {
                Err(not_held())
            } else {
                Ok(numbers)
            };
        }
    };
    if list.covers_range(&range) {
        return Ok(vec![range]);
    }
    match numbering {
        Some(table) if list.spcs().any(|spc| table.holds_range(spc, &range)) => Ok(vec![range]),
        None if list.spcs().next().is_some() => Err(no_table(coverage, list)),
        _ => Err(not_held()),
    }
}

fn no_table(coverage: &Coverage, list: &TnAuthList) -> KeyRecordError {
    KeyRecordError::NoNumberingTable {
        coverage: coverage.clone(),
        certificate: list.clone(),
    }
}
