use std::sync::LazyLock;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use sha2::Sha256;
use tlog_tiles::{HashReader, check_record, check_tree, prove_record, prove_tree, tree_hash};

use super::super::proof::{ProofError, verify_consistency, verify_inclusion};
use super::*;

const MOST: u64 = 300;

static LEAVES: LazyLock<Leaves> = LazyLock::new(|| Leaves::numbered(MOST));

/// The tree of another library, a port of Go's `sumdb/tlog`.
struct Theirs(Vec<tlog_tiles::Hash>);

impl HashReader for Theirs {
    fn read_hashes(
        &self,
        indexes: &[u64],
    ) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::tlog::Error> {
        Ok(indexes.iter().map(|i| self.0[*i as usize]).collect())
    }
}

impl Theirs {
    fn numbered(count: u64) -> Self {
        let mut tree = Self(Vec::new());
        for index in 0..count {
            let hashes = tlog_tiles::stored_hashes(index, &entry(index), &tree).unwrap();
            tree.0.extend(hashes);
        }
        tree
    }
}

fn theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect()
}

fn ours(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

#[test]
fn roots_are_those_of_the_reference_implementation_of_rfc_6962() {
    let entries = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::default();
    assert_eq!(
        hex::encode(frontier.head().root.0),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (entry, root) in entries.into_iter().zip(roots) {
        frontier.push(Hash::of_leaf(&hex::decode(entry).unwrap()));
        assert_eq!(hex::encode(frontier.head().root.0), root);
    }
}

#[test]
fn all_roots_and_proofs_are_those_of_two_other_libraries() {
    let leaves = &*LEAVES;
    let tree = Theirs::numbered(MOST);
    let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=MOST {
        other.push(entry(size - 1));
        let head = leaves.head(size);
        assert_eq!(tree_hash(size, &tree).unwrap().0, head.root.0);
        assert_eq!(other.root().as_bytes().as_slice(), head.root.0);
        // All of the small ones, and some of the others.
        let step = (size / 16).max(1) as usize;
        for index in (0..size).step_by(step).chain([size - 1]) {
            let proof = leaves.inclusion(index, size);
            assert_eq!(proof, ours(&prove_record(size, index, &tree).unwrap()));
            let theirs = other.prove_inclusion(index as usize);
            assert_eq!(theirs.as_bytes(), concat(&proof));
            let leaf = leaves.0[index as usize];
            assert_eq!(verify_inclusion(leaf, index, &head, &proof), Ok(()));
        }
        for old in (1..=size).step_by(step) {
            let proof = leaves.consistency(old, size);
            assert_eq!(proof, ours(&prove_tree(size, old, &tree).unwrap()));
            if old < size {
                let theirs = other.prove_consistency((size - old) as usize);
                assert_eq!(theirs.as_bytes(), concat(&proof));
            }
            assert_eq!(verify_consistency(&leaves.head(old), &head, &proof), Ok(()));
        }
    }
}

fn concat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn every_tree_begins_with_the_empty_one_and_with_itself() {
    let leaves = &*LEAVES;
    let head = leaves.head(5);
    let empty = TreeHead::empty();
    for (old, new) in [(empty, empty), (empty, head), (head, head)] {
        assert_eq!(verify_consistency(&old, &new, &[]), Ok(()));
        let superfluous = verify_consistency(&old, &new, &[head.root]);
        assert_eq!(superfluous, Err(ProofError::Length(1)));
    }
    let false_empty = TreeHead { size: 0, ..head };
    for (old, new) in [
        (false_empty, head),
        (empty, false_empty),
        (head, leaves.head(4)),
    ] {
        assert!(verify_consistency(&old, &new, &[]).is_err());
    }
    let other = TreeHead {
        root: leaves.head(4).root,
        ..head
    };
    assert!(matches!(
        verify_consistency(&head, &other, &[]),
        Err(ProofError::Root { size: 5, .. })
    ));
    assert_eq!(
        verify_consistency(&head, &leaves.head(3), &[]),
        Err(ProofError::Shrunk { old: 5, new: 3 })
    );
}

/// Every way to spoil a proof a little.
fn spoiled(proof: &[Hash], at: usize, bit: usize) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    if !proof.is_empty() {
        let at = at % proof.len();
        let mut flipped = proof.to_vec();
        flipped[at].0[bit / 8 % 32] ^= 1 << (bit % 8);
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        all.extend([flipped, shorter]);
        if proof[at] != proof[0] {
            let mut swapped = proof.to_vec();
            swapped.swap(0, at);
            all.push(swapped);
        }
    }
    let mut longer = proof.to_vec();
    longer.insert(at % (proof.len() + 1), Hash([7; 32]));
    all.push(longer);
    all
}

proptest! {
    #[test]
    fn a_spoiled_inclusion_proof_proves_nothing(
        size in 1..MOST, index: u64, at: usize, bit in 0usize..256,
    ) {
        let index = index % size;
        let leaves = &*LEAVES;
        let (head, leaf) = (leaves.head(size), leaves.0[index as usize]);
        let proof = leaves.inclusion(index, size);
        prop_assert_eq!(verify_inclusion(leaf, index, &head, &proof), Ok(()));
        for spoiled in spoiled(&proof, at, bit) {
            prop_assert!(verify_inclusion(leaf, index, &head, &spoiled).is_err());
            // Both judge alike.
            let root = tlog_tiles::Hash(head.root.0);
            let said = check_record(&theirs(&spoiled), size, root, index, tlog_tiles::Hash(leaf.0));
            prop_assert!(said.is_err());
        }
        let mut other = leaf;
        other.0[bit / 8] ^= 1;
        prop_assert!(verify_inclusion(other, index, &head, &proof).is_err());
        if size > 1 {
            prop_assert!(verify_inclusion(leaf, (index + 1) % size, &head, &proof).is_err());
        }
        prop_assert_eq!(
            verify_inclusion(leaf, size, &head, &proof),
            Err(ProofError::PastTheEnd { index: size, size })
        );
    }

    #[test]
    fn a_spoiled_consistency_proof_proves_nothing(
        new in 2..MOST, old: u64, at: usize, bit in 0usize..256,
    ) {
        let old = 1 + old % (new - 1);
        let leaves = &*LEAVES;
        let (before, after) = (leaves.head(old), leaves.head(new));
        let proof = leaves.consistency(old, new);
        prop_assert_eq!(verify_consistency(&before, &after, &proof), Ok(()));
        for spoiled in spoiled(&proof, at, bit) {
            prop_assert!(verify_consistency(&before, &after, &spoiled).is_err());
            let (hash, root) = (before.root.0, after.root.0);
            let said = check_tree(
                &theirs(&spoiled), new, tlog_tiles::Hash(root), old, tlog_tiles::Hash(hash),
            );
            prop_assert!(said.is_err());
        }
        // A log that changed an entry which was there before.
        let mut rewritten = leaves.0.clone();
        rewritten[(at as u64 % old) as usize] = Hash([9; 32]);
        let rewritten = Leaves::new(rewritten);
        let proof = rewritten.consistency(old, new);
        prop_assert!(verify_consistency(&before, &rewritten.head(new), &proof).is_err());
    }

    /// Whatever the sizes, and whether the proof is good or not: the other library,
    /// which has the root for itself, says the same.
    #[test]
    fn any_hashes_are_judged_as_another_library_judges_them(
        size in 1u64..40, index in 0u64..40, old in 1u64..40, seed in any::<[u8; 8]>(),
    ) {
        let leaves = &*LEAVES;
        let head = leaves.head(size);
        // A proof for other sizes: right for these only by coincidence.
        let from = u64::from(seed[0]) % 40;
        let to = (from + 1 + u64::from(seed[1])).min(40);
        let proof = leaves.inclusion(from, to);
        let leaf = leaves.0[index as usize];
        let root = RootHash::<Sha256>::new(head.root.0.into(), size);
        let theirs = InclusionProof::<Sha256>::try_from_bytes(concat(&proof)).unwrap();
        let said = root.verify_inclusion(&entry(index), index, &theirs).is_ok();
        prop_assert_eq!(verify_inclusion(leaf, index, &head, &proof).is_ok(), said);

        let proof = leaves.consistency(from, to);
        if old < size {
            let before = RootHash::<Sha256>::new(leaves.head(old).root.0.into(), old);
            let theirs = ConsistencyProof::<Sha256>::try_from_bytes(concat(&proof)).unwrap();
            let said = root.verify_consistency(&before, &theirs).is_ok();
            prop_assert_eq!(
                verify_consistency(&leaves.head(old), &head, &proof).is_ok(), said
            );
        }
    }

    #[test]
    fn no_numbers_make_it_panic(
        index: u64, size: u64, old: u64, hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let hashes: Vec<_> = hashes.into_iter().map(Hash).collect();
        let head = |size| TreeHead { size, root: Hash([1; 32]) };
        prop_assert!(verify_inclusion(Hash([2; 32]), index, &head(size), &hashes).is_err());
        let _ = verify_consistency(&head(old), &head(size), &hashes);
        let any = |_| Ok::<_, std::convert::Infallible>(Hash([3; 32]));
        prop_assert!(prove_inclusion(index, size, any).unwrap().len() <= 64);
        prop_assert!(prove_consistency(old, size, any).unwrap().len() <= 65);
    }
}
