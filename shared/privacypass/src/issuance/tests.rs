use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn vectors() -> Vec<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/batched-generic/batched-issuance-test-vectors.json"
    );
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

fn bytes(vector: &Value, key: &str) -> Vec<u8> {
    hex::decode(vector[key].as_str().unwrap()).unwrap()
}

/// The form of every batch is checked; what is inside a blind RSA one is
/// evaluated in `blind_rsa`'s tests, of a VOPRF one not yet.
#[test]
fn the_batches_of_the_draft_come_apart_and_together_again() {
    let mut seen = std::collections::BTreeMap::<u16, usize>::new();
    for vector in vectors() {
        let (request, response) = (
            bytes(&vector, "token_request"),
            bytes(&vector, "token_response"),
        );
        let requests = parse_batch(&request, 10).unwrap();
        let answers = parse_batch_answer(&response, 10).unwrap();
        let asked: Vec<_> = requests.iter().map(|r| r.token_type).collect();
        let answered: Vec<_> = answers.iter().flatten().map(|a| a.token_type).collect();
        assert_eq!(asked, answered);
        assert_eq!(batch_to_bytes(&requests), request);
        assert_eq!(batch_answer_to_bytes(&answers), response);
        for token_type in asked {
            *seen.entry(token_type.0).or_default() += 1;
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(1, 4), (2, 4)]);
}

#[test]
fn an_empty_batch_is_refused() {
    assert_eq!(parse_batch(&[0], 10), Err(IssuanceError::EmptyBatch));
    assert_eq!(parse_batch_answer(&[0], 10), Err(IssuanceError::EmptyBatch));
}

#[test]
fn a_batch_over_the_limit_is_refused_before_it_is_read() {
    let batch = batch_to_bytes(&vec![request(2, 256); 3]);
    assert_eq!(
        parse_batch(&batch, 2),
        Err(IssuanceError::BatchTooLarge { max: 2 })
    );
}

#[test]
fn an_unknown_type_a_wrong_size_and_a_fragment_are_told_apart() {
    let unknown = [0xab, 0xcd, 8, 1];
    assert_eq!(
        TokenRequest::parse(&unknown),
        Err(IssuanceError::UnknownType(TokenType(0xabcd)))
    );
    assert_eq!(
        TokenRequest::parse(&[0, 2, 8, 1]),
        Err(IssuanceError::BlindedSize {
            token_type: TokenType::BLIND_RSA_2048,
            expected: 256,
            actual: 1
        })
    );
    assert!(matches!(
        TokenRequest::parse(&[0, 2]),
        Err(IssuanceError::Form(_))
    ));
}

#[test]
fn a_presence_octet_is_zero_or_one() {
    assert_eq!(
        parse_batch_answer(&[1, 2], 10),
        Err(IssuanceError::Presence(2))
    );
}

#[test]
fn an_absent_answer_keeps_its_place() {
    let answers = vec![
        None,
        Some(TokenResponse {
            token_type: TokenType::BLIND_RSA_2048,
            response: vec![1; 256].into(),
        }),
        None,
    ];
    assert_eq!(
        parse_batch_answer(&batch_answer_to_bytes(&answers), 3),
        Ok(answers)
    );
}

fn request(token_type: u16, size: usize) -> TokenRequest {
    TokenRequest {
        token_type: TokenType(token_type),
        truncated_token_key_id: 8,
        blinded: vec![7; size].into(),
    }
}

proptest! {
    #[test]
    fn a_batch_comes_back_as_it_went(kinds in proptest::collection::vec(0usize..3, 1..20)) {
        let batch: Vec<_> = kinds
            .iter()
            .map(|&kind| [request(1, 49), request(2, 256), request(5, 32)][kind].clone())
            .collect();
        prop_assert_eq!(parse_batch(&batch_to_bytes(&batch), 20), Ok(batch.clone()));
        for one in batch {
            prop_assert_eq!(TokenRequest::parse(&one.to_bytes()), Ok(one));
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = TokenRequest::parse(&bytes);
        if let Ok(batch) = parse_batch(&bytes, 8) {
            prop_assert_eq!(batch_to_bytes(&batch), bytes.clone());
        }
        if let Ok(batch) = parse_batch_answer(&bytes, 8) {
            prop_assert_eq!(batch_answer_to_bytes(&batch), bytes);
        }
    }
}
