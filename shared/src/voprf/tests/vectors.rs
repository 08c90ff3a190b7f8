//! The published vectors: tokens of RFC 9578 and of the batch draft, and the
//! function itself of RFC 9497.

use super::*;

#[test]
fn the_single_tokens_of_rfc_9578_and_of_type_5_are_reproduced() {
    let mut all = vectors("rfc9578-voprf/rfc9578-appendix.json");
    all.extend(vectors("rfc9578-voprf/type5-issuance-test-vectors.json"));
    assert_eq!(all.len(), 10);
    for vector in all {
        let (suite, pending) = single(&vector);
        let key = key_of(&vector, suite);
        let request = pending.request();
        assert_eq!(request.to_bytes(), bytes(&vector, "token_request"));
        let theirs = bytes(&vector, "token_response");
        assert_eq!(theirs.len(), response_size(suite.token_type()).unwrap());
        let ours = answer(&key, &request);
        let size = suite.element_size();
        assert_eq!(ours[..size], theirs[..size]);
        for answer in [ours, theirs] {
            let token = pending.finalize(&answer).unwrap();
            assert_eq!(token.to_bytes(), bytes(&vector, "token"));
            assert!(key.verify(token).is_ok());
        }
    }
}

#[test]
fn the_amortized_batches_of_the_draft_are_reproduced() {
    let mut all = vectors("batched-amortized/type1-issuance-test-vectors.json");
    all.extend(vectors(
        "batched-amortized/type5-issuance-test-vectors.json",
    ));
    assert_eq!(all.len(), 10);
    for vector in all {
        let request = bytes(&vector, "token_request");
        let request = AmortizedRequest::parse(&request, 100).unwrap();
        let suite = Suite::of(request.token_type).unwrap();
        let key = key_of(&vector, suite);
        let (nonces, blinds) = (many(&vector, "nonces"), many(&vector, "blinds"));
        let each = nonces.iter().zip(&blinds);
        let pending: Vec<_> = each
            .map(|(nonce, blind)| pending_of(&vector, suite, nonce, blind))
            .collect();
        assert_eq!(batch_request(&pending).unwrap(), request);
        assert_eq!(request.to_bytes(), bytes(&vector, "token_request"));

        let theirs = bytes(&vector, "token_response");
        let theirs_parsed = AmortizedResponse::parse(suite, &theirs, 100).unwrap();
        assert_eq!(theirs_parsed.to_bytes(), theirs);
        let blinded = request.blinded.into_iter();
        let blinded: Vec<_> = blinded
            .map(|element| BlindedElement::parse(suite, element).unwrap())
            .collect();
        let ours = key.evaluate(&blinded, &mut rand::rng()).unwrap();
        assert_eq!(ours.elements(), theirs_parsed.elements);
        for response in [AmortizedResponse::from(&ours), theirs_parsed] {
            let tokens = finalize_batch(&pending, &response).unwrap();
            let encoded: Vec<_> = tokens.iter().map(Token::to_bytes).collect();
            assert_eq!(encoded, many(&vector, "tokens"));
            for token in tokens {
                assert!(key.verify(token).is_ok());
            }
        }
    }
}

#[test]
fn the_voprf_tokens_of_the_drafts_generic_batches_are_reproduced() {
    let mut reproduced = 0;
    for vector in vectors("batched-generic/batched-issuance-test-vectors.json") {
        let requests = parse_batch(&bytes(&vector, "token_request"), 10).unwrap();
        let answers = parse_batch_answer(&bytes(&vector, "token_response"), 10).unwrap();
        let parts = vector["issuance"].as_array().unwrap();
        for ((part, request), given) in parts.iter().zip(requests).zip(answers) {
            if Suite::of(request.token_type).is_none() {
                continue;
            }
            let (suite, pending) = single(part);
            assert_eq!(pending.request(), request);
            let key = key_of(part, suite);
            for answer in [given.unwrap().response, answer(&key, &request).into()] {
                let token = pending.finalize(&answer).unwrap();
                assert_eq!(token.to_bytes(), bytes(part, "token"));
            }
            reproduced += 1;
        }
    }
    assert_eq!(reproduced, 4);
}

/// RFC 9497 appendix A.1.2 and A.4.2: here the proofs' nonces are given, so that
/// the proofs are compared, too.
#[test]
fn keys_elements_proofs_and_outputs_of_rfc_9497_are_reproduced() {
    let mut reproduced = 0;
    for vector in vectors("rfc9497/allVectors.json") {
        let suite = match vector["identifier"].as_str().unwrap() {
            "P384-SHA384" => Suite::P384,
            "ristretto255-SHA512" => Suite::Ristretto255,
            _ => continue,
        };
        if vector["mode"] != 1 {
            continue;
        }
        let operations = suite.operations();
        let (seed, info) = (bytes(&vector, "seed"), bytes(&vector, "keyInfo"));
        let secret = operations.derive(&seed, &info).unwrap();
        assert_eq!(**secret, *bytes(&vector, "skSm"));
        let server = operations.server(&secret).unwrap();
        let public_key = server.public_key();
        assert_eq!(*public_key, *bytes(&vector, "pkSm"));
        for case in vector["vectors"].as_array().unwrap() {
            let list = |key: &str| -> Vec<Vec<u8>> {
                let texts = case[key].as_str().unwrap().split(',');
                texts.map(|text| hex::decode(text).unwrap()).collect()
            };
            let messages = list("Input");
            let blinds = list("Blind");
            let states: Vec<_> = messages
                .iter()
                .zip(&blinds)
                .map(|(message, blind)| {
                    let mut rng = drawing(suite, std::slice::from_ref(blind));
                    operations.blind(message, &mut rng).unwrap()
                })
                .collect();
            let of_state = |state: &group::State| state[suite.scalar_size()..].into();
            let blinded: Vec<Box<[u8]>> = states.iter().map(of_state).collect();
            assert!(
                blinded
                    .iter()
                    .map(|e| e.to_vec())
                    .eq(list("BlindedElement"))
            );
            let nonce = bytes(&case["Proof"], "r");
            let mut rng = drawing(suite, &[nonce]);
            let (evaluated, proof) = server.evaluate(&blinded, &mut rng).unwrap();
            let expected = list("EvaluationElement");
            assert!(evaluated.iter().map(|e| e.to_vec()).eq(expected));
            assert_eq!(*proof, *bytes(&case["Proof"], "proof"));
            let proven = group::Proven {
                public_key: &public_key,
                evaluated: &evaluated,
                proof: &proof,
            };
            let outputs = operations.finalize(&messages, &states, proven).unwrap();
            assert!(outputs.iter().map(|o| o.to_vec()).eq(list("Output")));
            for (message, output) in messages.iter().zip(outputs) {
                assert_eq!(**server.output(message).unwrap(), *output);
            }
            reproduced += 1;
        }
    }
    assert_eq!(reproduced, 6);
}
