//! Whether a certificate has the authority for what a record answers for: by its own
//! numbers, or by an SPC and the numbering table.

use pennyblack_stir::TnAuthList;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::NumberRange;

use super::coverage::Coverage;
use super::error::KeyRecordError;

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
            let numbers = numbering.map(|table| table.held_by(spc));
            let numbers = numbers.filter(|numbers| !numbers.is_empty());
            return numbers.ok_or_else(|| unknown_holder(coverage, list));
        }
    };
    if list.covers_range(&range) {
        return Ok(vec![range]);
    }
    match numbering {
        Some(table) if list.spcs().any(|spc| table.holds_range(spc, &range)) => Ok(vec![range]),
        Some(table) if table.tells_of(&range) => Err(not_held()),
        _ if list.spcs().next().is_some() => Err(unknown_holder(coverage, list)),
        _ => Err(not_held()),
    }
}

/// A table is a part of what is known, such as answers to questions about other numbers.
fn unknown_holder(coverage: &Coverage, list: &TnAuthList) -> KeyRecordError {
    KeyRecordError::UnknownHolder {
        coverage: coverage.clone(),
        certificate: list.clone(),
    }
}
