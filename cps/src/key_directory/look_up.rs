//! What is looked up by number and by prefix, bounded in records and bytes: the most
//! specific records first, so the holder of a wide block cannot hide the keys of one
//! number in it, and a crowded number takes no room from the others of its block.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use pennyblack_protocol::key_record::{
    Breadth, MAX_PAGE_BYTES, MAX_PAGE_RECORDS, MAX_RECORDS_OF_BLOCK, MAX_RECORDS_OF_NUMBER,
    VerifiedKeyRecord,
};
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::RecordId;
use super::blocks::Block;

/// Records after which a page has no more blocks though it lists fewer: the others have
/// ended and are not removed yet.
const MAX_SEEN: usize = 4 * MAX_PAGE_RECORDS;

/// A record's place among those of its block: the more specific, the earlier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ranked {
    breadth: Breadth,
    pub(super) id: RecordId,
}

impl Ranked {
    pub(super) fn new(id: RecordId, record: &VerifiedKeyRecord) -> Self {
        let breadth = record.breadth();
        Self { breadth, id }
    }
}

/// Records by the blocks that they answer for.
pub(super) type RecordBlocks = BTreeMap<Block, BTreeSet<Ranked>>;

/// Some records of a prefix.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    pub(super) ids: Vec<&'a RecordId>,
    /// The last block of those that were read, when more follow.
    pub(super) next: Option<Block>,
}

/// The records that answer for a number, of those that have a size.
pub(super) fn of_number<'a>(
    blocks: &'a RecordBlocks,
    number: &TelephoneNumber,
    size: impl Fn(&RecordId) -> Option<usize>,
) -> Vec<&'a RecordId> {
    let around = Block::around(number).filter_map(|block| blocks.get(&block));
    let unexpired = |ranked: &&Ranked| size(&ranked.id).is_some();
    let found: BTreeSet<_> = around
        .flat_map(|all| all.iter().filter(unexpired).take(MAX_RECORDS_OF_NUMBER))
        .collect();
    let first = found.into_iter().take(MAX_RECORDS_OF_NUMBER);
    first.map(|ranked| &ranked.id).collect()
}

/// The records of the blocks that have to do with a prefix, after the block `after`: the
/// larger ones that contain its numbers, then those within. Of each block a few, so the
/// first that [`of_number`] finds are all among them.
pub(super) fn of_prefix<'a>(
    blocks: &'a RecordBlocks,
    prefix: &TelephoneNumber,
    after: Option<&Block>,
    size: impl Fn(&RecordId) -> Option<usize>,
) -> Page<'a> {
    let (mut page, mut listed) = (Page::default(), BTreeSet::new());
    let (mut bytes, mut seen) = (0_usize, 0_usize);
    let mut last: Option<&Block> = None;
    for (block, all) in blocks_after(blocks, prefix, after) {
        if listed.len() >= MAX_PAGE_RECORDS || bytes >= MAX_PAGE_BYTES || seen >= MAX_SEEN {
            page.next = last.cloned();
            return page;
        }
        let mut of_block = 0;
        for ranked in all {
            seen += 1;
            let Some(size) = size(&ranked.id) else {
                continue;
            };
            of_block += 1;
            if listed.insert(&ranked.id) {
                bytes = bytes.saturating_add(size);
                page.ids.push(&ranked.id);
            }
            if of_block == MAX_RECORDS_OF_BLOCK {
                break;
            }
        }
        last = Some(block);
    }
    page
}

fn blocks_after<'a, 'q>(
    blocks: &'a RecordBlocks,
    prefix: &'q TelephoneNumber,
    after: Option<&'q Block>,
) -> impl Iterator<Item = (&'a Block, &'a BTreeSet<Ranked>)> + use<'a, 'q> {
    let after_wider = after.filter(|after| after.is_wider_than(prefix));
    let is_within = after.is_some() && after_wider.is_none();
    let wider = Block::wider_than(prefix)
        .filter(move |block| !is_within && after_wider.is_none_or(|after| block > after))
        .filter_map(|block| blocks.get_key_value(&block));
    let within = Block::within(prefix).filter_map(move |run| {
        let (first, end) = run.into_inner();
        let first = match after.filter(|after| is_within && **after >= first) {
            Some(after) if *after >= end => return None,
            Some(after) => Bound::Excluded(after.clone()),
            None => Bound::Included(first),
        };
        Some(blocks.range((first, Bound::Included(end))))
    });
    wider.chain(within.flatten())
}

#[cfg(test)]
mod tests {
    use pennyblack_sealing::mailbox::MailboxId;
    use pennyblack_stir::telephone_number::NumberRange;
    use proptest::prelude::*;

    use super::super::blocks::blocks_of;
    use super::*;

    fn add(blocks: &mut RecordBlocks, name: usize, widths: (u64, u64), start: &str, count: u64) {
        let (signer, record) = widths;
        let breadth = Breadth {
            signer,
            highest: signer,
            record,
        };
        let range = NumberRange::new(start.parse().unwrap(), count).unwrap();
        let id = (MailboxId([0; 32]), name.to_string());
        for block in blocks_of(&range) {
            let id = id.clone();
            blocks
                .entry(block)
                .or_default()
                .insert(Ranked { breadth, id });
        }
    }

