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
