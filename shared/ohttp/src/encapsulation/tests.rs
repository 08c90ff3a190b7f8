use std::convert::Infallible;

use pennyblack_hpke::PrivateKey;

use super::*;

const APPENDIX_A: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/vectors/rfc9458/rfc9458-appendix-a.json"
));

/// A value of RFC 9458 Appendix A.
fn vector(name: &str) -> Vec<u8> {
    let all: serde_json::Value = serde_json::from_str(APPENDIX_A).unwrap();
    hex::decode(all[name].as_str().unwrap()).unwrap()
}

/// Yields the bytes that it was made of.
struct GivenRng(Vec<u8>);

impl rand::TryRng for GivenRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("nonces are drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("nonces are drawn as bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

impl rand::TryCryptoRng for GivenRng {}

fn key(key_id: u8, kem: Kem) -> GatewayKey {
    GatewayKey::new(key_id, PrivateKey::generate(kem, &mut rand::rng())).unwrap()
}

#[test]
fn a_client_makes_the_request_of_appendix_a_and_opens_its_response() {
    let config = KeyConfig::parse(&vector("key_config")).unwrap();
    let header = Header::of(&config);
    let recipient = vector("key_config")[3..35].try_into().unwrap();
    let ephemeral = vector("skE").try_into().unwrap();
    assert_eq!(header.info(), vector("info"));
    let sender = SenderContext::of_ephemeral(&recipient, &header.info(), &ephemeral).unwrap();
    let (request, opener) =
        encapsulate_in(sender, &header, config.kem(), &vector("request")).unwrap();
    assert_eq!(request, vector("encapsulated_request"));
    assert_eq!(*opener.0.secret, vector("secret"));
    let response = opener.open(&vector("encapsulated_response")).unwrap();
    assert_eq!(*response, vector("response"));
}

#[test]
fn a_gateway_opens_the_request_of_appendix_a_and_makes_its_response() {
    let secret = vector("skR").try_into().unwrap();
    let key = GatewayKey::new(1, PrivateKey::parse(Kem::DhkemX25519, &secret).unwrap()).unwrap();
    let (request, sealer) = decapsulate(&[key], &vector("encapsulated_request")).unwrap();
    assert_eq!(*request, vector("request"));
    let rng = &mut GivenRng(vector("response_nonce"));
    let response = sealer.seal(&vector("response"), rng).unwrap();
    assert_eq!(response, vector("encapsulated_response"));
}

#[test]
fn every_kem_carries_a_request_and_its_response_in_the_sizes_stated() {
    for kem in Kem::ALL {
        let keys = [key(4, Kem::DhkemX25519), key(5, kem)];
        let rng = &mut rand::rng();
        let (request, opener) = encapsulate(keys[1].config(), b"question", rng).unwrap();
        assert_eq!(request.len(), encapsulated_request_size(kem, 8));
        let (opened, sealer) = decapsulate(&keys, &request).unwrap();
        assert_eq!(*opened, b"question");
        let response = sealer.seal(b"answer", rng).unwrap();
        assert_eq!(response.len(), encapsulated_response_size(kem, 6));
        assert_eq!(*opener.open(&response).unwrap(), b"answer");
    }
    assert_eq!(MAX_REQUEST_SIZE, 9_335);
    assert_eq!(MAX_RESPONSE_SIZE, 1_056_816);
}

#[test]
fn the_response_to_another_request_is_not_opened() {
    for kem in Kem::ALL {
        let keys = [key(5, kem)];
        let rng = &mut rand::rng();
        let (first, _) = encapsulate(keys[0].config(), b"question", rng).unwrap();
        let (_, second) = encapsulate(keys[0].config(), b"question", rng).unwrap();
        let (_, sealer) = decapsulate(&keys, &first).unwrap();
        let response = sealer.seal(b"answer", rng).unwrap();
        assert_eq!(
            second.open(&response).unwrap_err(),
            OpenResponseError::NotOpened
        );
    }
}

#[test]
fn a_request_to_another_key_is_told_from_one_that_does_not_open() {
    let keys = [key(5, Kem::DhkemX25519)];
    let rng = &mut rand::rng();
    let sealed_to = |other: &GatewayKey| encapsulate(other.config(), b"", &mut rand::rng());
    let refusal = |request: &[u8]| decapsulate(&keys, request).unwrap_err();
    let (unknown, _) = sealed_to(&key(6, Kem::DhkemX25519)).unwrap();
    assert_eq!(
        refusal(&unknown),
        DecapsulationError::UnknownKey {
            key_id: 6,
            kem_id: 0x20
        }
    );
    let (other_kem, _) = sealed_to(&key(5, Kem::XWing)).unwrap();
    assert_eq!(
        refusal(&other_kem),
        DecapsulationError::UnknownKey {
            key_id: 5,
            kem_id: 0x647a
        }
    );
    let (stale, _) = sealed_to(&key(5, Kem::DhkemX25519)).unwrap();
    assert_eq!(refusal(&stale), DecapsulationError::NotOpened { key_id: 5 });
    let (mut suite, _) = encapsulate(keys[0].config(), b"", rng).unwrap();
    suite[6] = 3;
    assert!(matches!(
        refusal(&suite),
        DecapsulationError::UnsupportedSuite {
            kdf_id: 1,
            aead_id: 3,
            ..
        }
    ));
    assert!(matches!(refusal(&suite[..6]), DecapsulationError::Form(_)));
    assert!(matches!(
        refusal(&suite[..20]),
        DecapsulationError::UnsupportedSuite { .. }
    ));
    let long = vec![0; MAX_REQUEST_SIZE + 1];
    assert_eq!(
        refusal(&long),
        DecapsulationError::TooLong(MAX_REQUEST_SIZE + 1)
    );
}

#[test]
fn every_bit_of_a_request_and_of_a_response_counts() {
    for kem in [Kem::DhkemX25519, Kem::DhkemP256, Kem::XWing] {
        let keys = [key(5, kem)];
        let rng = &mut rand::rng();
        let (request, _) = encapsulate(keys[0].config(), b"question", rng).unwrap();
        // Flipping each bit of an X-Wing request takes ten thousand decapsulations.
        let step = if kem == Kem::XWing { 37 } else { 1 };
        for bit in (0..request.len() * 8).step_by(step) {
            let mut forged = request.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(decapsulate(&keys, &forged).is_err(), "{kem} bit {bit}");
        }
        for bit in 0..encapsulated_response_size(kem, 6) * 8 {
            let (request, opener) = encapsulate(keys[0].config(), b"", rng).unwrap();
            let (_, sealer) = decapsulate(&keys, &request).unwrap();
            let mut forged = sealer.seal(b"answer", rng).unwrap();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(opener.open(&forged).is_err(), "{kem} bit {bit}");
        }
    }
}

#[test]
fn what_is_cut_off_anywhere_is_refused() {
    let keys = [key(5, Kem::DhkemX25519)];
    let rng = &mut rand::rng();
    let (request, _) = encapsulate(keys[0].config(), b"question", rng).unwrap();
    for length in 0..request.len() {
        assert!(decapsulate(&keys, &request[..length]).is_err());
    }
    for length in 0..encapsulated_response_size(Kem::DhkemX25519, 6) {
        let (request, opener) = encapsulate(keys[0].config(), b"", rng).unwrap();
        let (_, sealer) = decapsulate(&keys, &request).unwrap();
        let response = sealer.seal(b"answer", rng).unwrap();
        assert!(opener.open(&response[..length]).is_err());
    }
}

#[test]
fn debug_output_holds_no_secret() {
    let keys = [key(5, Kem::DhkemX25519)];
    let (request, opener) = encapsulate(keys[0].config(), b"", &mut rand::rng()).unwrap();
    let (_, sealer) = decapsulate(&keys, &request).unwrap();
    assert_eq!(
        format!("{opener:?} {sealer:?}"),
        "ResponseOpener ResponseSealer"
    );
    assert_eq!(
        format!("{:?}", keys[0]),
        "GatewayKey { config: KeyConfig(5 of DHKEM(X25519)), .. }"
    );
}
