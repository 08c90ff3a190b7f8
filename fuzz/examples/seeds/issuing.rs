//! Tokens, challenges, requests, answers, directories: mostly the RFCs' vectors.

use std::path::Path;
use std::{fs, io};

use pennyblack_fuzz::world::world;
use pennyblack_privacypass::directory::{DirectoryKey, IssuerDirectory};
use pennyblack_privacypass::issuance::{
    TokenResponse, batch_answer_to_bytes, batch_to_bytes, response_size,
};
use pennyblack_privacypass::token::{
    AuthenticateChallenge, ChallengeDigest, Nonce, Token, TokenChallenge, TokenType,
};
use pennyblack_privacypass::token_key::{TokenKey, TokenToBe, TokenVerifier};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::Corpus;

const RFC_9577: [&str; 4] = [
    "auth_scheme_header_complicated.json",
    "auth_scheme_header_rfc9577.json",
    "auth_scheme_token_rfc9577.json",
    "rfc9577-appendix-tokens.json",
];

pub(crate) fn add(corpus: &mut Corpus, vectors: &Path) -> io::Result<()> {
    for file in RFC_9577 {
        let text = fs::read_to_string(vectors.join("rfc9577").join(file))?;
        add_challenges(corpus, &serde_json::from_str(&text)?);
    }
    for (file, token_type) in [
        ("rfc9578-blindrsa/rfc9578-appendix.json", 2),
        ("rfc9578-blindrsa/type2-issuance-test-vectors.json", 2),
        ("rfc9578-voprf/rfc9578-appendix.json", 1),
        ("rfc9578-voprf/type5-issuance-test-vectors.json", 5),
    ] {
        let text = fs::read_to_string(vectors.join(file))?;
        add_issuance(corpus, &serde_json::from_str(&text)?, token_type);
    }
    for file in [
        "batched-amortized/type1-issuance-test-vectors.json",
        "batched-amortized/type5-issuance-test-vectors.json",
    ] {
        let text = fs::read_to_string(vectors.join(file))?;
        add_amortized(corpus, &serde_json::from_str(&text)?);
    }
    let batches =
        fs::read_to_string(vectors.join("batched-generic/batched-issuance-test-vectors.json"))?;
    add_batches(corpus, &serde_json::from_str(&batches)?);
    add_own(corpus);
    Ok(())
}

fn items(json: &Value) -> &[Value] {
    json.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A member in hexadecimal, if it is there.
fn bytes(json: &Value, member: &str) -> Option<Vec<u8>> {
    hex::decode(json.get(member)?.as_str()?).ok()
}

fn add_challenges(corpus: &mut Corpus, vectors: &Value) {
    for vector in items(vectors) {
        if let Some(Value::String(header)) = vector.get("WWW-Authenticate") {
            corpus.add("www_authenticate", header);
        }
        for member in ["token-challenge-0", "token-challenge-1"] {
            if let Some(challenge) = bytes(vector, member) {
                corpus.add("challenge", challenge);
            }
        }
        // The token's authenticator is no part of these vectors; any will do.
        if let Some(mut token) = bytes(vector, "token_authenticator_input") {
            token.resize(Token::INPUT_SIZE + 256, 7);
            corpus.add("token", token);
        }
    }
}

fn add_amortized(corpus: &mut Corpus, vectors: &Value) {
    for vector in items(vectors) {
        for member in ["token_request", "token_response"] {
            if let Some(input) = bytes(vector, member) {
                corpus.add("amortized_batch", input);
            }
        }
    }
}

fn add_issuance(corpus: &mut Corpus, vectors: &Value, token_type: u8) {
    for vector in items(vectors) {
        for (member, target) in [
            ("token", "token"),
            ("token_request", "token_request"),
            ("token_challenge", "challenge"),
            ("token_response", "blind_signature"),
        ] {
            if let Some(input) = bytes(vector, member) {
                corpus.add(target, input);
            }
        }
        if let Some(key) = bytes(vector, "pkS") {
            corpus.add("token_key", [&[token_type], key.as_slice()].concat());
        }
        let token = bytes(vector, "token").and_then(|token| Token::parse(&token).ok());
        if let Some(token) = token {
            corpus.add("authorization", token.authorization());
        }
    }
}

fn add_batches(corpus: &mut Corpus, vectors: &Value) {
    for vector in items(vectors) {
        for (member, target) in [
            ("token_request", "batch_request"),
            ("token_response", "batch_answer"),
        ] {
            if let Some(input) = bytes(vector, member) {
                corpus.add(target, input);
            }
        }
    }
}

/// What this project's own issuer, carrier and CPS say to each other.
fn add_own(corpus: &mut Corpus) {
    let world = world();
    let TokenVerifier::BlindRsa(key) = &world.issuer.key else {
        return;
    };
    let key = &TokenKey::BlindRsa(key.public().clone());
    let (nonce, digest) = (Nonce([1; 32]), ChallengeDigest([2; 32]));
    let pending = TokenToBe::blind(key, nonce, digest, &mut StdRng::seed_from_u64(3));
    let pending = pending.expect("a key");
    corpus.add("stored_files", pending.to_bytes());
    corpus.add(
        "batch_request",
        batch_to_bytes(&[pending.request(), pending.request()]),
    );

    let answers = [TokenType::BLIND_RSA_2048, TokenType::VOPRF_RISTRETTO255].map(|token_type| {
        let size = response_size(token_type).expect("a known type");
        Some(TokenResponse {
            token_type,
            response: vec![5; size].into(),
        })
    });
    let [first, second] = answers;
    corpus.add(
        "batch_answer",
        batch_answer_to_bytes(&[first, None, second]),
    );

    let challenge = AuthenticateChallenge {
        challenge: TokenChallenge::of_cps(TokenType::BLIND_RSA_2048, &world.cps, &world.cps),
        token_key: key.encoded().to_vec(),
        max_age: Some(60),
    };
    corpus.add("challenge", challenge.challenge.to_bytes());
    let header = challenge.to_header();
    corpus.add(
        "www_authenticate",
        format!("Basic realm=\"a, b\", {header}, Bearer"),
    );

    let directory = IssuerDirectory {
        request_uri: "/token-request".to_owned(),
        token_keys: vec![DirectoryKey {
            token_type: TokenType::BLIND_RSA_2048,
            encoded: key.encoded().to_vec(),
            not_before: Some(pennyblack_fuzz::world::NOW),
        }],
    };
    corpus.add("issuer_directory", directory.to_json().expect("JSON"));
}
