use super::super::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use super::super::cosignature::{Cosigner, PolicyError, WitnessPolicy, cosignature};
use super::super::inclusion::{LogProof, LogProofError};
use super::super::witness::{AddCheckpoint, WitnessRefusal};
use super::*;
use pennyblack_base::time::UnixTime;

const NOW: UnixTime = UnixTime(1_795_000_000);

/// From C2SP tlog-witness.
const EXAMPLE: &str = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";

struct Scene {
    log: NoteSigner,
    leaves: Leaves,
}

impl Scene {
    fn new() -> Self {
        Self {
            log: signer("log.example/a", SignatureType::Ed25519, 1),
            leaves: Leaves::numbered(100),
        }
    }

    fn signed(&self, head: TreeHead) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new(self.log.verifier().name(), head);
        checkpoint.sign(&self.log).unwrap()
    }

    fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        AddCheckpoint {
            old_size: old,
            proof: self.leaves.consistency(old, new),
            checkpoint: self.signed(self.leaves.head(new)),
        }
    }

    fn verify(&self, request: &AddCheckpoint, seen: u64) -> Result<TreeHead, WitnessRefusal> {
        let seen = (seen > 0).then(|| self.leaves.head(seen));
        request.verify(&[self.log.verifier().clone()], seen)
    }
}

fn witness(number: u64) -> Cosigner {
    let name = format!("witness.example/w{number}");
    Cosigner::new(signer(&name, SignatureType::CosignatureV1, 100 + number)).unwrap()
}

#[test]
fn the_example_of_c2sp_is_read_and_written() {
    let request: AddCheckpoint = EXAMPLE.parse().unwrap();
    assert_eq!(request.old_size, 20_852_014);
    assert_eq!(request.proof.len(), 4);
    assert_eq!(request.to_string(), EXAMPLE);
}

#[test]
fn what_is_not_a_request_is_refused() {
    for (bad, why) in [
        (EXAMPLE.replacen("old ", "OLD ", 1), "another word"),
        (EXAMPLE.replacen("old 2", "old 02", 1), "a leading zero"),
        (EXAMPLE.replacen("\n\n", "\n", 1), "no empty line"),
        (EXAMPLE.replacen("PlRN", "PlR", 1), "a hash too short"),
        (
            format!(
                "old 1\n{}\n{}",
                format!("{}\n", Hash([1; 32])).repeat(64),
                "a\n"
            ),
            "64 hashes",
        ),
    ] {
        assert!(bad.parse::<AddCheckpoint>().is_err(), "{why}");
    }
}

#[test]
fn a_witness_cosigns_what_grows_and_nothing_else() {
    let scene = Scene::new();
    for (old, new) in [(0, 0), (0, 1), (0, 7), (1, 1), (1, 7), (64, 65), (63, 100)] {
        let request = scene.request(old, new);
        assert_eq!(
            scene.verify(&request, old),
            Ok(scene.leaves.head(new)),
            "{old} {new}"
        );
    }
    let status = |request: &AddCheckpoint, seen| {
        scene
            .verify(request, seen)
            .map_err(|refusal| refusal.status())
    };
    assert_eq!(status(&scene.request(5, 9), 7), Err(409));
    assert_eq!(status(&scene.request(9, 5), 9), Err(400));
    // A proof where none belongs, and none where one does.
    let proof = scene.leaves.consistency(5, 9);
    let with = |old, new, proof: &[Hash]| AddCheckpoint {
        proof: proof.to_vec(),
        ..scene.request(old, new)
    };
    assert_eq!(status(&with(0, 9, &proof), 0), Err(422));
    assert_eq!(status(&with(9, 9, &proof), 9), Err(422));
    assert_eq!(status(&with(5, 9, &[]), 5), Err(422));
    // Another tree of the same size, and a false empty one.
    let fork = |size| AddCheckpoint {
        checkpoint: scene.signed(TreeHead {
            size,
            root: Hash([9; 32]),
        }),
        ..scene.request(size, size)
    };
    assert_eq!(status(&fork(9), 9), Err(409));
    assert_eq!(status(&fork(0), 0), Err(422));
}

#[test]
fn only_a_proof_that_leads_to_the_checkpoint_is_held_against_the_log() {
    let scene = Scene::new();
    let verify = |old_root: Hash, proof: Vec<Hash>| {
        let request = AddCheckpoint {
            proof,
            ..scene.request(7, 12)
        };
        let seen = TreeHead {
            size: 7,
            root: old_root,
        };
        request.verify(&[scene.log.verifier().clone()], Some(seen))
    };
    let (true_root, true_proof) = (scene.leaves.head(7).root, scene.leaves.consistency(7, 12));
    let bogus = vec![Hash([9; 32]); true_proof.len()];
    for proof in [bogus, Vec::new(), vec![Hash([9; 32]); 40]] {
        let refused = verify(true_root, proof).unwrap_err();
        assert!(matches!(refused, WitnessRefusal::Unproven(_)), "{refused}");
        assert_eq!(refused.status(), 422);
    }
    // The log proves itself that its tree does not begin with what was seen.
    let refused = verify(Hash([9; 32]), true_proof).unwrap_err();
    assert!(
        matches!(refused, WitnessRefusal::Inconsistent(_)),
        "{refused}"
    );
    assert_eq!(refused.status(), 422);
}

