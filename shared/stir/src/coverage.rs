//! What a TNAuthList covers, however it is written: the form in which holders are
//! counted. The same numbers one by one, as a range or twice over are the same
//! coverage. Not here: who may speak for a number (`tn_auth_list`).

use std::fmt;
use std::str::FromStr;

use crate::number_block::Block;
use crate::telephone_number::{NumberRange, TelephoneNumber};
use crate::{Spc, TnAuthList, TnEntry};

/// Most extents of a coverage: each costs its reader a look-up.
pub const MAX_EXTENTS: usize = 128;

/// A coverage that is not counted, or text that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoverageError {
    /// More extents than [`MAX_EXTENTS`].
    #[error(
        "the certificate covers {0} SPCs and separate blocks of numbers, and at most \
         {MAX_EXTENTS} are counted: split it into several certificates"
    )]
    TooMany(usize),
    /// Bounds that lie within no block; no extent has such.
    #[error("{0:?} is no bound of a block of numbers: please report this")]
    Bound(String),
    /// Text that names no SPC and no block.
    #[error("{0:?} names no SPC and no numbers")]
    Form(String),
}

/// An SPC, or numbers that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent(Kind);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Block(Block),
    /// A number with `#` or `*`, which has no neighbours.
    Marked(TelephoneNumber),
    /// In upper case.
    Spc(Spc),
}

impl Extent {
    /// The first and the last of what it holds, as texts: two extents have something
    /// in common exactly if, in the order of bytes, neither begins after the end of
    /// the other. Every character of them is above `!`.
    #[must_use]
    pub fn bounds(&self) -> (String, String) {
        let same = |text: String| (text.clone(), text);
        match &self.0 {
            Kind::Block(block) => {
                let bound = |number| format!("n{:x}{}", block.digits, block.text_of(number));
                (bound(block.first), bound(block.last))
            }
            Kind::Marked(number) => same(format!("m{number}")),
            Kind::Spc(spc) => same(format!("s{spc}")),
        }
    }

    /// Its numbers; None for an SPC, whose numbers no certificate lists.
    #[must_use]
    pub fn numbers(&self) -> Option<NumberRange> {
        match &self.0 {
            Kind::Block(block) => block.to_range(),
            Kind::Marked(number) => Some(number.clone().into()),
            Kind::Spc(_) => None,
        }
    }

    /// The bounds of what is left of it without `taken`: extents by their bounds, in
    /// ascending order, which all overlap it, and none another.
    ///
    /// # Errors
    /// [`CoverageError::Bound`] of bounds that are none of an extent.
    pub fn without(&self, taken: &[(&str, &str)]) -> Result<Vec<(String, String)>, CoverageError> {
        let (mut from, last) = self.bounds();
        let mut left = Vec::new();
        for (first, end) in taken {
            if from.as_str() < *first {
                left.push((from, beside(first, -1)?));
            }
            if *end >= last.as_str() {
                return Ok(left);
            }
            from = beside(end, 1)?;
        }
        left.push((from, last));
        Ok(left)
    }

    /// Becomes both, if `next`, which does not come before this one, touches or
    /// overlaps it.
    fn absorb(&mut self, next: &Self) -> bool {
        match (&mut self.0, &next.0) {
            (Kind::Block(block), Kind::Block(next)) => block.absorb(next),
            (own, next) => own == next,
        }
    }
}

/// The bound of a block that is as many numbers after `bound`. Nothing else than a block
/// is overlapped in part.
fn beside(bound: &str, step: i64) -> Result<String, CoverageError> {
    let beside = || {
        let (class, digits) = bound.split_at_checked(2)?;
        let number = digits.parse::<u64>().ok()?.checked_add_signed(step)?;
        let is_block = class.starts_with('n');
        is_block.then(|| format!("{class}{number:0width$}", width = digits.len()))
    };
    beside().ok_or_else(|| CoverageError::Bound(bound.to_owned()))
}

impl From<&TnEntry> for Extent {
    fn from(entry: &TnEntry) -> Self {
        Self(match entry {
            TnEntry::Spc(spc) => Kind::Spc(spc.in_upper_case()),
            TnEntry::Numbers(range) => Block::of_range(range)
                .map_or_else(|| Kind::Marked(range.start().clone()), Kind::Block),
        })
    }
}

