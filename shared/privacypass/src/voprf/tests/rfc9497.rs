//! The published vectors of the function itself (RFC 9497 appendix A.1.2 and A.4.2).
//! Here blinding factors and the proofs' nonces are given, so that everything is
//! compared byte for byte, proofs too.

use rand_core::{TryCryptoRng, TryRngCore};

use super::*;
use crate::voprf::suite::{self, Answered, Server};

/// Randomness that was given, to its last byte.
struct Given(Vec<u8>);

impl TryRngCore for Given {
    type Error = Exhausted;

    fn try_next_u32(&mut self) -> Result<u32, Exhausted> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Exhausted> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Exhausted> {
        if self.0.len() < bytes.len() {
            return Err(Exhausted);
        }
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl TryCryptoRng for Given {}

#[derive(Debug, thiserror::Error)]
#[error("more randomness is drawn than the vector gives")]
struct Exhausted;

/// The values of a batch, which the vectors part by commas.
fn many(case: &Value, key: &str) -> Vec<Vec<u8>> {
    let texts = case[key].as_str().unwrap().split(',');
    texts.map(|text| hex::decode(text).unwrap()).collect()
}

/// Blinds the inputs; the clients' states.
fn blind(kind: VoprfKind, case: &Value) -> Vec<Vec<u8>> {
    let (inputs, blinds) = (many(case, "Input"), many(case, "Blind"));
    let each = inputs.iter().zip(blinds);
    let states: Vec<_> = each
        .map(|(input, blind)| {
            let mut rng = Given(blind.clone());
            let state = suite::blind(kind, input, &mut rng).unwrap().to_vec();
            assert!(rng.0.is_empty());
            assert_eq!(state[..kind.scalar_size()], blind);
            state
        })
        .collect();
    let blinded = states.iter().map(|s| s[kind.scalar_size()..].to_vec());
    assert!(blinded.eq(many(case, "BlindedElement")));
    states
}

/// Evaluates the blinded elements; the evaluated elements and the proof.
fn evaluate(kind: VoprfKind, server: &Server, case: &Value) -> (Vec<Vec<u8>>, Vec<u8>) {
    let blinded = many(case, "BlindedElement");
    let blinded: Vec<_> = blinded.iter().map(Vec::as_slice).collect();
    let mut rng = Given(unhex(&case["Proof"]["r"]));
    let answer = server.evaluate(&blinded, &mut rng).unwrap();
    assert!(rng.0.is_empty());
    let (elements, proof) = answer.split_at(kind.element_size() * blinded.len());
    let elements = elements.chunks(kind.element_size());
    let elements: Vec<_> = elements.map(<[u8]>::to_vec).collect();
    assert_eq!(elements, many(case, "EvaluationElement"));
    assert_eq!(proof, unhex(&case["Proof"]["proof"]));
    (elements, proof.to_vec())
}

#[test]
fn blinded_and_evaluated_elements_proofs_and_outputs_are_those_of_rfc_9497() {
    let mut reproduced = 0;
    for vector in vectors("rfc9497/allVectors.json") {
        let kind = match vector["identifier"].as_str().unwrap() {
            "P384-SHA384" => VoprfKind::P384,
            "ristretto255-SHA512" => VoprfKind::Ristretto255,
            _ => continue,
        };
        // OPRF is mode 0, VOPRF 1, POPRF 2.
        if vector["mode"] != 1 {
            continue;
        }
        let server = Server::from_bytes(kind, &unhex(&vector["skSm"])).unwrap();
        let public = server.public();
        assert_eq!(public, unhex(&vector["pkSm"]));
        for case in vector["vectors"].as_array().unwrap() {
            let states = blind(kind, case);
            let (elements, proof) = evaluate(kind, &server, case);
            let inputs = many(case, "Input");
            let parts = inputs.iter().zip(&states).zip(&elements);
            let batch: Vec<_> = parts
                .map(|((input, state), evaluated)| Answered {
                    input: input.clone(),
                    state,
                    evaluated,
                })
                .collect();
            let outputs = suite::finalize(kind, &public, &batch, &proof).unwrap();
            assert_eq!(outputs, many(case, "Output"));
            for (input, output) in inputs.iter().zip(outputs) {
                assert_eq!(server.output(input), Some(output));
            }
            reproduced += 1;
        }
    }
    assert_eq!(reproduced, 6);
}
