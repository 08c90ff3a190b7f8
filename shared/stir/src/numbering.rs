//! The operator's numbering table: which service provider holds which telephone
//! numbers. SHAKEN certificates name a provider and no numbers, so this is what
//! gives a provider authority for a number. Not here: where the file comes from.
//!
//! The form is CSV with the header line `spc,first,count`, then one line a
//! block: the provider's SPC, the first number with its country code, and how many
//! numbers follow each other from there. A number that looks as if it had none is asked
//! about, unless a `+` in front of it says that it has. Lines with `#` in front are comments.

use std::collections::BTreeMap;

use crate::number_block::Block;
use crate::telephone_number::{
    NumberRange, TelephoneNumber, TelephoneNumberError, require_country_code,
};
use crate::{Spc, SpcError};

/// The largest table that is read, in bytes.
pub const MAX_TABLE_SIZE: usize = 64 * 1024 * 1024;

/// The most blocks in a table.
pub const MAX_BLOCKS: usize = 2_000_000;

const COLUMNS: [&str; 3] = ["spc", "first", "count"];

/// A file that is not a numbering table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberingError {
    /// More than [`MAX_TABLE_SIZE`] bytes.
    #[error("the numbering table has {0} bytes, at most {MAX_TABLE_SIZE} are read")]
    TooLarge(usize),
    /// More than [`MAX_BLOCKS`] blocks.
    #[error("the numbering table has more than {MAX_BLOCKS} blocks; join those that touch")]
    TooManyBlocks,
    /// The first line does not name the columns.
    #[error("the first line of a numbering table must be \"spc,first,count\"")]
    Header,
    /// A line that CSV does not allow, or that has more or fewer than 3 fields.
    #[error("line {line}: {detail}")]
    Line {
        /// Its number, the header being line 1.
        line: u64,
        /// What the reader objected to.
        detail: String,
    },
    /// A field that is not what its column says.
    #[error("line {line}: {value:?} is not a valid {column}: {detail}")]
    Field {
        /// The line's number, the header being line 1.
        line: u64,
        /// The column.
        column: &'static str,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// Who holds which numbers. Blocks may overlap, also those of two providers:
/// a ported block is held by either until the table says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberingTable {
    /// Per provider its blocks, sorted, those that touch or overlap joined.
    held: BTreeMap<Spc, Vec<Block>>,
}

impl NumberingTable {
    /// Parses the CSV form.
    ///
    /// # Errors
    /// [`NumberingError`], with the number of the line.
    pub fn parse(csv: &[u8]) -> Result<Self, NumberingError> {
        if csv.len() > MAX_TABLE_SIZE {
            return Err(NumberingError::TooLarge(csv.len()));
        }
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(csv);
        if !reader
            .headers()
            .is_ok_and(|header| header == COLUMNS.as_slice())
        {
            return Err(NumberingError::Header);
        }
        let mut held: BTreeMap<Spc, Vec<Block>> = BTreeMap::new();
        for (row, record) in reader.records().enumerate() {
            if row >= MAX_BLOCKS {
                return Err(NumberingError::TooManyBlocks);
            }
            let (spc, block) = parse_record(&record.map_err(line_error)?)?;
            held.entry(spc).or_default().push(block);
        }
        held.values_mut().for_each(join);
        Ok(Self { held })
    }

    /// True when `spc` holds `number`.
    #[must_use]
    pub fn holds(&self, spc: &Spc, number: &TelephoneNumber) -> bool {
        Block::of_number(number).is_some_and(|block| self.holds_block(spc, block))
    }

    /// All who hold `number`.
    #[must_use]
    pub fn holders_of(&self, number: &TelephoneNumber) -> Vec<Spc> {
        let held = self.held.keys();
        held.filter(|spc| self.holds(spc, number))
            .cloned()
            .collect()
    }

    /// True when `spc` holds every number of `range`.
    #[must_use]
    pub fn holds_range(&self, spc: &Spc, range: &NumberRange) -> bool {
        Block::of_range(range).is_some_and(|block| self.holds_block(spc, block))
    }

    /// Whether anybody holds any number of `range`: of others this table says nothing.
    #[must_use]
    pub fn tells_of(&self, range: &NumberRange) -> bool {
        let Some(asked) = Block::of_range(range) else {
            return false;
        };
        self.held.values().any(|blocks| {
            // Blocks of one holder do not overlap, so the last that begins before the end of
            // what is asked ends last.
            let begin_before = blocks
                .partition_point(|held| (held.digits, held.first) <= (asked.digits, asked.last));
            let last = begin_before.checked_sub(1).and_then(|at| blocks.get(at));
            last.is_some_and(|held| held.digits == asked.digits && held.last >= asked.first)
        })
    }

