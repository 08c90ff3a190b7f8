use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::scene::*;
use super::*;
use pennyblack_base::encoding;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::*;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce};
use pennyblack_sealing::mailbox::Kem;

#[test]
fn a_signed_request_verifies_and_says_what_was_stored_where() {
    let scene = scene();
    let request = signed();
    let store = Received::from(&request).check().unwrap();
    assert_eq!(store.mailbox(), scene.recipient.mailbox());
    assert_eq!(store.sealed(), scene.sealed.as_bytes());
    assert_eq!(store.token().nonce(), spend_key().nonce());
    assert_eq!(store.record().digest, RequestDigest::of(request.body()));
    let created = store.record().signature.created;
    assert_eq!(created, Created::rounded(NOW).unwrap());
    let nonce = spend_key().nonce();
    assert_eq!(store.record().verify(&nonce, &cps()), Ok(()));
}

#[test]
fn a_signature_for_another_cps_method_or_path_is_refused() {
    let request = Received::from(&signed());
    let key = spend_key();
    assert!(
        request
            .resigned(&key, "POST", "cps.example.net", "/v1/passports")
            .check()
            .is_ok()
    );
    for (method, authority, path) in [
        ("PUT", "cps.example.net", "/v1/passports"),
        ("POST", "other.example.net", "/v1/passports"),
        ("POST", "cps.example.net:8443", "/v1/passports"),
        ("POST", "cps.example.net", "/v1/passports/"),
        ("POST", "cps.example.net", "/v1/keys"),
    ] {
        assert_eq!(
            request.resigned(&key, method, authority, path).refusal(),
            StoreRefusal::Signature(SpendSignatureError::Mismatch),
            "{method} {authority} {path}"
        );
    }
}

#[test]
fn a_request_moved_to_another_mailbox_is_refused() {
    let mut request = Received::from(&signed());
    request.body[..32].fill(9);
    assert!(matches!(
        request.refusal(),
        StoreRefusal::ContentDigest { .. }
    ));
    request.content_digest = RequestDigest::of(&request.body).to_field();
    assert_eq!(
        request.refusal(),
        StoreRefusal::Signature(SpendSignatureError::Mismatch)
    );
}

#[test]
fn a_stolen_token_is_worthless_without_its_key() {
    let thief = SpendKey::generate(&mut StdRng::seed_from_u64(66));
    let request =
        Received::from(&signed()).resigned(&thief, STORE_METHOD, "cps.example.net", STORE_PATH);
    assert_eq!(
        request.refusal(),
        StoreRefusal::Signature(SpendSignatureError::Mismatch)
    );
    let scene = scene();
    assert_eq!(
        sign_store_request(
            &scene.token,
            &thief,
            &cps(),
            scene.recipient.mailbox(),
            &scene.sealed,
            NOW
        ),
        Err(SignStoreError::KeyOfAnotherToken)
    );
}

#[test]
fn a_forged_token_is_refused_before_its_nonce_is_trusted() {
    let mut forged = scene().token.clone();
    forged.authenticator[100] ^= 1;
    let mut request = Received::from(&signed());
    request.authorization = forged.authorization();
    assert!(matches!(request.refusal(), StoreRefusal::Token(_)));
}

#[test]
fn a_token_of_another_issuers_key_is_refused() {
    let mut request = Received::from(&signed());
    request.authorization = Issuer::generate()
        .token(spend_key().nonce())
        .authorization();
    assert!(matches!(request.refusal(), StoreRefusal::Token(_)));
}

#[test]
fn a_good_token_whose_nonce_has_small_order_is_refused() {
    // With the neutral element as key, R = identity and S = 0 fit every message
    // in a verifier that is not strict.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; SIGNATURE_SIZE];
    signature[0] = 1;
    let signature = SpendSignature {
        created: Created::rounded(NOW).unwrap(),
        signature,
    };
    let mut request = Received::from(&signed());
    request.authorization = scene().issuer.token(Nonce(neutral)).authorization();
    request.signature = signature.field();
    assert_eq!(
        request.refusal(),
        StoreRefusal::Signature(SpendSignatureError::Mismatch)
    );
}

