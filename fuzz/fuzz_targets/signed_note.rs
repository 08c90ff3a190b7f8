#![no_main]
//! Notes, the keys that sign them, and what is written as notes: checkpoints,
//! requests to witnesses, proofs in files (docs/protocol.md section 7).

use std::fmt::{Debug, Display};
use std::str::FromStr;

use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{
    AddCheckpoint, Checkpoint, Hash, LogProof, NoteSigner, SignatureLine, SignedCheckpoint,
    SignedNote, VerifierKey,
};

pennyblack_fuzz::fuzz_text!(check);

fn check(text: &str) {
    check_only_spelling::<SignedNote>(text);
    check_only_spelling::<SignatureLine>(text);
    check_only_spelling::<VerifierKey>(text);
    check_only_spelling::<Checkpoint>(text);
    check_only_spelling::<SignedCheckpoint>(text);
    check_only_spelling::<LogProof>(text);
    if let Ok(signer) = NoteSigner::from_secret_text(text) {
        assert_eq!(signer.to_secret_text().as_str(), text);
    }
    if let Ok(request) = text.parse::<AddCheckpoint>() {
        assert_eq!(request.to_string(), text);
        // No signature is trusted.
        let name = "log.example/log".parse().expect("a name");
        let key = [0x58; 32];
        let log = VerifierKey::new(name, SignatureType::Ed25519, key).expect("a key");
        assert!(request.verify(&[log], None).is_err());
    }
    if let Ok(proof) = text.parse::<LogProof>() {
        let tree = proof.checkpoint.checkpoint().head;
        let leaf = Hash::of_leaf(b"nothing");
        let path = &proof.path;
        let verified =
            pennyblack_tlog::proof::verify_inclusion(leaf, proof.index, &tree, path);
        // Only a tree of that one entry begins and ends with it.
        assert!(verified.is_err() || tree.size == 1);
    }
}

/// What is read has one spelling.
fn check_only_spelling<T: FromStr + Display>(text: &str)
where
    T::Err: Debug,
{
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}