    /// Everything that `spc` holds, in ascending order, joined where blocks touch.
    #[must_use]
    pub fn held_by(&self, spc: &Spc) -> Vec<NumberRange> {
        let blocks = self.held.get(spc).map(Vec::as_slice).unwrap_or_default();
        blocks.iter().filter_map(|block| block.to_range()).collect()
    }

    /// Says that `holder` holds `number`, and nobody else; nobody at all without one. A number
    /// with `#` or `*` belongs to no block, and is passed over.
    pub fn assign(&mut self, number: &TelephoneNumber, holder: Option<&Spc>) {
        let Some(one) = Block::of_number(number) else {
            return;
        };
        for blocks in self.held.values_mut() {
            *blocks = blocks.iter().flat_map(|block| block.without(one)).collect();
        }
        if let Some(holder) = holder {
            let blocks = self.held.entry(holder.clone()).or_default();
            blocks.push(one);
            join(blocks);
        }
        self.held.retain(|_, blocks| !blocks.is_empty());
    }

    /// The CSV form.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut csv = format!("{}\n", COLUMNS.join(","));
        for (spc, blocks) in &self.held {
            for block in blocks {
                let count = block.last - block.first + 1;
                let first = block.text_of(block.first);
                // So that nobody is asked about what is known.
                let plus = match require_country_code(&first) {
                    Ok(()) => "",
                    Err(_) => "+",
                };
                csv.push_str(&format!("{spc},{plus}{first},{count}\n"));
            }
        }
        csv
    }

    /// Touching blocks are joined, so whatever is held lies within one of them:
    /// the last that does not begin after it.
    fn holds_block(&self, spc: &Spc, wanted: Block) -> bool {
        let blocks = self.held.get(spc).map(Vec::as_slice).unwrap_or_default();
        let begin_before = blocks
            .partition_point(|held| (held.digits, held.first) <= (wanted.digits, wanted.first));
        let candidate = begin_before
            .checked_sub(1)
            .and_then(|last| blocks.get(last));
        candidate.is_some_and(|held| held.digits == wanted.digits && held.last >= wanted.last)
    }
}

/// Sorts blocks and joins those that touch or overlap.
fn join(blocks: &mut Vec<Block>) {
    blocks.sort_unstable();
    blocks.dedup_by(|next, before| before.absorb(next));
}

fn parse_record(record: &csv::StringRecord) -> Result<(Spc, Block), NumberingError> {
    let line = record.position().map_or(0, csv::Position::line);
    let field = |index: usize| record.get(index).unwrap_or_default();
    let invalid = |index: usize, detail: String| NumberingError::Field {
        line,
        column: COLUMNS.get(index).copied().unwrap_or_default(),
        value: field(index).to_owned(),
        detail,
    };
    let spc: Spc = field(0)
        .parse()
        .map_err(|error: SpcError| invalid(0, error.to_string()))?;
    if !field(1).starts_with('+') {
        require_country_code(field(1)).map_err(|error| invalid(1, error.to_string()))?;
    }
    let first: TelephoneNumber = field(1)
        .parse()
        .map_err(|error: TelephoneNumberError| invalid(1, error.to_string()))?;
    let count: u64 = field(2)
        .parse()
        .map_err(|error: std::num::ParseIntError| invalid(2, error.to_string()))?;
    let block = Block::starting_at(&first, count).ok_or_else(|| {
        let detail = "a block has at least one number, of digits alone, and ends before the \
                      number of digits grows";
        invalid(2, detail.to_owned())
    })?;
    Ok((spc, block))
}

