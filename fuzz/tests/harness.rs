//! A fuzz target that never gets past the first check finds nothing and says
//! nothing. These tests show that the world's own messages are accepted, so that
//! what lies behind each check is within reach.

use pennyblack_fuzz::compact;
use pennyblack_fuzz::world::{CARRIER_SPC, EveryUrl, NOW, world};
use pennyblack_sealing::envelope::open_envelope;
use pennyblack_passport::{Call, OrigAuthority, Party, Verdict, Verifier};
use pennyblack_sealing::sealed::{open_passport, passport_capacity};
use pennyblack_stir::verify_chain;

#[test]
fn the_world_is_the_same_in_every_process() {
    let key = world().carrier_key.public_key_der().unwrap();
    let digest = pennyblack_base::encoding::sha256(&key);
    assert_eq!(hex::encode(&digest[..4]), "fef7dc0e");
}

#[test]
fn a_chain_that_the_root_signed_part_by_part_is_trusted() {
    let root = &world().root;
    let der = root.certify_intermediate();
    // SEQUENCE { signed part, algorithm, signature }, each with a two-byte length.
    assert_eq!((der[0], der[1], der[4], der[5]), (0x30, 0x82, 0x30, 0x82));
    let size = 4 + usize::from(der[6]) * 256 + usize::from(der[7]);
    let again = root.sign(&der[4..4 + size]);
    let chain = [world().carrier_chain[0].clone(), again];
    assert!(verify_chain(&chain, &world().trust, NOW).is_ok());
    let spc = CARRIER_SPC.parse().unwrap();
    assert!(world().chain.tn_auth_list().covers_spc(&spc));
}

#[test]
fn a_passport_made_of_two_lines_of_json_is_valid() {
    let token = compact::token(
        r#"{"alg":"ES256","typ":"passport","x5u":"https://cert.example.org/a.cer"}"#,
        &format!(
            r#"{{"dest":{{"tn":["12155551213"]}},"iat":{},"orig":{{"tn":"12155551212"}}}}"#,
            NOW.0
        ),
    );
    let verifier = Verifier {
        trust: &world().trust,
        certificates: &EveryUrl,
        authority: OrigAuthority::NumbersOnly,
    };
    let party = |number: &str| Party::Number(number.parse().unwrap());
    let call = Call {
        orig: party("12155551212"),
        dest: party("12155551213"),
    };
    let verdict = verifier.verify(&[token], &call, NOW);
    assert!(matches!(verdict, Verdict::Valid { .. }), "{verdict:?}");
}

#[test]
fn what_the_harness_seals_is_opened() {
    let world = world();
    let recipient = world.recipient();
    let mut plaintext = b"\x00\x05a.b.c".to_vec();
    plaintext.resize(2 + passport_capacity(recipient.config().kem()), 0);
    let sealed = world.seal(b"pennyblack passport v1", &plaintext);
    assert_eq!(
        open_passport(recipient, &world.cps, &sealed).as_deref(),
        Ok("a.b.c")
    );

    let mut plaintext = vec![1, 0, 0, 1];
    plaintext.resize(20 + 4 * 2048, 0);
    let sealed = world.seal(b"pennyblack envelope v1", &plaintext);
    let page = open_envelope(recipient, &world.cps, &sealed).unwrap();
    assert_eq!(page.entries().len(), 1);
}

#[test]
fn a_request_that_the_harness_encapsulates_is_read() {
    use pennyblack_ohttp::binary_http::Request;
    use pennyblack_ohttp::exchange::{open_request, seal_request};

    let keys = &world().gateway_keys;
    let (authority, path) = ("cps.example.net".parse(), "/v1/passports".parse());
    let request = Request::new(http::Method::GET, authority.unwrap(), path.unwrap());
    for key in keys {
        let (sealed, _) = seal_request(key.config(), &request, &mut rand::rng()).unwrap();
        let opened = open_request(keys, &sealed).unwrap();
        assert_eq!(opened.request.as_ref(), Ok(&request));
    }
}