#[test]
fn a_token_drawn_for_another_service_is_refused() {
    let policy = SpendPolicy {
        challenges: vec![ChallengeDigest([1; 32])],
        ..policy()
    };
    assert_eq!(
        Received::from(&signed())
            .check_at(&policy, NOW)
            .unwrap_err(),
        Outcome::Refused(StoreRefusal::ForeignChallenge)
    );
}

/// The time in a request that is signed at [`NOW`].
const CREATED: u64 = NOW.0 - NOW.0 % 30;

#[test]
fn retries_are_taken_for_a_minute_and_half_a_minute_of_clock_error() {
    // Signed just before and just after the time in them changes.
    for signed_at in [CREATED, CREATED + 29] {
        let request = Received::from(&signed_with(&scene().sealed, UnixTime(signed_at)));
        let at = |seconds: u64| request.check_at(&policy(), UnixTime(seconds));
        let created = Created(u32::try_from(CREATED).unwrap());
        assert!(at(signed_at + 90).is_ok());
        assert!(at(signed_at - 30).is_ok());
        let now = UnixTime(CREATED + 121);
        assert_eq!(
            at(now.0).unwrap_err(),
            Outcome::Refused(StoreRefusal::Stale { created, now })
        );
        let now = UnixTime(CREATED - 31);
        assert_eq!(
            at(now.0).unwrap_err(),
            Outcome::Refused(StoreRefusal::FromTheFuture { created, now })
        );
    }
}

#[test]
fn all_that_sign_within_half_a_minute_show_the_same_time_whatever_their_clocks_say() {
    let shown = |now: u64| {
        let request = Received::from(&signed_with(&scene().sealed, UnixTime(now)));
        request.signature_input
    };
    for offset in 0..30 {
        assert_eq!(shown(CREATED + offset), shown(CREATED));
    }
    assert_ne!(shown(CREATED + 30), shown(CREATED));
}

#[test]
fn a_time_that_tells_whose_clock_it_is_is_refused() {
    let request = Received::from(&signed());
    for offset in [1, 29] {
        let created = Created(u32::try_from(CREATED).unwrap() + offset);
        let signature = SpendSignature {
            created,
            signature: [7; SIGNATURE_SIZE],
        };
        let unrounded = Received {
            signature_input: signature.input_field(),
            signature: signature.field(),
            ..request.clone()
        };
        assert_eq!(unrounded.refusal(), StoreRefusal::Unrounded { created });
    }
}

#[test]
fn a_slot_of_another_kems_size_is_refused_after_the_token_is_verified() {
    let verified = Received::from(&signed()).check().unwrap();
    assert_eq!(verified.check_slot(Kem::DhkemX25519), Ok(()));
    assert_eq!(
        verified.check_slot(Kem::XWing),
        Err(StoreRefusal::SlotSize {
            kem: Kem::XWing,
            actual: 2048
        })
    );
}

#[test]
fn sizes_are_looked_at_before_anything_else() {
    let request = Received::from(&signed());
    for size in [0, 31, 32, 2079, 2081, 4127, 4129, 100_000] {
        let mut request = request.clone();
        request.body.resize(size, 0);
        request.authorization = "rubbish".to_owned();
        let parsed = ParsedStore::parse(&request.headers(), &request.body);
        assert_eq!(parsed.unwrap_err(), ParseStoreError::BodySize(size));
    }
    let oversized = "x".repeat(1025);
    let with = |change: fn(&mut StoreHeaders<'_>, Option<&'static str>)| {
        let mut headers = request.headers();
        let leaked: &'static str = String::leak(oversized.clone());
        change(&mut headers, Some(leaked));
        ParsedStore::parse(&headers, &request.body).unwrap_err()
    };
    for (error, field) in [
        (
            with(|headers, long| headers.authorization = long),
            "Authorization",
        ),
        (
            with(|headers, long| headers.content_digest = long),
            "Content-Digest",
        ),
        (
            with(|headers, long| headers.signature_input = long),
            "Signature-Input",
        ),
        (with(|headers, long| headers.signature = long), "Signature"),
    ] {
        assert!(
            matches!(error, ParseStoreError::HeaderSize { field: found, actual: 1025, .. } if found == field),
            "{error}"
        );
    }
}

