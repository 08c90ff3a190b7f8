//! How much room of the directory is taken, in all and by each grant. A record is charged,
//! in bytes, to the numbers that its certificate covers, in equal parts; so a holder has
//! one budget however its certificates are cut, renewed or written, and holders of
//! different numbers have budgets of their own.
//!
//! A grant may have records as long as all that is charged to its numbers, by whichever
//! certificates, is within its allowance: so much for each number, and never more than a
//! share of the directory. What a block's holder has registered weighs little on one
//! number of it, and what the holder of one number has registered little on the block.
//!
//! Numbers are counted by decimal blocks as in the index, each with the sum of what lies
//! in it, so a charge costs the same however many other grants there are.

use std::collections::HashMap;

use pennyblack_protocol::key_record::{Grant, SPC_NUMBERS, width_of};
use pennyblack_stir::{Coverage, Extent};

use super::blocks::{Block, blocks_of};
use super::size::RECORD_SIZE;
use crate::refusal::Refusal;

/// Bytes of records for each number that a certificate covers: about 20 records of common
/// size, or 13 with X-Wing keys. A record for each device, and those that replace them.
pub(super) const BYTES_OF_NUMBER: u64 = 160 * 1024;
/// A grant has at most the directory's room divided by this, if it has more numbers.
const SHARES: u64 = 64;
/// Parts of a byte in which charges are counted: most grants of a record are many numbers.
const PARTS: u128 = 1 << 32;

/// Where a charge is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Account {
    /// Numbers.
    Block(Block),
    /// An SPC.
    Named(String),
}

/// What is charged, in parts of a byte.
#[derive(Debug, Default)]
struct Charged {
    /// To exactly this block.
    here: u128,
    /// To this block and to those within it.
    inside: u128,
}

/// The budgets of all grants.
#[derive(Debug)]
pub(super) struct Budgets {
    /// Bytes of the whole directory.
    room: u64,
    /// Bytes of all records.
    pub(super) taken: u64,
    charged: HashMap<Account, Charged>,
}

impl Budgets {
    /// Of a directory with room for so many records of common size.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = u64::try_from(capacity).unwrap_or(u64::MAX);
        Self {
            room: capacity.saturating_mul(RECORD_SIZE),
            taken: 0,
            charged: HashMap::new(),
        }
    }

    /// Whether there is room for a record of `more` bytes beside `waiting` ones that nobody
    /// is charged for, and its grant may have one more.
    pub(super) fn check(&self, grant: &Grant, more: u64, waiting: u64) -> Result<(), Refusal> {
        self.check_capacity(waiting.saturating_add(more))?;
        let (signer, highest) = (grant.signer(), grant.highest());
        self.check_grant(signer, more)?;
        if highest != signer {
            self.check_grant(highest, more)?;
        }
        Ok(())
    }

    /// Whether there is room for a record of `bytes`, whatever its grant.
    pub(super) fn check_capacity(&self, bytes: u64) -> Result<(), Refusal> {
        if self.taken.saturating_add(bytes) > self.room {
            return Err(Refusal::DirectoryFull);
        }
        Ok(())
    }

    fn check_grant(&self, coverage: &Coverage, more: u64) -> Result<(), Refusal> {
        let max = self.allowance(width_of(coverage));
        if self.taken_by(coverage).saturating_add(more) <= max {
            return Ok(());
        }
        Err(Refusal::TooManyOfGrant {
            holder: coverage.brief(),
            max,
        })
    }

    /// Bytes that a grant of so many numbers may have.
    fn allowance(&self, numbers: u64) -> u64 {
        let share = (self.room / SHARES).max(BYTES_OF_NUMBER);
        numbers.saturating_mul(BYTES_OF_NUMBER).min(share)
    }

    /// Bytes that are charged to the numbers of a coverage.
    fn taken_by(&self, coverage: &Coverage) -> u64 {
        let accounts = accounts_of(coverage);
        let parts = accounts.iter().map(|(account, _)| self.parts_in(account));
        let bytes = parts.fold(0, u128::saturating_add) / PARTS;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    #[cfg(test)]
    pub(super) fn accounts(&self) -> usize {
        self.charged.len()
    }

    fn parts_in(&self, account: &Account) -> u128 {
        let inside = self
            .charged
            .get(account)
            .map_or(0, |charged| charged.inside);
        let Account::Block(block) = account else {
            return inside;
        };
        let wider = block.wider().filter_map(|wider| {
            let share = u128::from(wider.numbers() / block.numbers().max(1));
            let charged = self.charged.get(&Account::Block(wider))?;
            Some(charged.here / share.max(1))
        });
        wider.fold(inside, u128::saturating_add)
    }

    /// Charges a record of `bytes`, whatever is allowed.
    pub(super) fn charge(&mut self, grant: &Grant, bytes: u64) {
        self.taken = self.taken.saturating_add(bytes);
        each_part(grant, bytes, |account, parts| {
            let charged = self.charged.entry(account.clone()).or_default();
            charged.here = charged.here.saturating_add(parts);
            each_around(account, |around| {
                let charged = self.charged.entry(around).or_default();
                charged.inside = charged.inside.saturating_add(parts);
            });
        });
    }

    /// Takes back the charge of a record.
    pub(super) fn release(&mut self, grant: &Grant, bytes: u64) {
        self.taken = self.taken.saturating_sub(bytes);
        each_part(grant, bytes, |account, parts| {
            if let Some(charged) = self.charged.get_mut(account) {
                charged.here = charged.here.saturating_sub(parts);
            }
            each_around(account, |around| {
                let Some(charged) = self.charged.get_mut(&around) else {
                    return;
                };
                charged.inside = charged.inside.saturating_sub(parts);
                if charged.inside == 0 {
                    self.charged.remove(&around);
                }
            });
        });
    }
}

