use proptest::prelude::*;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};

use super::super::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use super::super::note::{MOST_SIGNATURES, NoteError, SignatureLine, SignedNote};
use super::super::note_key::{KeyId, NoteKeyError, NoteSigner, SignatureType, VerifierKey};
use super::*;

/// From C2SP signed-note.
const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
/// From C2SP tlog-cosignature.
const EXAMPLE_CHECKPOINT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
/// From the documentation of Go's `sumdb/note`.
const NEUMANN_PRIVATE: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NEUMANN_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const NEUMANN_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn log() -> NoteSigner {
    signer("log.example/a", SignatureType::Ed25519, 1)
}

fn opened_by_theirs(note: &str, key: &VerifierKey) -> bool {
    let verifier = StandardVerifier::new(&key.to_string()).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier)]);
    Note::from_bytes(note.as_bytes()).is_ok_and(|note| note.verify(&known).is_ok())
}

#[test]
fn the_example_of_c2sp_is_verified_by_its_key() {
    let key: VerifierKey = EXAMPLE_KEY.parse().unwrap();
    assert_eq!(key.to_string(), EXAMPLE_KEY);
    let note: SignedNote = EXAMPLE_NOTE.parse().unwrap();
    assert_eq!(note.to_string(), EXAMPLE_NOTE);
    assert_eq!(note.verify(&key), Ok(()));
    let changed: SignedNote = EXAMPLE_NOTE.replacen("This", "That", 1).parse().unwrap();
    assert!(matches!(
        changed.verify(&key),
        Err(NoteError::Forged { .. })
    ));
    let other = log();
    assert!(matches!(
        note.verify(other.verifier()),
        Err(NoteError::Missing { .. })
    ));
}

#[test]
fn a_note_to_which_ever_more_is_signed_can_be_read_and_keeps_its_authors_signature() {
    let author = log();
    let mut note = SignedNote::sign("a text\n".to_owned(), &author).unwrap();
    let line = |number: usize| SignatureLine {
        name: format!("w{number}.example").parse().unwrap(),
        id: KeyId(7),
        signature: vec![7; 72],
    };
    (0..2 * MOST_SIGNATURES).for_each(|number| note.add(line(number)));
    let read: SignedNote = note.to_string().parse().unwrap();
    assert_eq!(read.verify(author.verifier()), Ok(()));
    assert_eq!(read.signatures().len(), MOST_SIGNATURES);
    assert_eq!(
        read.signatures().last(),
        Some(&line(2 * MOST_SIGNATURES - 1))
    );
}

/// Otherwise a published signature, repeated until the note is full, would be verified a
/// thousand times.
#[test]
fn of_several_signatures_by_one_key_the_first_alone_is_verified() {
    let signer = NoteSigner::from_secret_text(NEUMANN_PRIVATE).unwrap();
    let forged = NEUMANN_SIGNATURE.replacen("UG/S", "UG/T", 1);
    assert_ne!(forged, NEUMANN_SIGNATURE);
    let verdict = |lines: [&str; 2]| {
        let note: SignedNote = format!("{NEUMANN_TEXT}\n{}", lines.concat())
            .parse()
            .unwrap();
        note.verify(signer.verifier())
    };
    assert_eq!(verdict([NEUMANN_SIGNATURE, &forged]), Ok(()));
    let refused = verdict([&forged, NEUMANN_SIGNATURE]);
    assert!(matches!(refused, Err(NoteError::Forged { .. })));
}

#[test]
fn the_example_of_go_is_signed_with_the_same_bytes() {
    let signer = NoteSigner::from_secret_text(NEUMANN_PRIVATE).unwrap();
    assert_eq!(signer.to_secret_text().as_str(), NEUMANN_PRIVATE);
    assert_eq!(signer.verifier().to_string(), NEUMANN);
    let note = SignedNote::sign(NEUMANN_TEXT.to_owned(), &signer).unwrap();
    assert_eq!(
        note.to_string(),
        format!("{NEUMANN_TEXT}\n{NEUMANN_SIGNATURE}")
    );
}

#[test]
fn a_private_key_is_not_shown() {
    let shown = format!("{:?}", log());
    let secret = log().to_secret_text();
    let key = secret.rsplit('+').next().unwrap();
    assert!(!shown.contains(key), "{shown}");
}

#[test]
fn the_checkpoint_of_c2sp_is_read_and_written() {
    let checkpoint: SignedCheckpoint = EXAMPLE_CHECKPOINT.parse().unwrap();
    assert_eq!(checkpoint.to_string(), EXAMPLE_CHECKPOINT);
    let said = checkpoint.checkpoint();
    assert_eq!(said.origin, "example.com/behind-the-sofa");
    assert_eq!(said.head.size, 20_852_163);
    let theirs = tlog_tiles::Checkpoint::from_bytes(checkpoint.note().text().as_bytes()).unwrap();
    assert_eq!(theirs.hash().0, said.head.root.0);
    assert_eq!(theirs.size(), said.head.size);
}

#[test]
fn a_checkpoint_is_trusted_of_its_log_only() {
    let log = log();
    let head = Leaves::numbered(3).head(3);
    let signed = Checkpoint::new(log.verifier().name(), head)
        .sign(&log)
        .unwrap();
    assert_eq!(signed.verify(log.verifier()), Ok(head));
    // Another log's words, signed by this one.
    let other = signer("log.example/b", SignatureType::Ed25519, 2);
    let foreign = Checkpoint::new(other.verifier().name(), head)
        .sign(&log)
        .unwrap();
    assert!(matches!(
        foreign.verify(log.verifier()),
        Err(CheckpointError::Origin { .. })
    ));
    let unsigned = Checkpoint::new(log.verifier().name(), head)
        .sign(&other)
        .unwrap();
    assert!(matches!(
        unsigned.verify(log.verifier()),
        Err(CheckpointError::Note(NoteError::Missing { .. }))
    ));
    let changed = signed.to_string().replacen("\n3\n", "\n4\n", 1);
    let changed: SignedCheckpoint = changed.parse().unwrap();
    assert!(matches!(
        changed.verify(log.verifier()),
        Err(CheckpointError::Note(NoteError::Forged { .. }))
    ));
}

