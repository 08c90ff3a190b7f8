use proptest::prelude::*;

use super::*;

const SAMPLE: SpendSignature = SpendSignature {
    created: Created(1_795_000_000),
    signature: [0x5a; SIGNATURE_SIZE],
};

#[test]
fn ed25519_agrees_with_the_example_of_rfc_9421() {
    // RFC 9421 appendices B.1.4 and B.2.6.
    let base = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
        \"@method\": POST\n\
        \"@path\": /foo\n\
        \"@authority\": example.com\n\
        \"content-type\": application/json\n\
        \"content-length\": 18\n\
        \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
        \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
    let key = encoding::from_base64url("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs").unwrap();
    let signature = encoding::from_base64_standard(
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
    )
    .unwrap();
    let key = key.try_into().unwrap();
    let signature = signature.try_into().unwrap();
    assert_eq!(verify_strictly(&key, base, &signature), Ok(()));
    assert_eq!(
        verify_strictly(&key, &base.replace("/foo", "/fop"), &signature),
        Err(SpendSignatureError::Mismatch)
    );
}

#[test]
fn the_signature_base_is_the_documented_one() {
    let cps = "cps.example.net".parse().unwrap();
    assert_eq!(
        signature_base(&cps, RequestDigest([0; 32]), SAMPLE.created),
        "\"@method\": POST\n\
         \"@authority\": cps.example.net\n\
         \"@path\": /v1/passports\n\
         \"content-digest\": sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\n\
         \"@signature-params\": (\"@method\" \"@authority\" \"@path\" \"content-digest\")\
         ;created=1795000000;alg=\"ed25519\";tag=\"pennyblack-spend\""
    );
}

#[test]
fn the_fields_are_spelled_as_a_structured_field_library_spells_them() {
    for field in [SAMPLE.input_field(), SAMPLE.field()] {
        let parsed: Dictionary = Parser::new(&field).parse().unwrap();
        let mut serializer = sfv::DictSerializer::new();
        serializer.members(&parsed);
        assert_eq!(serializer.finish(), Some(field));
    }
}

#[test]
fn any_other_signature_input_is_refused() {
    let good = SAMPLE.input_field();
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        SpendSignature::parse(&good.replacen(from, to, 1), &SAMPLE.field()).unwrap_err()
    };
    let components = SignatureFieldError::Components;
    assert_eq!(changed("\"@method\" ", ""), components);
    assert_eq!(
        changed("\"@method\" \"@authority\"", "\"@authority\" \"@method\""),
        components
    );
    assert_eq!(changed("\"@path\"", "\"@path\";req"), components);
    assert_eq!(
        changed("\"content-digest\"", "\"content-digest\" \"date\""),
        components
    );
    assert_eq!(changed("\"@path\"", "path"), components);
    let parameters = SignatureFieldError::Parameters;
    assert_eq!(changed(";created=1795000000", ""), parameters);
    assert_eq!(changed("=1795000000", "=1795000000.0"), parameters);
    assert_eq!(changed(";alg=\"ed25519\"", ""), parameters);
    assert_eq!(changed("ed25519", "hmac-sha256"), parameters);
    assert_eq!(changed("pennyblack-spend", "web-bot-auth"), parameters);
    assert_eq!(changed(";tag", ";keyid=\"x\";tag"), parameters);
    assert_eq!(changed("-spend\"", "-spend\";nonce=\"x\""), parameters);
    assert_eq!(
        changed("=1795000000", "=-1"),
        SignatureFieldError::Created(-1)
    );
    assert_eq!(
        changed("=1795000000", "=4294967296"),
        SignatureFieldError::Created(1 << 32)
    );
    assert!(matches!(
        changed("=1795", "=01795"),
        SignatureFieldError::Spelling { .. }
    ));
    assert!(matches!(
        changed(" ", "  "),
        SignatureFieldError::Spelling { .. }
    ));
    assert!(matches!(
        changed("spend=", "sig1="),
        SignatureFieldError::Label { .. }
    ));
    assert!(matches!(
        changed("spend=", "a=1, spend="),
        SignatureFieldError::Label { .. }
    ));
    assert!(matches!(
        changed("spend=(", "spend=(("),
        SignatureFieldError::Syntax { .. }
    ));
    assert!(matches!(
        changed("spend=(", &format!("spend=({}", " ".repeat(256))),
        SignatureFieldError::TooLong { .. }
    ));
}