/// `spc:683G`, `tn:12155550100` or `tn:12155550100+100`.
impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Spc(spc) => write!(f, "spc:{spc}"),
            Kind::Marked(number) => write!(f, "tn:{number}"),
            Kind::Block(block) => {
                write!(f, "tn:{}", block.text_of(block.first))?;
                match block.last - block.first {
                    0 => Ok(()),
                    more => write!(f, "+{}", more.saturating_add(1)),
                }
            }
        }
    }
}

impl FromStr for Extent {
    type Err = CoverageError;

    fn from_str(text: &str) -> Result<Self, CoverageError> {
        let entry = match text.split_once(':') {
            Some(("spc", spc)) => spc.parse().ok().map(TnEntry::Spc),
            Some(("tn", numbers)) => range(numbers).map(TnEntry::Numbers),
            _ => None,
        };
        let entry = entry.ok_or_else(|| CoverageError::Form(text.to_owned()))?;
        Ok(Self::from(&entry))
    }
}

fn range(text: &str) -> Option<NumberRange> {
    let (start, count) = text.split_once('+').unwrap_or((text, "1"));
    let start = TelephoneNumber::from_canonical(start).ok()?;
    NumberRange::new(start, count.parse().ok()?).ok()
}

/// The extents of a list: in ascending order, none twice, those that touch joined.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coverage(Vec<Extent>);

impl Coverage {
    /// What `list` covers.
    ///
    /// # Errors
    /// [`CoverageError::TooMany`].
    pub fn of(list: &TnAuthList) -> Result<Self, CoverageError> {
        Self::joined(list.entries().iter().map(Extent::from).collect())
    }

    fn joined(mut extents: Vec<Extent>) -> Result<Self, CoverageError> {
        extents.sort_unstable();
        extents.dedup_by(|next, before| before.absorb(next));
        match extents.len() {
            0..=MAX_EXTENTS => Ok(Self(extents)),
            more => Err(CoverageError::TooMany(more)),
        }
    }

    /// One at least.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.0
    }

    /// A name for messages: the first extent, and how many more there are.
    #[must_use]
    pub fn brief(&self) -> String {
        match self.0.as_slice() {
            [first, more @ ..] if !more.is_empty() => format!("{first} and {} more", more.len()),
            all => all.iter().map(Extent::to_string).collect(),
        }
    }
}

/// All extents, with commas between them.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, extent) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            write!(f, "{separator}{extent}")?;
        }
        Ok(())
    }
}

impl FromStr for Coverage {
    type Err = CoverageError;