fn line_error(error: csv::Error) -> NumberingError {
    NumberingError::Line {
        line: error.position().map_or(0, csv::Position::line),
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(lines: &str) -> NumberingTable {
        NumberingTable::parse(format!("spc,first,count\n{lines}").as_bytes()).unwrap()
    }

    fn refusal(csv: &str) -> NumberingError {
        NumberingTable::parse(csv.as_bytes()).unwrap_err()
    }

    fn spc(text: &str) -> Spc {
        text.parse().unwrap()
    }

    fn number(text: &str) -> TelephoneNumber {
        text.parse().unwrap()
    }

    fn range(start: &str, count: u64) -> NumberRange {
        NumberRange::new(number(start), count).unwrap()
    }

    #[test]
    fn a_provider_holds_its_numbers_and_no_others() {
        let table = table("683G,12155551000,1000\n# moved in May\n4529,12155552000,10\n");
        assert!(table.holds(&spc("683G"), &number("12155551000")));
        assert!(table.holds(&spc("683G"), &number("12155551999")));
        assert!(!table.holds(&spc("683G"), &number("12155552000")));
        assert!(!table.holds(&spc("683G"), &number("12155550999")));
        assert!(!table.holds(&spc("4529"), &number("12155551000")));
        assert!(!table.holds(&spc("8999"), &number("12155551000")));
    }

    #[test]
    fn numbers_of_another_length_are_other_numbers() {
        let table = table("683G,+0100,10\n");
        assert!(table.holds(&spc("683G"), &number("0105")));
        assert!(!table.holds(&spc("683G"), &number("105")));
        assert!(!table.holds(&spc("683G"), &number("00105")));
    }

    #[test]
    fn a_range_may_lie_across_blocks_that_touch_but_not_across_a_gap() {
        let table = table("683G,12155551100,100\n683G,12155551000,100\n683G,12155551201,9\n");
        assert!(table.holds_range(&spc("683G"), &range("12155551050", 100)));
        assert!(!table.holds_range(&spc("683G"), &range("12155551150", 52)));
        assert_eq!(
            table.held_by(&spc("683G")),
            [range("12155551000", 200), range("12155551201", 9)]
        );
    }

    #[test]
    fn a_table_tells_of_what_anybody_holds_a_number_of() {
        let table = table("683G,12155551000,10\n4529,12155552000,10\n683G,+0100,5\n");
        for (start, count, told) in [
            ("12155551000", 1, true),
            ("12155550999", 1, false),
            ("12155550999", 2, true),
            ("12155551009", 100, true),
            ("12155551010", 100, false),
            ("12155550000", 5000, true),
            ("12155552009", 1, true),
            ("12155552010", 1, false),
            ("0104", 1, true),
            ("104", 1, false),
        ] {
            assert_eq!(
                table.tells_of(&range(start, count)),
                told,
                "{start}+{count}"
            );
        }
    }

    #[test]
    fn a_number_that_is_ported_leaves_its_block_and_the_table_is_written_back() {
        let mut table = table("683G,+0100,10\n4529,+0105,2\n");
        table.assign(&number("0105"), Some(&spc("709J")));
        table.assign(&number("0100"), None);
        table.assign(&number("0200"), Some(&spc("683g")));
        table.assign(&number("*67"), Some(&spc("683g")));
        let csv = "spc,first,count\n4529,+0106,1\n683G,+0101,4\n683G,+0106,4\n683G,+0200,1\n709J,+0105,1\n";
        assert_eq!(table.to_csv(), csv);
        assert_eq!(NumberingTable::parse(csv.as_bytes()).unwrap(), table);
    }

    #[test]
    fn errors_say_the_line_and_what_is_wrong_with_it() {
        assert_eq!(refusal("683G,12155551000,10\n"), NumberingError::Header);
        assert_eq!(refusal(""), NumberingError::Header);
        let header = "spc,first,count\n683G,12155551000,10\n";
        for (line, column) in [
            ("683G,12155551000,0", "count"),
            ("683G,12155551000,-1", "count"),
            ("683G,99999,2", "count"),
            ("683G,12a,2", "first"),
            (",12155551000,2", "spc"),
        ] {
            let error = refusal(&format!("{header}{line}\n"));
            assert!(
                matches!(&error, NumberingError::Field { line: 3, column: found, .. } if *found == column),
                "{line}: {error}"
            );
        }
        let error = refusal(&format!("{header}683G,12155551000\n"));
        assert!(
            matches!(error, NumberingError::Line { line: 3, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_number_without_its_country_code_is_asked_about() {
        for (first, advice) in [("2155550100", "12155550100"), ("0049301234", "without 00")] {
            let error = refusal(&format!("spc,first,count\n683G,{first},10\n")).to_string();
            assert!(
                error.contains("line 2") && error.contains(advice),
                "{error}"
            );
        }
        // Of another country, as a plus sign says; and so it is written back.
        let table = table("683G,+3225551234,10\n683G,12155551000,10\n");
        assert!(table.holds(&spc("683G"), &number("3225551239")));
        let csv = "spc,first,count\n683G,+3225551234,10\n683G,12155551000,10\n";
        assert_eq!(table.to_csv(), csv);
        assert_eq!(NumberingTable::parse(csv.as_bytes()).unwrap(), table);
    }

    proptest! {
        #[test]
        fn a_joined_table_answers_as_its_lines_do(
            lines in proptest::collection::vec((0u64..40, 1u64..9), 1..12),
            asked in 0u64..50,
        ) {
            let csv: String = lines
                .iter()
                .map(|(first, count)| format!("683G,{:03},{count}\n", 100 + first))
                .collect();
            let held = lines.iter().any(|(first, count)| (*first..first + count).contains(&asked));
            let asked = number(&format!("{:03}", 100 + asked));
            prop_assert_eq!(table(&csv).holds(&spc("683G"), &asked), held);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
            let _ = NumberingTable::parse(&bytes);
            let _ = NumberingTable::parse(format!("spc,first,count\n{text}").as_bytes());
        }
    }
}