/// How a record's bytes are parted among what its certificate covers.
fn each_part(grant: &Grant, bytes: u64, mut act: impl FnMut(&Account, u128)) {
    let parts = u128::from(bytes) * PARTS;
    let width = u128::from(width_of(grant.signer()).max(1));
    for (account, numbers) in accounts_of(grant.signer()) {
        act(&account, parts.saturating_mul(numbers.into()) / width);
    }
}

/// An account, and those of the blocks that it lies in.
fn each_around(account: &Account, mut act: impl FnMut(Account)) {
    act(account.clone());
    if let Account::Block(block) = account {
        block.wider().map(Account::Block).for_each(act);
    }
}

/// The accounts of a coverage, with their numbers.
fn accounts_of(coverage: &Coverage) -> Vec<(Account, u64)> {
    let of_block = |block: Block| {
        let numbers = block.numbers();
        (Account::Block(block), numbers)
    };
    let of_extent = |extent: &Extent| match extent.numbers() {
        Some(range) => blocks_of(&range).into_iter().map(of_block).collect(),
        None => vec![(Account::Named(extent.to_string()), SPC_NUMBERS)],
    };
    coverage.extents().iter().flat_map(of_extent).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES: u64 = 16 * 1024;
    const RECORDS_OF_NUMBER: u64 = BYTES_OF_NUMBER / BYTES;
    const CAPACITY: usize = 1_000_000;

    fn grant(signer: &str) -> Grant {
        let signer: Coverage = signer.parse().unwrap();
        Grant::new(signer.clone(), signer)
    }

    /// How many records of this size the directory takes of a grant until it refuses one.
    fn fill(budgets: &mut Budgets, grant: &Grant) -> u64 {
        let mut count = 0;
        while budgets.check(grant, BYTES, 0).is_ok() {
            budgets.charge(grant, BYTES);
            count += 1;
        }
        count
    }

    fn fill_all(texts: impl IntoIterator<Item = String>) -> u64 {
        let mut budgets = Budgets::new(CAPACITY);
        let each = |text: String| fill(&mut budgets, &grant(&text));
        texts.into_iter().map(each).sum()
    }

    #[test]
    fn however_sixty_numbers_are_certified_they_have_one_budget() {
        let singles = || (100..160).map(|n| format!("tn:12155550{n}"));
        let range = || "tn:12155550100+60".to_owned();
        let listed = || singles().collect::<Vec<_>>().join(",");
        let nested = || (1..=60).map(|n| format!("tn:12155550100+{n}"));
        let expected = 60 * RECORDS_OF_NUMBER;
        assert_eq!(fill_all(singles()), expected);
        assert_eq!(fill_all([range(), listed()]), expected);
        assert_eq!(fill_all([range()].into_iter().chain(singles())), expected);
        assert_eq!(fill_all(singles().chain([range()])), expected);
        // Parts of bytes are cut off, so some may have a record more.
        for renewed in [nested().collect(), nested().rev().collect::<Vec<_>>()] {
            let count = fill_all(renewed);
            assert!(count <= expected + 60, "{count}");
        }
    }

    /// The half of some numbers, cut so again and again, then all, then the other half: the
    /// most that is known to be had of them.
    fn halves(first: u64, count: u64) -> Vec<String> {
        let all = format!("tn:{first}+{count}");
        if count == 1 {
            return vec![all];
        }
        let half = count / 2;
        [halves(first, half), vec![all], halves(first + half, half)].concat()
    }

    #[test]
    fn ranges_that_are_cut_to_exceed_a_budget_have_less_than_twice_as_much() {
        let max = 256 * RECORDS_OF_NUMBER;
        let count = fill_all(halves(12_155_550_000, 256));
        assert!((max * 3 / 2..max * 2).contains(&count), "{count} of {max}");
    }

    #[test]
    fn a_code_has_one_budget_whatever_stands_beside_it() {
        let all = ["spc:683G", "spc:683g", "spc:683G,tn:12155550100"];
        let share = CAPACITY as u64 * RECORD_SIZE / SHARES / BYTES;
        let count = fill_all(all.map(str::to_owned));
        assert!((share..=share + 3).contains(&count), "{count}");
    }

    #[test]
    fn a_number_and_the_block_around_it_leave_room_to_each_other() {
        let mut budgets = Budgets::new(CAPACITY);
        let (number, block) = (grant("tn:12155550100"), grant("tn:12155550000+10000"));
        assert_eq!(fill(&mut budgets, &number), RECORDS_OF_NUMBER);
        let share = CAPACITY as u64 * RECORD_SIZE / SHARES / BYTES;
        assert_eq!(fill(&mut budgets, &block), share - RECORDS_OF_NUMBER);
        // The full share of a block weighs little on another number of it.
        let other = fill(&mut budgets, &grant("tn:12155550101"));
        assert!(other >= RECORDS_OF_NUMBER * 9 / 10 - 1, "{other}");
    }

    #[test]
    fn who_holds_a_part_cannot_use_up_the_whole_and_all_parts_cannot_exceed_it() {
        let highest: Coverage = "tn:12155550000+100".parse().unwrap();
        let delegated = |text: &str| Grant::new(text.parse().unwrap(), highest.clone());
        let mut budgets = Budgets::new(CAPACITY);
        let one = fill(&mut budgets, &delegated("tn:12155550000"));
        assert_eq!(one, RECORDS_OF_NUMBER);
        let mut all = one + fill(&mut budgets, &delegated("tn:12155550001+99"));
        for n in 0..100 {
            all += fill(&mut budgets, &delegated(&format!("tn:121555500{n:02}")));
        }
        assert!(all <= 100 * RECORDS_OF_NUMBER + 1, "{all}");
    }

    #[test]
    fn those_to_whom_a_holder_delegates_have_no_more_than_its_share() {
        let capacity = 20_000;
        let mut budgets = Budgets::new(capacity);
        let highest: Coverage = "tn:12155550000+10000".parse().unwrap();
        let all: u64 = (0..100)
            .map(|n| format!("tn:12155550{n:03}").parse().unwrap())
            .map(|number| fill(&mut budgets, &Grant::new(number, highest.clone())))
            .sum();
        assert_eq!(all, capacity as u64 * RECORD_SIZE / SHARES / BYTES);
    }

    #[test]
    fn a_full_directory_takes_no_more_from_anybody() {
        let mut budgets = Budgets::new(64);
        let mut taken = 0;
        for n in 0..64 {
            taken += fill(&mut budgets, &grant(&format!("tn:12155550{n:03}"))) * BYTES;
        }
        assert!(taken <= 64 * RECORD_SIZE, "{taken}");
        let refused = budgets.check(&grant("tn:13"), BYTES, 0);
        assert!(matches!(refused, Err(Refusal::DirectoryFull)));
        assert!(Budgets::new(4).check(&grant("tn:13"), BYTES, 0).is_ok());
        assert!(
            Budgets::new(2)
                .check(&grant("tn:13"), BYTES, 9_000)
                .is_err()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn charges_that_are_taken_back_leave_nothing(
            ranges in proptest::collection::vec((0u64..9_000, 1u64..999, 1u64..9_999), 1..9),
        ) {
            let mut budgets = Budgets::new(CAPACITY);
            let all: Vec<_> = ranges
                .iter()
                .map(|(start, count, bytes)| (grant(&format!("tn:{start:04}+{count}")), *bytes))
                .collect();
            for (grant, bytes) in &all {
                budgets.charge(grant, *bytes);
            }
            for (grant, bytes) in all.iter().rev() {
                budgets.release(grant, *bytes);
            }
            prop_assert_eq!(budgets.taken, 0);
            prop_assert!(budgets.charged.is_empty());
        }

        #[test]
        fn certificates_of_the_same_numbers_never_have_two_budgets(
            ranges in proptest::collection::vec((100u64..160, 1u64..60), 1..12),
        ) {
            let texts = ranges.iter().map(|(start, count)| format!("tn:{start}+{count}"));
            let union: std::collections::BTreeSet<_> =
                ranges.iter().flat_map(|(start, count)| *start..start + count).collect();
            let max = union.len() as u64 * RECORDS_OF_NUMBER;
            let count = fill_all(texts);
            prop_assert!(count < 2 * max, "{count} of {max}");
        }
    }
}
