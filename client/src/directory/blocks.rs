//! Decimal blocks: all numbers of one length that begin with the same digits. A range is a
//! few of them, and a number is in at most sixteen, so that a look-up costs as many looks
//! however many records there are.

use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};

/// Most blocks of one range that are kept: as many as a CPS allows a record.
const MAX_BLOCKS: usize = 4_096;

/// The first digits, and how many digits the numbers have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    pub(super) digits: usize,
    pub(super) prefix: Box<str>,
}

impl Block {
    /// The last number of a range.
    pub(super) fn last_of(range: &NumberRange) -> Option<TelephoneNumber> {
        let start = range.start().as_str();
        let last = start.parse::<u64>().ok()?.checked_add(range.count() - 1)?;
        format!("{last:0digits$}", digits = start.len())
            .parse()
            .ok()
    }
}

/// The blocks that `number` is in.
pub fn blocks_around(number: &TelephoneNumber) -> impl Iterator<Item = Block> {
    let text = number.as_str();
    // Every character has one byte.
    (0..=text.len()).filter_map(|length| {
        let prefix = text.get(..length)?.into();
        let digits = text.len();
        Some(Block { digits, prefix })
    })
}

/// The fewest blocks that are `range`.
#[must_use]
pub fn blocks_of(range: &NumberRange) -> Vec<Block> {
    let (start, digits) = (range.start().as_str(), range.start().as_str().len());
    let single = || Block {
        digits,
        prefix: start.into(),
    };
    let Ok(mut next) = start.parse::<u64>() else {
        // With `#` or `*` it is one number.
        return vec![single()];
    };
    let mut left = range.count();
    let mut blocks = Vec::new();
    while left > 0 && blocks.len() < MAX_BLOCKS {
        let (mut size, mut length) = (1_u64, digits);
        while length > 0 && next.is_multiple_of(size * 10) && left >= size * 10 {
            size *= 10;
            length -= 1;
        }
        let text = format!("{next:0digits$}");
        let prefix = text.get(..length).unwrap_or_default().into();
        blocks.push(Block { digits, prefix });
        next += size;
        left -= size;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: &str, count: u64) -> NumberRange {
        NumberRange::new(start.parse().unwrap(), count).unwrap()
    }

    fn prefixes(range: &NumberRange) -> Vec<String> {
        let blocks = blocks_of(range).into_iter();
        blocks.map(|block| block.prefix.into()).collect()
    }

    #[test]
    fn a_range_is_a_few_blocks() {
        assert_eq!(prefixes(&range("12125550100", 100)), ["121255501"]);
        assert_eq!(prefixes(&range("12125550100", 1)), ["12125550100"]);
        assert_eq!(
            prefixes(&range("12125550195", 16)),
            [
                "12125550195",
                "12125550196",
                "12125550197",
                "12125550198",
                "12125550199",
                "1212555020",
                "12125550210"
            ]
        );
        assert_eq!(prefixes(&range("0", 10)), [""]);
        assert_eq!(prefixes(&range("12#", 1)), ["12#"]);
    }

    #[test]
    fn a_number_is_in_the_blocks_of_its_ranges_and_in_no_others() {
        let ranges = [
            range("12125550195", 16),
            range("12125550000", 1000),
            range("0012", 88),
        ];
        for range in &ranges {
            let blocks = blocks_of(range);
            for number in range.numbers() {
                let around: Vec<_> = blocks_around(&number).collect();
                let hits = around.iter().filter(|block| blocks.contains(block));
                assert_eq!(hits.count(), 1, "{number}");
            }
        }
        for outside in ["12125550194", "12125550211", "1212555020", "121255501950"] {
            let blocks = blocks_of(&ranges[0]);
            let number: TelephoneNumber = outside.parse().unwrap();
            let mut around = blocks_around(&number);
            assert!(!around.any(|block| blocks.contains(&block)), "{outside}");
        }
    }
}
