//! Which blocks are asked for beside the one that a call needs, and in which order. Not here:
//! asking.

use rand::Rng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use super::CalledBlock;

/// Most look-ups beside the real one.
pub(super) const DECOYS: usize = 3;

/// A block of earlier calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PastBlock {
    pub(super) block: CalledBlock,
    /// How many calls went there.
    pub(super) calls: u32,
}

/// The real block and up to [`DECOYS`] others in an order that says nothing. The others are
/// **drawn from this caller's own calls**, each by how often it was called: those of anybody
/// would be told apart by who calls whom. `past` has no block that is kept already, since a
/// real look-up of it would not leave either. A caller without a past sends the real one
/// alone.
pub(super) fn plan(real: &CalledBlock, past: &[PastBlock], rng: &mut impl Rng) -> Vec<CalledBlock> {
    let others: Vec<_> = past.iter().filter(|one| one.block != *real).collect();
    let weight = |one: &&PastBlock| one.calls.max(1);
    let drawn = others.sample_weighted(rng, DECOYS, weight);
    let drawn = drawn.into_iter().flatten().map(|one| one.block.clone());
    let mut all: Vec<_> = drawn.chain([real.clone()]).collect();
    all.shuffle(rng);
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn block(text: &str) -> CalledBlock {
        CalledBlock::stored(text).unwrap()
    }

    fn past(calls: &[(&str, u32)]) -> Vec<PastBlock> {
        let past = calls.iter();
        past.map(|&(text, calls)| PastBlock {
            block: block(text),
            calls,
        })
        .collect()
    }

    #[test]
    fn a_caller_without_a_past_asks_for_the_real_block_alone() {
        let mut rng = StdRng::seed_from_u64(1);
        let real = block("1215555");
        assert_eq!(plan(&real, &[], &mut rng), std::slice::from_ref(&real));
        let same = past(&[("1215555", 9)]);
        assert_eq!(plan(&real, &same, &mut rng), [real]);
    }

    #[test]
    fn the_place_of_the_real_one_says_nothing() {
        let mut rng = StdRng::seed_from_u64(2);
        let real = block("1215555");
        let past = past(&[("1211", 1), ("1212", 1), ("1213", 1), ("1214", 1)]);
        let mut places = [0_u32; DECOYS + 1];
        for _ in 0..4_000 {
            let all = plan(&real, &past, &mut rng);
            assert_eq!(all.len(), DECOYS + 1);
            places[all.iter().position(|one| *one == real).unwrap()] += 1;
        }
        // A thousand each, and six standard deviations of 27.
        assert!(
            places.iter().all(|n| (836..1_164).contains(n)),
            "{places:?}"
        );
    }

    #[test]
    fn decoys_are_as_frequent_as_the_calls_were() {
        let mut rng = StdRng::seed_from_u64(3);
        let real = block("1215555");
        let mut frequent = vec![("1000", 300)];
        let texts: Vec<_> = (0..100).map(|n| format!("1{n:03}1")).collect();
        frequent.extend(texts.iter().map(|text| (text.as_str(), 1)));
        let past = past(&frequent);
        let mut drawn = HashMap::<_, u32>::new();
        for _ in 0..1_000 {
            for one in plan(&real, &past, &mut rng) {
                *drawn.entry(one.to_string()).or_default() += 1;
            }
        }
        // 3/4 of the weight: nearly always among the three.
        assert!(drawn["1000"] > 900, "{drawn:?}");
        let most = texts.iter().filter_map(|text| drawn.get(text)).max();
        assert!(most < Some(&80), "{drawn:?}");
    }
}