#[test]
fn a_missing_field_is_named() {
    let request = Received::from(&signed());
    let without = |change: fn(&mut StoreHeaders<'_>)| {
        let mut headers = request.headers();
        change(&mut headers);
        ParsedStore::parse(&headers, &request.body).unwrap_err()
    };
    assert_eq!(
        without(|headers| headers.authorization = None),
        ParseStoreError::NoToken
    );
    assert_eq!(
        without(|headers| headers.content_digest = None),
        ParseStoreError::MissingHeader("Content-Digest")
    );
    assert_eq!(
        without(|headers| headers.signature_input = None),
        ParseStoreError::MissingHeader("Signature-Input")
    );
    assert_eq!(
        without(|headers| headers.signature = None),
        ParseStoreError::MissingHeader("Signature")
    );
}

#[test]
fn debug_output_holds_neither_token_nor_key() {
    let request = signed();
    let received = Received::from(&request);
    let key = spend_key();
    let shown = format!(
        "{request:?} {key:?} {:?} {:?}",
        received.headers(),
        received.check().unwrap()
    );
    assert!(!shown.contains("PrivateToken"));
    assert!(!shown.contains(&hex::encode(key.to_bytes())));
    assert!(!shown.contains(&scene().recipient.mailbox().to_string()));
}

#[test]
fn a_spend_key_comes_back_from_its_stored_form() {
    let key = spend_key();
    assert_eq!(SpendKey::from_bytes(&key.to_bytes()).nonce(), key.nonce());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_flipped_bit_anywhere_in_the_content_is_refused(
        position in any::<prop::sample::Index>(), bit in 0..8u8
    ) {
        let mut request = Received::from(&signed());
        let position = position.index(request.body.len());
        request.body[position] ^= 1 << bit;
        prop_assert!(request.check().is_err());
        request.content_digest = RequestDigest::of(&request.body).to_field();
        prop_assert!(request.check().is_err());
    }

    #[test]
    fn a_flipped_bit_anywhere_in_the_token_is_refused(
        position in any::<prop::sample::Index>(), bit in 0..8u8
    ) {
        let mut token = scene().token.to_bytes().to_vec();
        let position = position.index(token.len());
        token[position] ^= 1 << bit;
        let mut request = Received::from(&signed());
        request.authorization =
            format!("PrivateToken token=\"{}\"", encoding::base64url_padded(&token));
        prop_assert!(request.check().is_err());
    }

    #[test]
    fn a_changed_character_in_a_signed_field_is_refused(
        which in 0..3usize, position in any::<prop::sample::Index>(), byte in 0x20..0x7fu8
    ) {
        let mut request = Received::from(&signed());
        let field = match which {
            0 => &mut request.content_digest,
            1 => &mut request.signature_input,
            _ => &mut request.signature,
        };
        let mut bytes = field.clone().into_bytes();
        let position = position.index(bytes.len());
        prop_assume!(bytes[position] != byte);
        bytes[position] = byte;
        *field = String::from_utf8(bytes).unwrap();
        prop_assert!(request.check().is_err());
    }

    #[test]
    fn no_headers_or_content_make_the_parser_panic(
        texts in any::<[Option<String>; 4]>(),
        size in prop::sample::select(vec![0usize, 31, 2080, 4128]),
        real in 0..16u8
    ) {
        let request = Received::from(&signed());
        let mut headers = request.headers();
        let fields = [
            &mut headers.authorization,
            &mut headers.content_digest,
            &mut headers.signature_input,
            &mut headers.signature,
        ];
        for (index, (field, text)) in fields.into_iter().zip(&texts).enumerate() {
            if real & (1 << index) == 0 {
                *field = text.as_deref();
            }
        }
        let _ = ParsedStore::parse(&headers, &vec![0; size]);
    }
}
