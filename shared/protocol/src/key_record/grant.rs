//! Who stands behind a key record: what the certificate that signs it covers, in the form
//! in which holders are counted. Records that are written or signed in another way, with
//! another of the holder's certificates or for another of its numbers, have the same grant
//! or one that overlaps it. Not here: how much room a grant has (the CPS).

use pennyblack_stir::{Coverage, CoverageError, VerifiedChain};

/// As many numbers as an SPC counts for. No certificate says which numbers an SPC holds;
/// carriers hold blocks of ten thousand and more.
pub const SPC_NUMBERS: u64 = 1_000_000;

/// What a key record's certificate covers, and what the highest certificate above it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    signer: Coverage,
    /// None when it is the same, as it is unless a holder delegated (RFC 9060).
    highest: Option<Coverage>,
}

impl Grant {
    /// The grant of a chain's leaf.
    ///
    /// # Errors
    /// [`CoverageError`] for a certificate that names more than is counted.
    pub fn of(chain: &VerifiedChain) -> Result<Self, CoverageError> {
        let signer = Coverage::of(chain.tn_auth_list())?;
        Ok(Self::new(signer, Coverage::of(chain.grant())?))
    }

    /// What a leaf covers, and what the highest certificate of its path does.
    #[must_use]
    pub fn new(signer: Coverage, highest: Coverage) -> Self {
        let highest = (highest != signer).then_some(highest);
        Self { signer, highest }
    }

    /// What the certificate covers that signs the record.
    #[must_use]
    pub const fn signer(&self) -> &Coverage {
        &self.signer
    }

    /// What the highest certificate of the path covers: all that its holder delegates
    /// lies in it.
    #[must_use]
    pub fn highest(&self) -> &Coverage {
        self.highest.as_ref().unwrap_or(&self.signer)
    }
}

/// How specific a record is: the fewer numbers its certificate covers, then the highest
/// certificate above that, and then itself, the more. Without the second a block's holder
/// that delegates to itself would come beside whom a CA gave one number of the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breadth {
    /// Numbers of the certificate that signs.
    pub signer: u64,
    /// Numbers of the highest certificate of its path that has a list.
    pub highest: u64,
    /// Numbers that the record answers for.
    pub record: u64,
}

/// How many numbers a coverage holds; an SPC counts as [`SPC_NUMBERS`].
#[must_use]
pub fn width_of(coverage: &Coverage) -> u64 {
    let extents = coverage.extents().iter();
    let width = |numbers: Option<u64>| numbers.unwrap_or(SPC_NUMBERS);
    extents
        .map(|extent| width(extent.numbers().map(|range| range.count())))
        .fold(0, u64::saturating_add)
}