    fn from_str(text: &str) -> Result<Self, CoverageError> {
        Self::joined(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn coverage(text: &str) -> Coverage {
        text.parse().unwrap()
    }

    fn overlap(a: &Extent, b: &Extent) -> bool {
        let ((a_first, a_last), (b_first, b_last)) = (a.bounds(), b.bounds());
        a_first <= b_last && b_first <= a_last
    }

    #[test]
    fn a_code_is_counted_without_case_and_a_list_without_order() {
        assert_eq!(coverage("spc:683g"), coverage("spc:683G"));
        let one = coverage("tn:1215+10,spc:683G,tn:1225,spc:683g,tn:*67");
        assert_eq!(one, coverage("spc:683G,tn:*67,tn:1215+11"));
        assert_eq!(one.to_string(), "tn:1215+11,tn:*67,spc:683G");
        assert_eq!(one.brief(), "tn:1215+11 and 2 more");
        assert_eq!(coverage("spc:683g").brief(), "spc:683G");
    }

    #[test]
    fn sixty_numbers_one_by_one_are_one_range() {
        let singles: Vec<_> = (100..160).map(|n| format!("tn:12155550{n}")).collect();
        assert_eq!(
            coverage(&singles.join(",")),
            coverage("tn:12155550100+60"),
            "{singles:?}"
        );
    }

    #[test]
    fn numbers_of_other_lengths_and_those_with_marks_are_others() {
        let apart = ["tn:0100", "tn:100", "tn:1*0", "tn:10#", "spc:100", "spc:10"];
        for (i, a) in apart.iter().enumerate() {
            for (j, b) in apart.iter().enumerate() {
                let (a, b): (Extent, Extent) = (a.parse().unwrap(), b.parse().unwrap());
                assert_eq!(overlap(&a, &b), i == j, "{a} {b}");
                assert_eq!(a.to_string().parse(), Ok(a));
            }
        }
        assert_eq!(coverage(&apart.join(",")).extents().len(), apart.len());
    }

    #[test]
    fn a_number_with_a_mark_is_in_no_block() {
        let block: Extent = "tn:100+900".parse().unwrap();
        for marked in ["tn:11*", "tn:1*1", "tn:#99"] {
            assert!(!overlap(&block, &marked.parse().unwrap()), "{marked}");
        }
    }

    #[test]
    fn what_is_taken_from_both_ends_of_a_number_of_digits_leaves_the_middle() {
        let all: Extent = "tn:000+1000".parse().unwrap();
        let taken = [("n3000", "n3008"), ("n3990", "n3999")];
        let left = [("n3009".to_owned(), "n3989".to_owned())];
        assert_eq!(all.without(&taken).unwrap(), left);
        assert_eq!(all.without(&[("n3000", "n3999")]).unwrap(), []);
        let spc: Extent = "spc:683G".parse().unwrap();
        assert_eq!(spc.without(&[("s683G", "s683G")]).unwrap(), []);
        assert_eq!(spc.without(&[]).unwrap(), [spc.bounds()]);
    }

    #[test]
    fn a_bound_that_no_extent_has_is_an_error_and_leaves_nothing_out() {
        let all: Extent = "tn:000+1000".parse().unwrap();
        for bound in ["n3", "n3xyz", "n", "", "s683G", "m1*0"] {
            let refused = CoverageError::Bound(bound.to_owned());
            assert_eq!(beside(bound, 1), Err(refused));
        }
        let left = all.without(&[("n3x", "n3y")]);
        assert_eq!(left, Err(CoverageError::Bound("n3x".to_owned())));
        assert!(beside("n3000", -1).is_err());
        assert_eq!(beside("n3000", 1).unwrap(), "n3001");
    }

    #[test]
    fn more_extents_than_are_counted_are_refused() {
        let list = |n: u64| {
            (0..n)
                .map(|i| format!("tn:{}", 1000 + 2 * i))
                .collect::<Vec<_>>()
        };
        assert!(list(128).join(",").parse::<Coverage>().is_ok());
        let refused = list(129).join(",").parse::<Coverage>();
        assert_eq!(refused, Err(CoverageError::TooMany(129)));
        for text in ["", "683G", "spc:", "tn:", "tn:1215+0", "tn:+1215", "spc:a,"] {
            assert!(text.parse::<Coverage>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_covered_does_not_depend_on_how_it_is_written(
            ranges in proptest::collection::vec((100u64..160, 1u64..12), 1..8),
        ) {
            let written = |(start, count)| format!("tn:{start}+{count}");
            let numbers = ranges.iter().flat_map(|(start, count)| *start..start + count);
            let numbers: BTreeSet<u64> = numbers.collect();
            let singles: Vec<_> = numbers.iter().rev().map(|n| format!("tn:{n}")).collect();
            let all: Vec<_> = ranges.iter().copied().map(written).collect();
            let all = coverage(&all.join(","));
            prop_assert_eq!(&coverage(&singles.join(",")), &all);
            prop_assert_eq!(&coverage(&all.to_string()), &all);
            let bounds: Vec<_> = all.extents().iter().map(Extent::bounds).collect();
            prop_assert!(bounds.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }

        #[test]
        fn what_is_left_is_all_that_was_not_taken(
            whole in (95u64..130, 1u64..40),
            taken in proptest::collection::btree_set(90u64..170, 0..30),
        ) {
            let numbers = whole.0..whole.0 + whole.1;
            let taken: Vec<_> = taken.into_iter().filter(|n| numbers.contains(n)).collect();
            let extent = |start: u64, count: u64| -> Extent {
                format!("tn:{start:04}+{count}").parse().unwrap()
            };
            let bounds: Vec<_> = taken.iter().map(|n| extent(*n, 1).bounds()).collect();
            let bounds: Vec<_> = bounds.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let left = extent(whole.0, whole.1).without(&bounds).unwrap();
            let number = |bound: &str| bound.strip_prefix("n4").unwrap().parse::<u64>().unwrap();
            let left = left.iter().flat_map(|(first, last)| number(first)..=number(last));
            let expected: Vec<_> = numbers.filter(|n| !taken.contains(n)).collect();
            prop_assert_eq!(left.collect::<Vec<_>>(), expected);
        }

        #[test]
        fn extents_overlap_exactly_when_they_share_a_number(
            a in (100u64..130, 1u64..12), b in (100u64..130, 1u64..12),
        ) {
            let extent = |(start, count): (u64, u64)| -> Extent {
                format!("tn:{start}+{count}").parse().unwrap()
            };
            let shared = a.0 < b.0 + b.1 && b.0 < a.0 + a.1;
            prop_assert_eq!(overlap(&extent(a), &extent(b)), shared);
        }
    }
}