#[test]
fn any_other_signature_field_is_refused() {
    let good = SAMPLE.field();
    for field in [
        String::new(),
        "spend=:AAAA:".to_owned(),
        "spend".to_owned(),
        "spend=\"x\"".to_owned(),
        format!("{good};a"),
        format!("{good}, other=:AAAA:"),
        good.replace("==:", ":"),
        good.replace("spend", "sig1"),
    ] {
        assert!(
            SpendSignature::parse(&SAMPLE.input_field(), &field).is_err(),
            "{field}"
        );
    }
}

#[test]
fn a_nonce_of_small_order_or_in_a_second_spelling_verifies_nothing() {
    // The neutral element: R = identity, S = 0 satisfies the equation for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut trivial = [0; SIGNATURE_SIZE];
    trivial[0] = 1;
    assert_eq!(
        verify_strictly(&neutral, "any message", &trivial),
        Err(SpendSignatureError::Mismatch)
    );
    // The same element with y = p + 1.
    let mut spelled_otherwise = [0xff; 32];
    spelled_otherwise[0] = 0xee;
    spelled_otherwise[31] = 0x7f;
    assert_eq!(
        verify_strictly(&spelled_otherwise, "any message", &trivial),
        Err(SpendSignatureError::NonceIsNoKey)
    );
    // y = 2 is on no point of the curve.
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    assert_eq!(
        verify_strictly(&off_curve, "any message", &trivial),
        Err(SpendSignatureError::NonceIsNoKey)
    );
}

proptest! {
    #[test]
    fn the_fields_come_back_as_they_went(created in any::<u32>(), half in any::<[u8; 32]>()) {
        let mut signature = [0; SIGNATURE_SIZE];
        signature[..32].copy_from_slice(&half);
        signature[32..].copy_from_slice(&half);
        let sample = SpendSignature { created: Created(created), signature };
        prop_assert_eq!(
            SpendSignature::parse(&sample.input_field(), &sample.field()),
            Ok(sample)
        );
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        input in "(spend=\\()?\\PC{0,80}", field in "(spend=:)?\\PC{0,100}"
    ) {
        let _ = SpendSignature::parse(&input, &SAMPLE.field());
        let _ = SpendSignature::parse(&SAMPLE.input_field(), &field);
    }

    #[test]
    fn a_changed_byte_in_the_fields_is_refused_or_changes_the_meaning(
        position in any::<prop::sample::Index>(), byte in 0x20..0x7fu8, which in any::<bool>()
    ) {
        let (input, field) = (SAMPLE.input_field(), SAMPLE.field());
        let mut altered = if which { input.clone() } else { field.clone() }.into_bytes();
        let position = position.index(altered.len());
        prop_assume!(altered[position] != byte);
        altered[position] = byte;
        let altered = String::from_utf8(altered).unwrap();
        let parsed = if which {
            SpendSignature::parse(&altered, &field)
        } else {
            SpendSignature::parse(&input, &altered)
        };
        prop_assert_ne!(parsed, Ok(SAMPLE));
    }
}

/// L, the order of the base point, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn plus_order(scalar: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let add = |(a, b): (&u8, &u8)| {
        let sum = u16::from(*a) + u16::from(*b) + carry;
        carry = sum >> 8;
        (sum & 0xff) as u8
    };
    scalar.iter().zip(&ORDER).map(add).collect()
}

proptest! {
    /// A second implementation, in its own strict form.
    #[test]
    fn ed25519_dalek_judges_every_signature_alike(
        seed in any::<[u8; 32]>(),
        text in "[a-z]{0,40}",
        flip in proptest::option::of((0usize..96, 1u8..)),
        unreduced in any::<bool>(),
    ) {
        use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
        let key = SigningKey::from_bytes(&seed);
        let mut nonce = key.verifying_key().to_bytes();
        let mut signature = key.sign(text.as_bytes()).to_bytes();
        if unreduced {
            let scalar = plus_order(&signature[32..]);
            signature[32..].copy_from_slice(&scalar);
        }
        if let Some((place, bits)) = flip {
            match place.checked_sub(64) {
                Some(place) => nonce[place] ^= bits,
                None => signature[place] ^= bits,
            }
        }
        let theirs = VerifyingKey::from_bytes(&nonce).is_ok_and(|key| {
            key.verify_strict(text.as_bytes(), &Signature::from_bytes(&signature)).is_ok()
        });
        let ours = verify_strictly(&nonce, &text, &signature).is_ok();
        prop_assert_eq!(ours, theirs);
        prop_assert_eq!(ours, flip.is_none() && !unreduced);
    }
}
