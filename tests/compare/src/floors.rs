//! Single cryptographic operations at the speed of the fastest safe library, by
//! which the services are measured. Processor seconds for one.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, ParsedPublicKey, RSA_PSS_2048_8192_SHA384, RSA_PSS_SHA384, RsaKeyPair,
    VerificationAlgorithm,
};
use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Kem as _, OpModeS};
use http::StatusCode;
use openssl::rsa::{Padding, Rsa};
use pennyblack_hpke::{Kem, PrivateKey};
use pennyblack_ohttp::binary_http::{Request, Response};
use pennyblack_ohttp::exchange::{open_request, seal_request, seal_response};
use pennyblack_ohttp::key_config::GatewayKey;

use crate::cpu_time::seconds_per_call;
use crate::relayed::ANSWER;

const MESSAGE: [u8; 300] = [7; 300];

fn verification(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    signature: &[u8],
    calls: usize,
) -> f64 {
    let key = ParsedPublicKey::new(algorithm, key).unwrap();
    seconds_per_call(calls, || key.verify_sig(&MESSAGE, signature).unwrap())
}

/// RSA-PSS with 2048 bits, the key parsed before.
#[must_use]
pub fn rsa_verification(calls: usize) -> f64 {
    let key = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PSS_SHA384,
        &SystemRandom::new(),
        &MESSAGE,
        &mut signature,
    )
    .unwrap();
    let public = key.public_key().as_ref();
    verification(&RSA_PSS_2048_8192_SHA384, public, &signature, calls)
}

/// Ed25519 with a key that was never seen before, as `K_temp` never was.
#[must_use]
pub fn ed25519_verification(calls: usize) -> f64 {
    let key = Ed25519KeyPair::generate().unwrap();
    let signature = key.sign(&MESSAGE);
    seconds_per_call(calls, || {
        let key = ParsedPublicKey::new(&ED25519, key.public_key().as_ref()).unwrap();
        key.verify_sig(&MESSAGE, signature.as_ref()).unwrap();
    })
}

/// ES256, the key parsed before.
#[must_use]
pub fn es256_verification(calls: usize) -> f64 {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let signature = key.sign(&SystemRandom::new(), &MESSAGE).unwrap();
    let public = key.public_key().as_ref();
    verification(&ECDSA_P256_SHA256_ASN1, public, signature.as_ref(), calls)
}

/// The RSA-2048 private operation as `openssl speed` does it.
#[must_use]
pub fn rsa_private_operation(calls: usize) -> f64 {
    let key = Rsa::generate(2048).unwrap();
    let (message, mut signature) = ([7; 256], [0; 256]);
    seconds_per_call(calls, || {
        key.private_encrypt(&message, &mut signature, Padding::NONE)
            .unwrap();
    })
}

/// HPKE to X25519 with the Rust library, of no text at all.
#[must_use]
pub fn hpke_seal(calls: usize) -> f64 {
    let (_, public) = X25519HkdfSha256::derive_keypair(&[7; 32]);
    seconds_per_call(calls, || {
        hpke::single_shot_seal::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public,
            b"info",
            b"",
            b"aad",
        )
        .unwrap();
    })
}

/// AES-128-GCM of so many bytes, in place.
#[must_use]
pub fn aes_gcm(bytes: usize, calls: usize) -> f64 {
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).unwrap());
    let mut text = vec![0; bytes];
    seconds_per_call(calls, || {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut text);
        let _ = std::hint::black_box(tag.unwrap());
    })
}

/// What a gateway does with an oblivious request before and after its work: opens it, and
/// seals an answer of the size that stores ask for. To X25519.
#[must_use]
pub fn opening_and_sealing(request: &Request, calls: usize) -> f64 {
    let rng = &mut rand::rng();
    let keys = [GatewayKey::new(1, PrivateKey::generate(Kem::DhkemX25519, rng)).unwrap()];
    let (sealed, _) = seal_request(keys[0].config(), request, rng).unwrap();
    let answer = Response::new(StatusCode::CREATED);
    seconds_per_call(calls, || {
        let opened = open_request(&keys, &sealed).unwrap();
        opened.request.unwrap();
        seal_response(opened.sealer, &answer, Some(ANSWER), &mut rand::rng()).unwrap();
    })
}