#[test]
fn a_checkpoint_with_a_longer_text_than_any_is_not_read() {
    let scene = Scene::new();
    let request = scene.request(0, 9).to_string();
    let with = |extensions: usize| {
        let (text, signatures) = request.rsplit_once("\n\n").unwrap();
        format!("{text}\n{}\n{signatures}", "a\n".repeat(extensions))
    };
    assert!(with(500).parse::<AddCheckpoint>().is_ok());
    for extensions in [1_100, 60_000] {
        assert_eq!(
            with(extensions).parse::<AddCheckpoint>(),
            Err(CheckpointError::TooLong.into())
        );
    }
    // Many signatures are no long text.
    let (_, signature) = request.rsplit_once("\n\n").unwrap();
    let many = format!("{request}{}", signature.repeat(20));
    assert!(many.parse::<AddCheckpoint>().is_ok());
}

#[test]
fn a_witness_cosigns_for_logs_that_it_knows_only() {
    let scene = Scene::new();
    let request = scene.request(0, 9);
    let other = signer("log.example/b", SignatureType::Ed25519, 2);
    let refused = request.verify(&[other.verifier().clone()], None);
    assert_eq!(refused.unwrap_err().status(), 404);
    // The same name with another key.
    let same_name = signer("log.example/a", SignatureType::Ed25519, 2);
    let refused = request.verify(&[same_name.verifier().clone()], None);
    assert_eq!(refused.unwrap_err().status(), 403);
    let both = [same_name.verifier().clone(), scene.log.verifier().clone()];
    assert!(request.verify(&both, None).is_ok());
    let forged = request.to_string().replacen("\n9\n", "\n8\n", 1);
    let forged: AddCheckpoint = forged.parse().unwrap();
    assert_eq!(scene.verify(&forged, 0).unwrap_err().status(), 403);
}

#[test]
fn a_cosignature_counts_for_its_checkpoint_and_its_witness() {
    let scene = Scene::new();
    let request = scene.request(0, 9);
    let mut checkpoint = request.checkpoint.clone();
    let witnesses = [witness(1), witness(2), witness(3)];
    for witness in &witnesses[..2] {
        checkpoint.add(request.cosign(witness, NOW));
    }
    let read: SignedCheckpoint = checkpoint.to_string().parse().unwrap();
    assert_eq!(read, checkpoint);
    assert!(read.verify(scene.log.verifier()).is_ok());
    let found = cosignature(&read, witnesses[0].verifier())
        .unwrap()
        .unwrap();
    assert_eq!(found.time, NOW);
    assert_eq!(cosignature(&read, witnesses[2].verifier()), Ok(None));

    let keys = || {
        witnesses
            .iter()
            .map(|witness| witness.verifier().clone())
            .collect()
    };
    let policy = |threshold| WitnessPolicy::new(keys(), threshold).unwrap();
    assert_eq!(policy(2).check(&read).unwrap().len(), 2);
    assert!(matches!(
        policy(3).check(&read),
        Err(PolicyError::TooFew { actual: 2, .. })
    ));
    // Moved to another checkpoint it is a forgery.
    let mut other = scene.signed(scene.leaves.head(10));
    other.add(request.cosign(&witnesses[0], NOW));
    assert!(matches!(
        policy(0).check(&other),
        Err(PolicyError::Forged(_))
    ));
}

#[test]
fn a_policy_that_counts_somebody_twice_is_refused() {
    let key = witness(1).verifier().clone();
    let other_name = signer("witness.example/other", SignatureType::CosignatureV1, 101);
    let twice = vec![key.clone(), other_name.verifier().clone()];
    assert!(matches!(
        WitnessPolicy::new(twice, 1),
        Err(PolicyError::Witness(_))
    ));
    assert!(matches!(
        WitnessPolicy::new(vec![key], 2),
        Err(PolicyError::Unreachable { .. })
    ));
    let log = signer("log.example/a", SignatureType::Ed25519, 1);
    assert!(WitnessPolicy::new(vec![log.verifier().clone()], 1).is_err());
    assert!(Cosigner::new(log).is_err());
}

#[test]
fn a_proof_in_a_file_is_checked_without_the_log() {
    let scene = Scene::new();
    let proof = LogProof {
        extra: Some(entry(42)),
        index: 42,
        path: scene.leaves.inclusion(42, 100),
        checkpoint: scene.signed(scene.leaves.head(100)),
    };
    let text = proof.to_string();
    let read: LogProof = text.parse().unwrap();
    assert_eq!(read, proof);
    let leaf = Hash::of_leaf(read.extra.as_deref().unwrap());
    assert_eq!(read.verify(leaf, scene.log.verifier()), Ok(()));
    for (from, to) in [("index 42", "index 43"), ("extra ", "extra AAAA")] {
        let changed: LogProof = text.replacen(from, to, 1).parse().unwrap();
        let leaf = Hash::of_leaf(changed.extra.as_deref().unwrap());
        let refused = changed.verify(leaf, scene.log.verifier());
        assert!(matches!(refused, Err(LogProofError::Proof(_))), "{from}");
    }
    let without = LogProof {
        extra: None,
        index: 0,
        path: Vec::new(),
        checkpoint: scene.signed(scene.leaves.head(1)),
    };
    assert_eq!(without.to_string().parse(), Ok(without));
    assert!(text.replacen("@v1", "@v2", 1).parse::<LogProof>().is_err());
}
