//! What a transparency log says: notes, checkpoints, requests to witnesses,
//! proofs, bundles and entries.

use std::time::Duration;

use pennyblack_fuzz::world::NOW;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::log_entry::{
    EpochTotals, KeyConfigDigest, KeyRecordHash, LogEntry, Minute, ObliviousKey, Statement,
};
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{
    AddCheckpoint, Checkpoint, Cosigner, EntryBundle, Frontier, Hash, LogProof, NoteSigner,
};
use pennyblack_privacypass::token::TokenKeyId;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::Corpus;

pub(crate) fn add(corpus: &mut Corpus, evidence: DoubleSpendEvidence) {
    let statements = [
        Statement::DoubleSpend(Box::new(evidence)),
        Statement::KeyEpochClosed {
            token_key_id: TokenKeyId([7; 32]),
            totals: EpochTotals::default(),
        },
        Statement::IssuanceTotal {
            token_key_id: TokenKeyId([7; 32]),
            issued: 5,
        },
        Statement::ObliviousKeyAnnounced(ObliviousKey {
            key_config: KeyConfigDigest([7; 32]),
            kem_id: 0x20,
            not_before: NOW,
            not_after: NOW.plus(Duration::from_secs(608_400)),
        }),
        Statement::KeyRecordPublished(KeyRecordHash::of("a.b.c")),
        Statement::KeyRecordEnded(KeyRecordHash::of("a.b.c")),
    ];
    let (mut bundle, mut frontier) = (EntryBundle::default(), Frontier::default());
    for statement in statements {
        let minute = Minute::of(NOW);
        let entry = LogEntry { minute, statement }.to_bytes();
        corpus.add("log_files", &entry);
        bundle.push(&entry).expect("it fits");
        frontier.push(Hash::of_leaf(&entry));
    }
    let with_path = |path: &str, contents: &[u8]| [path.as_bytes(), b"\n", contents].concat();
    corpus.add(
        "log_files",
        with_path("tile/entries/000.p/6", bundle.as_bytes()),
    );
    corpus.add("log_files", with_path("tile/0/x001/234.p/2", &[5; 64]));
    add_notes(corpus, &frontier);
}

fn add_notes(corpus: &mut Corpus, frontier: &Frontier) {
    let key = |name: &str, kind| {
        let name = name.parse().expect("a name");
        NoteSigner::generate(name, kind, &mut StdRng::seed_from_u64(6))
    };
    let log = key("log.example/log", SignatureType::Ed25519);
    let witness = key("witness.example", SignatureType::CosignatureV1);
    corpus.add("signed_note", log.verifier().to_string());
    corpus.add("signed_note", log.to_secret_text().as_str());
    let checkpoint = Checkpoint::new(log.verifier().name(), frontier.head());
    corpus.add("signed_note", checkpoint.to_string());
    let request = AddCheckpoint {
        old_size: 2,
        proof: vec![Hash([1; 32]), Hash([2; 32])],
        checkpoint: checkpoint.sign(&log).expect("a text"),
    };
    corpus.add("signed_note", request.to_string());
    let witness = Cosigner::new(witness).expect("a witness's key");
    let line = request.cosign(&witness, NOW);
    corpus.add("signed_note", line.to_string());
    let mut checkpoint = request.checkpoint;
    checkpoint.add(line);
    corpus.add("signed_note", checkpoint.to_string());
    let proof = LogProof {
        extra: Some(b"an entry".to_vec()),
        index: 1,
        path: vec![Hash([1; 32]), Hash([2; 32])],
        checkpoint,
    };
    corpus.add("signed_note", proof.to_string());
}