    /// All pages of a prefix, each no larger than it may be.
    fn pages<'a>(
        blocks: &'a RecordBlocks,
        prefix: &str,
        size: impl Fn(&RecordId) -> Option<usize>,
    ) -> Vec<Vec<&'a RecordId>> {
        let (prefix, mut after, mut all) = (prefix.parse().unwrap(), None, Vec::new());
        loop {
            let page = of_prefix(blocks, &prefix, after.as_ref(), &size);
            assert!(page.ids.len() < MAX_PAGE_RECORDS + MAX_RECORDS_OF_NUMBER);
            all.push(page.ids);
            let Some(next) = page.next else {
                return all;
            };
            assert!(all.len() < 10_000, "pages without an end");
            after = Some(next.to_string().parse().unwrap());
        }
    }

    #[test]
    fn the_records_of_a_number_are_the_most_specific_and_no_ended_ones() {
        let mut blocks = RecordBlocks::new();
        for name in 0..100 {
            add(&mut blocks, name, (10_000, 1), "12155550100", 1);
            add(
                &mut blocks,
                100 + name,
                (10_000, 10_000),
                "12155550000",
                10_000,
            );
        }
        add(&mut blocks, 300, (1, 1), "12155550100", 1);
        add(&mut blocks, 301, (100, 100), "12155550100", 100);
        // As many as an answer has, and more specific.
        for name in 1_000..1_040 {
            add(&mut blocks, name, (0, 0), "12155550100", 1);
        }
        let number = "12155550100".parse().unwrap();
        let found = of_number(&blocks, &number, |id| (id.1.len() < 4).then_some(1));
        assert_eq!(found.len(), MAX_RECORDS_OF_NUMBER);
        let names: Vec<_> = found.iter().map(|id| id.1.as_str()).collect();
        assert_eq!(names[..2], ["300", "301"]);
        assert!(names[2..].iter().all(|name| name.len() < 3), "{names:?}");
    }

    #[test]
    fn a_crowded_number_takes_no_room_from_its_neighbours() {
        let mut blocks = RecordBlocks::new();
        for name in 0..20_000 {
            add(&mut blocks, name, (1, 1), "12155550100", 1);
        }
        add(&mut blocks, 30_000, (1, 1), "12155550101", 1);
        let pages = pages(&blocks, "1215555", |_| Some(3_000));
        let count = MAX_RECORDS_OF_BLOCK + 1;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [count]);
        assert!(pages[0].iter().any(|id| id.1 == "30000"));
    }

    #[test]
    fn a_full_block_comes_in_pages_by_records_and_by_bytes() {
        let mut blocks = RecordBlocks::new();
        for n in 0..10_000 {
            add(&mut blocks, n, (1, 1), &(12_155_550_000 + n).to_string(), 1);
        }
        for (size, per_page) in [(1, MAX_PAGE_RECORDS), (MAX_PAGE_BYTES / 100, 101)] {
            let pages = pages(&blocks, "1215555", |_| Some(size));
            assert_eq!(pages.len(), 10_000_usize.div_ceil(per_page));
            let ids: BTreeSet<_> = pages.iter().flatten().collect();
            assert_eq!(ids.len(), 10_000);
        }
    }

    #[test]
    fn a_record_of_many_blocks_does_not_make_a_page_long() {
        let mut blocks = RecordBlocks::new();
        for n in 0..2 * MAX_SEEN {
            add(&mut blocks, 0, (1, 1), &(12_155_550_000 + n).to_string(), 1);
        }
        assert_eq!(pages(&blocks, "12155", |_| Some(3_000)).len(), 2);
        // Also if none of it lives.
        assert_eq!(pages(&blocks, "12155", |_| None).len(), 2);
    }

    proptest! {
        #[test]
        fn pages_have_the_most_specific_records_of_every_number(
            ranges in proptest::collection::vec((0usize..9_000, 1u64..999, 1u64..9), 1..60),
            prefix in 0usize..99,
            ended in 0usize..60,
        ) {
            let mut blocks = RecordBlocks::new();
            for (name, (start, count, width)) in ranges.iter().enumerate() {
                add(&mut blocks, name, (*width, *count), &format!("{start:04}"), *count);
            }
            let prefix = format!("{prefix:02}");
            let size = |id: &RecordId| (id.1 != ended.to_string()).then_some(MAX_PAGE_BYTES / 3);
            let pages = pages(&blocks, &prefix, size);
            let paged: BTreeSet<_> = pages.into_iter().flatten().collect();
            let numbers = (0..100).map(|n| format!("{prefix}{n:02}").parse().unwrap());
            let single: BTreeSet<_> = numbers
                .flat_map(|number| {
                    let found = of_number(&blocks, &number, size);
                    found.into_iter().take(MAX_RECORDS_OF_BLOCK)
                })
                .collect();
            prop_assert!(paged.is_superset(&single));
        }
    }
}
