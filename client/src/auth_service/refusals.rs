//! Key records that are not trusted, and why.

use pennyblack_protocol::key_record::KeyRecordError;
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_stir::{ChainError, TnAuthList};

/// A record that is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedRecord {
    /// The record itself.
    #[error("{0}")]
    Record(#[from] KeyRecordError),
    /// Its certificate.
    #[error("{0}")]
    Certificate(#[from] ChainError),
    /// Its certificate could not be had.
    #[error("its certificate at {0} is not available")]
    NoCertificate(String),
    /// It answers for other numbers.
    #[error("it does not answer for {0}")]
    OtherNumber(TelephoneNumber),
}

/// Reasons that are kept of refused records.
const MAX_EXAMPLES: usize = 3;

/// Records that are not trusted: how many, and the reasons of the first few. A CPS can
/// send any number of them.
#[derive(Debug, Default)]
pub struct RecordRefusals {
    /// How many.
    pub count: u64,
    /// Why, of the first few.
    pub examples: Vec<RefusedRecord>,
    /// Whose certificate the first of those has that a numbering table might let be trusted:
    /// it has an SPC, and no table here says who holds the number.
    pub unchecked: Option<TnAuthList>,
}

impl RecordRefusals {
    pub(super) fn add(&mut self, refused: RefusedRecord) {
        self.count += 1;
        if let RefusedRecord::Record(KeyRecordError::UnknownHolder { certificate, .. }) = &refused {
            self.unchecked.get_or_insert_with(|| certificate.clone());
        }
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(refused);
        }
    }
}
