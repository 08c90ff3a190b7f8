//! Oblivious HTTP: the examples of both RFCs, and messages of the world's own gateway.

use std::path::Path;
use std::{fs, io};

use pennyblack_fuzz::world::world;
use pennyblack_ohttp::binary_http::{Framing, Request, Response};
use pennyblack_ohttp::encapsulation::encapsulate;
use pennyblack_ohttp::key_config::KeyConfig;
use pennyblack_ohttp::key_ratchet::{Epoch, Epochs, KeyRatchet};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::Corpus;

pub(crate) fn add(corpus: &mut Corpus, vectors: &Path) -> io::Result<()> {
    let mut messages = hex_values(&vectors.join("rfc9292/rfc9292-examples.json"))?;
    messages.extend(own_messages());
    for message in messages {
        corpus.add("binary_http", &message);
        corpus.add("oblivious_request", &message);
    }
    for value in hex_values(&vectors.join("rfc9458/rfc9458-appendix-a.json"))? {
        corpus.add("ohttp_key_configs", &value);
        corpus.add("oblivious_request", &value);
    }
    let configs = world().gateway_keys.iter().map(|key| key.config());
    corpus.add("ohttp_key_configs", KeyConfig::encode_list(configs.clone()));
    for config in configs {
        corpus.add("ohttp_key_configs", config.as_bytes());
        let rng = &mut StdRng::seed_from_u64(4);
        let (sealed, _) = encapsulate(config, b"\x00\x03GET", rng).expect("a sealed request");
        corpus.add("oblivious_request", &sealed);
    }
    let rng = &mut StdRng::seed_from_u64(5);
    let ratchet = KeyRatchet::generate(Epochs::DEFAULT, Epoch(2_948), rng);
    corpus.add("stored_files", ratchet.to_bytes());
    Ok(())
}

fn own_messages() -> Vec<Vec<u8>> {
    let authority = "cps.example.net".parse().expect("an authority");
    let path = "/v1/passports?slots=4".parse().expect("a path");
    let mut request = Request::new(http::Method::POST, authority, path);
    let value = http::HeaderValue::from_static("9216");
    request.fields.insert("pennyblack-pad", value);
    request.content = vec![7; 100];
    let mut response = Response::new(http::StatusCode::CREATED);
    response.content = b"stored".to_vec();
    let framings = [Framing::KnownLength, Framing::IndeterminateLength];
    framings
        .into_iter()
        .flat_map(|framing| [request.encode(framing), response.encode(framing)])
        .collect()
}

/// Every value of a file that is hexadecimal.
fn hex_values(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let vectors: Value = serde_json::from_slice(&fs::read(path)?)?;
    let values = vectors.as_object().into_iter().flat_map(|all| all.values());
    let values = values.filter_map(Value::as_str);
    Ok(values.filter_map(|text| hex::decode(text).ok()).collect())
}