#[test]
fn what_is_not_a_checkpoint_is_refused() {
    let root = Hash([1; 32]);
    for bad in [
        String::new(),
        format!("a\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("a\n01\n{root}\n"),
        format!("a\n+1\n{root}\n"),
        format!("a\n-1\n{root}\n"),
        format!("a\n18446744073709551616\n{root}\n"),
        "a\n1\n\n".to_owned(),
        "a\n1\nAAAA\n".to_owned(),
        format!("a\n1\n{root}\n\n"),
        format!("a\n1\n{root}\nx\n\n"),
    ] {
        assert!(bad.parse::<Checkpoint>().is_err(), "{bad:?}");
    }
    let extended = format!("a\n1\n{root}\nx\ny\n");
    assert_eq!(
        extended.parse::<Checkpoint>().unwrap().to_string(),
        extended
    );
}

#[test]
fn what_is_not_a_note_is_refused() {
    let line = "\u{2014} a AAAAAQA=\n";
    for (bad, why) in [
        ("text\n", "no signature"),
        ("text\n\n", "no signature"),
        ("text\n\u{2014} a AAAAAQA=\n", "no blank line"),
        ("text\n\n- a AAAAAQA=\n", "another dash"),
        ("text\n\n\u{2014} a AAAAAQA=", "the last line does not end"),
        ("text\n\n\u{2014} a+b AAAAAQA=\n", "a plus in the name"),
        ("text\n\n\u{2014} a AAAAAQ==\n", "an id without a signature"),
        ("text\n\n\u{2014} a AAAAAQA\n", "no padding"),
        ("te\txt\n\n\u{2014} a AAAAAQA=\n", "a tab"),
        ("te\rxt\n\n\u{2014} a AAAAAQA=\n", "a carriage return"),
        ("text\n\n\u{2014} a  AAAAAQA=\n", "two spaces"),
    ] {
        assert!(bad.parse::<SignedNote>().is_err(), "{why}");
    }
    let many = |count| format!("text\n\n{}", line.repeat(count));
    assert!(many(MOST_SIGNATURES).parse::<SignedNote>().is_ok());
    assert_eq!(
        many(MOST_SIGNATURES + 1).parse::<SignedNote>(),
        Err(NoteError::TooManySignatures)
    );
    let blank: SignedNote = format!("a\n\n\nb\n\n{line}").parse().unwrap();
    assert_eq!(blank.text(), "a\n\n\nb\n");
}

#[test]
fn what_is_not_a_key_is_refused() {
    for bad in [
        "",
        "a",
        "a+530d903a",
        "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=",
    ] {
        assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
    }
    let renamed = EXAMPLE_KEY.replace("foo", "bar");
    assert!(matches!(
        renamed.parse::<VerifierKey>(),
        Err(NoteKeyError::Id { .. })
    ));
    // Under the point at infinity everything is signed.
    let weak = std::array::from_fn(|i| u8::from(i == 0));
    let made = VerifierKey::new("a".parse().unwrap(), SignatureType::Ed25519, weak);
    assert!(matches!(made, Err(NoteKeyError::Unsound(_))));
}

proptest! {
    #[test]
    fn what_we_sign_another_library_verifies_and_the_reverse(seed: u64, text in "[ -~é\n]{0,80}") {
        let text = text + "\n";
        let ours = signer("log.example/a", SignatureType::Ed25519, seed);
        let note = SignedNote::sign(text.clone(), &ours).unwrap().to_string();
        prop_assert!(opened_by_theirs(&note, ours.verifier()));
        let read: SignedNote = note.parse().unwrap();
        prop_assert_eq!(read.to_string(), note);

        let theirs = StandardSigner::new(&ours.to_secret_text()).unwrap();
        let mut note = Note::new(text.as_bytes(), &[]).unwrap();
        note.add_sigs(&[&theirs]).unwrap();
        let note = String::from_utf8(note.to_bytes()).unwrap();
        let note: SignedNote = note.parse().unwrap();
        prop_assert_eq!(note.verify(ours.verifier()), Ok(()));
    }

    #[test]
    fn a_note_with_any_byte_changed_is_not_signed(at: usize, to in 0x20u8..0x7f) {
        let log = log();
        let head = Leaves::numbered(3).head(3);
        let note = Checkpoint::new(log.verifier().name(), head).sign(&log).unwrap().to_string();
        let mut changed = note.into_bytes();
        let at = at % changed.len();
        prop_assume!(changed[at].is_ascii() && changed[at] != to);
        changed[at] = to;
        let trusted = String::from_utf8(changed).unwrap().parse::<SignedCheckpoint>()
            .is_ok_and(|changed| changed.verify(log.verifier()).is_ok());
        prop_assert!(!trusted);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(.|\n|\u{2014} ){0,200}") {
        if let Ok(note) = text.parse::<SignedNote>() {
            prop_assert_eq!(note.to_string(), text.clone());
        }
        if let Ok(checkpoint) = text.parse::<Checkpoint>() {
            prop_assert_eq!(checkpoint.to_string(), text.clone());
        }
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}
