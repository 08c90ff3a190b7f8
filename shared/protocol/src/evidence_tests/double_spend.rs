use proptest::prelude::*;

use crate::store_request::scene::{Issuer, NOW, Received, cps, scene, signed, signed_with};
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::*;
use pennyblack_evidence::spend::SpendSignatureError;
use pennyblack_sealing::sealed::{Sealed, seal_passport};

fn other_ciphertext() -> Sealed {
    seal_passport(&scene().recipient, &cps(), "d.e.f", &mut rand::rng()).unwrap()
}

/// The scene's token, spent on two ciphertexts.
fn evidence() -> DoubleSpendEvidence {
    let stored = Received::from(&signed()).check().unwrap();
    let later = signed_with(&other_ciphertext(), UnixTime(NOW.0 + 7));
    let later = Received::from(&later).check().unwrap();
    later.double_spend_after(*stored.record())
}

#[test]
fn two_requests_with_one_token_are_proven_to_anybody() {
    let evidence = evidence();
    let proven = evidence.verify(&scene().issuer.key()).unwrap();
    assert_eq!(proven.nonce(), scene().token.nonce);
    assert_eq!(proven.token_key_id(), scene().token.token_key_id);
    assert_eq!(proven.cps(), &cps());
}

#[test]
fn a_retry_is_no_double_spend() {
    let stored = Received::from(&signed()).check().unwrap();
    let same = stored.double_spend_after(*stored.record());
    assert_eq!(
        same.verify(&scene().issuer.key()),
        Err(EvidenceError::SameRequest(stored.record().digest))
    );
    // Signed again at another time, but over the same content.
    let resigned = signed_with(&scene().sealed, UnixTime(NOW.0 + 1));
    let resigned = Received::from(&resigned).check().unwrap();
    assert_eq!(
        resigned
            .double_spend_after(*stored.record())
            .verify(&scene().issuer.key()),
        Err(EvidenceError::SameRequest(stored.record().digest))
    );
}

#[test]
fn evidence_that_a_cps_has_touched_up_accuses_nobody() {
    let key = scene().issuer.key();
    let good = evidence();
    let mismatch = |which| {
        Err(EvidenceError::Request {
            which,
            reason: SpendSignatureError::Mismatch,
        })
    };

    let mut other_digest = good.clone();
    other_digest.requests[0].digest.0[0] ^= 1;
    assert_eq!(other_digest.verify(&key), mismatch(0));

    let mut other_time = good.clone();
    other_time.requests[1].signature.created.0 += 1;
    assert_eq!(other_time.verify(&key), mismatch(1));

    let mut other_cps = good.clone();
    other_cps.cps = "other.example.net".parse().unwrap();
    assert_eq!(other_cps.verify(&key), mismatch(0));

    let mut forged_token = good.clone();
    forged_token.token.authenticator[0] ^= 1;
    assert!(matches!(
        forged_token.verify(&key),
        Err(EvidenceError::Token(_))
    ));

    let somebody_elses_key = Issuer::generate().key();
    assert!(matches!(
        good.verify(&somebody_elses_key),
        Err(EvidenceError::Token(_))
    ));
}

#[test]
fn the_json_form_is_one_line_without_a_mailbox() {
    let evidence = evidence();
    let line = evidence.to_json();
    assert!(!line.contains('\n'));
    assert!(line.len() <= 2048);
    assert!(line.starts_with("{\"token\":\"AA"), "{line}");
    let mailbox = scene().recipient.mailbox();
    assert!(!line.contains(&mailbox.to_string()));
    assert!(!line.contains(&hex::encode(mailbox.0)));
    assert_eq!(line.parse(), Ok(evidence));
}

#[test]
fn lines_of_another_form_are_refused() {
    let line = evidence().to_json();
    let parse = |text: &str| text.parse::<DoubleSpendEvidence>().unwrap_err();
    let json = |text: &str| matches!(parse(text), EvidenceFormError::Json(_));
    assert!(json(""));
    assert!(json(&format!("{line}x")));
    assert!(json(&line.replacen('{', "{\"mailbox\":\"\",", 1)));
    assert!(json(&line.replacen("\"created\":", "\"created\":-", 1)));
    assert!(matches!(
        parse(&line.replacen("\"content_digest\":\"", "\"content_digest\":\"AAAA", 1)),
        EvidenceFormError::MemberSize { actual: 35, .. }
    ));
    assert!(matches!(
        parse(&line.replacen("cps.example.net", "https://cps", 1)),
        EvidenceFormError::Cps(_)
    ));
    assert!(matches!(
        parse(&line.replacen("\"token\":\"AA", "\"token\":\"AB", 1)),
        EvidenceFormError::Token(_)
    ));
    assert_eq!(parse(&" ".repeat(4000)), EvidenceFormError::Size(4000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_evidence_comes_back_as_it_went(
        records in any::<[(u32, [u8; 32], [u8; 32]); 2]>()
    ) {
        let requests = records.map(|(created, digest, half)| {
            let mut bytes = created.to_be_bytes().to_vec();
            bytes.extend([digest, half, half].concat());
            SpendRecord::from_bytes(&bytes).unwrap()
        });
        let evidence = DoubleSpendEvidence {
            token: scene().token.clone(),
            cps: cps(),
            requests,
        };
        prop_assert_eq!(evidence.to_json().parse(), Ok(evidence));
    }

    #[test]
    fn a_changed_character_of_the_line_never_gives_other_evidence_that_holds(
        position in any::<prop::sample::Index>(), byte in 0x20..0x7fu8
    ) {
        let good = evidence();
        let mut line = good.to_json().into_bytes();
        let position = position.index(line.len());
        line[position] = byte;
        let line = String::from_utf8(line).unwrap();
        if let Ok(parsed) = line.parse::<DoubleSpendEvidence>() {
            prop_assert!(parsed == good || parsed.verify(&scene().issuer.key()).is_err());
        }
    }

    #[test]
    fn no_line_makes_the_parser_panic(line in "\\PC{0,200}") {
        let _ = line.parse::<DoubleSpendEvidence>();
    }
}
