//! VOPRF evaluations in batches, each batch with its one proof, which neither of the
//! crates checks. An item is a token.

use p384::NistP384;
use voprf_ng::Ristretto255;

use crate::{Peer, cpu_time};

/// Tokens of a batch, as in the row of `compare`.
const BATCH: usize = 64;

/// The messages of a batch, all different.
fn messages() -> impl Iterator<Item = [u8; 32]> {
    (0..BATCH).map(|number| [number as u8; 32])
}

/// Processor time for one of `items` tokens, which come in batches.
fn in_batches(items: usize, mut evaluate: impl FnMut()) -> f64 {
    assert!(items.is_multiple_of(BATCH), "{items} is not whole batches");
    cpu_time::seconds_per_item(items, || {
        for _ in 0..items / BATCH {
            evaluate();
        }
    })
}

/// The `voprf-ng` crate.
pub struct Ristretto {
    server: voprf_ng::VoprfServer<Ristretto255>,
    batch: Vec<Vec<u8>>,
}

impl Ristretto {
    /// With a new key and a batch of blinded messages.
    pub fn new() -> Self {
        let blind = |message: [u8; 32]| {
            let client = voprf_ng::VoprfClient::<Ristretto255>::blind(&message, &mut rand::rng());
            client.unwrap().message.serialize().to_vec()
        };
        Self {
            server: voprf_ng::VoprfServer::new(&mut rand::rng()).unwrap(),
            batch: messages().map(blind).collect(),
        }
    }
}

impl Peer for Ristretto {
    fn seconds_per_item(&mut self, items: usize) -> f64 {
        in_batches(items, || {
            let read = |bytes: &Vec<u8>| voprf_ng::BlindedElement::deserialize(bytes).unwrap();
            let elements: Vec<_> = self.batch.iter().map(read).collect();
            self.server
                .batch_blind_evaluate(&mut rand::rng(), &elements)
                .unwrap();
        })
    }
}

/// The `voprf` crate, which our issuer is built on, bare.
pub struct P384 {
    server: voprf::VoprfServer<NistP384>,
    batch: Vec<Vec<u8>>,
}

impl P384 {
    /// With a new key and a batch of blinded messages.
    pub fn new() -> Self {
        let random = &mut rand_core::OsRng;
        let mut blind = |message: [u8; 32]| {
            let client = voprf::VoprfClient::<NistP384>::blind(&message, random);
            client.unwrap().message.serialize().to_vec()
        };
        Self {
            batch: messages().map(&mut blind).collect(),
            server: voprf::VoprfServer::new(&mut rand_core::OsRng).unwrap(),
        }
    }
}

impl Peer for P384 {
    fn seconds_per_item(&mut self, items: usize) -> f64 {
        in_batches(items, || {
            let read = |bytes: &Vec<u8>| voprf::BlindedElement::deserialize(bytes).unwrap();
            let elements: Vec<_> = self.batch.iter().map(read).collect();
            self.server
                .batch_blind_evaluate(&mut rand_core::OsRng, &elements)
                .unwrap();
        })
    }
}
