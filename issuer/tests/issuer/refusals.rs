//! Every refusal of docs/protocol.md section 2, provoked over HTTP. Each problem
//! document ends with what to do (checked by `Answer::problem`).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::scene::pki::{Carrier, Pki};
use crate::scene::{NOW, Scene, pending};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use pennyblack_attestation::Statement;
use pennyblack_base::problem::ProblemType;
use pennyblack_privacypass::issuance::{
    BATCH_REQUEST_TYPE, REQUEST_TYPE, TokenRequest, batch_to_bytes,
};
use pennyblack_stir::jws::CertificateReference;

async fn setting() -> (Scene, Carrier, TokenRequest) {
    let scene = Scene::open().await;
    let carrier = scene.pki.carrier("683G");
    let request = pending(&scene.signing_key().await).request();
    (scene, carrier, request)
}

#[tokio::test]
async fn a_request_without_attestation_is_refused() {
    let (scene, _, request) = setting().await;
    let answer = scene.post(REQUEST_TYPE, None, request.to_bytes()).await;
    assert_eq!(answer.problem(), ProblemType::AttestationMissing);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn an_attestation_that_is_none_is_refused() {
    let (scene, _, request) = setting().await;
    let answer = scene
        .post(REQUEST_TYPE, Some("no.j.wt"), request.to_bytes())
        .await;
    assert_eq!(answer.problem(), ProblemType::AttestationMalformed);
}

#[tokio::test]
async fn an_attestation_for_another_issuer_is_refused() {
    let (mut scene, carrier, request) = setting().await;
    scene.authority = "other.test".parse().unwrap();
    let answer = scene.draw(&carrier, "683G", &request).await;
    assert_eq!(answer.problem(), ProblemType::AttestationMalformed);
}

#[tokio::test]
async fn an_attestation_of_another_time_is_refused() {
    let (scene, carrier, request) = setting().await;
    let body = request.to_bytes();
    for now in [
        NOW.minus(Duration::from_secs(61)),
        NOW.plus(Duration::from_secs(31)),
    ] {
        let statement = Statement {
            iss: "683G",
            audience: &scene.authority,
            body: &body,
            now,
            lifetime: Duration::from_secs(60),
        };
        let bearer = statement.sign(&carrier.certificate, &carrier.key);
        let answer = scene.post(REQUEST_TYPE, Some(&bearer), body.clone()).await;
        assert_eq!(answer.problem(), ProblemType::AttestationNotCurrent);
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_refused() {
    let (scene, _, request) = setting().await;
    let stranger = Pki::new().carrier("683G");
    let answer = scene.draw(&stranger, "683G", &request).await;
    assert_eq!(answer.problem(), ProblemType::CertificateUntrusted);
}

#[tokio::test]
async fn a_certificate_that_is_only_referred_to_is_not_fetched() {
    let (scene, mut carrier, request) = setting().await;
    let url = "https://certificates.example.net/683G.pem".parse().unwrap();
    carrier.certificate = CertificateReference::X5u(url);
    let answer = scene.draw(&carrier, "683G", &request).await;
    assert_eq!(answer.problem(), ProblemType::CertificateUnavailable);
}

#[tokio::test]
async fn a_subject_that_the_certificate_does_not_have_is_refused() {
    let (scene, carrier, request) = setting().await;
    for iss in ["9ABC", "684G", "12155550100"] {
        let answer = scene.draw(&carrier, iss, &request).await;
        assert_eq!(answer.problem(), ProblemType::SubjectNotAuthorized);
    }
}

#[tokio::test]
async fn a_signature_by_another_key_is_refused() {
    let (scene, mut carrier, request) = setting().await;
    carrier.key = scene.pki.carrier("683G").key;
    let answer = scene.draw(&carrier, "683G", &request).await;
    assert_eq!(answer.problem(), ProblemType::AttestationSignature);
}

#[tokio::test]
async fn an_attestation_for_another_body_is_refused() {
    let (scene, carrier, request) = setting().await;
    let mut other = request.clone();
    other.blinded[255] ^= 1;
    let bearer = scene.attestation(&carrier, "683G", &other.to_bytes());
    let answer = scene
        .post(REQUEST_TYPE, Some(&bearer), request.to_bytes())
        .await;
    assert_eq!(answer.problem(), ProblemType::AttestationBodyMismatch);
}

#[tokio::test]
async fn another_media_type_is_refused() {
    let (scene, carrier, request) = setting().await;
    let body = request.to_bytes();
    let bearer = scene.attestation(&carrier, "683G", &body);
    for media_type in ["application/json", "application/private-token-response"] {
        let answer = scene.post(media_type, Some(&bearer), body.clone()).await;
        assert_eq!(answer.problem(), ProblemType::UnsupportedMediaType);
    }
}

#[tokio::test]
async fn a_header_field_that_occurs_twice_or_is_not_ascii_is_refused_and_named() {
    let (scene, carrier, request) = setting().await;
    let body = request.to_bytes();
    let bearer = format!("Bearer {}", scene.attestation(&carrier, "683G", &body));
    let (good, foreign) = (bearer.as_str(), "Bearer é");
    let (malformed, media_type) = (
        ProblemType::AttestationMalformed,
        ProblemType::UnsupportedMediaType,
    );
    for (types, attestations, kind, fault) in [
        (
            &[REQUEST_TYPE][..],
            &[good, good][..],
            malformed,
            "more than one Authorization",
        ),
        (
            &[REQUEST_TYPE],
            &[good, "Bearer no.j.wt"],
            malformed,
            "more than one Authorization",
        ),
        (
            &[REQUEST_TYPE],
            &[foreign],
            malformed,
            "Authorization header has characters",
        ),
        (
            &[REQUEST_TYPE; 2],
            &[good],
            media_type,
            "more than one Content-Type",
        ),
        (
            &["text/é"],
            &[good],
            media_type,
            "Content-Type header has characters",
        ),
        (&[], &[good], media_type, "no Content-Type"),
    ] {
        let mut headers = HeaderMap::new();
        for (name, values) in [(CONTENT_TYPE, types), (AUTHORIZATION, attestations)] {
            for value in values {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(&name, value);
            }
        }
        let answer = scene.post_with(headers, body.clone()).await;
        assert_eq!(answer.problem(), kind);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(text.contains(fault), "{text}");
    }
    scene
        .post(REQUEST_TYPE, bearer.strip_prefix("Bearer "), body)
        .await
        .ok();
}

/// Attested like any other, so that only the body can be at fault.
async fn refused_body(
    scene: &Scene,
    carrier: &Carrier,
    media_type: &str,
    body: &[u8],
) -> ProblemType {
    let bearer = scene.attestation(carrier, "683G", body);
    scene
        .post(media_type, Some(&bearer), body.to_vec())
        .await
        .problem()
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused() {
    let (scene, carrier, request) = setting().await;
    let single = refused_body(&scene, &carrier, REQUEST_TYPE, &[0, 2]).await;
    assert_eq!(single, ProblemType::MalformedTokenRequest);
    let mut longer = batch_to_bytes(&[request]);
    longer.push(0);
    for batch in [&[0][..], &[], &longer] {
        let batch = refused_body(&scene, &carrier, BATCH_REQUEST_TYPE, batch).await;
        assert_eq!(batch, ProblemType::MalformedTokenRequest);
    }
}

#[tokio::test]
async fn unknown_type_key_and_size_are_422() {
    let (scene, carrier, request) = setting().await;
    let single = async |bytes: Vec<u8>| refused_body(&scene, &carrier, REQUEST_TYPE, &bytes).await;
    let mut bytes = request.to_bytes();
    bytes[1] = 9;
    assert_eq!(single(bytes).await, ProblemType::UnknownTokenType);
    // A type that exists, of the right size, for which this issuer has no key.
    let voprf = [&[0, 5, request.truncated_token_key_id][..], &[1; 32]].concat();
    assert_eq!(single(voprf).await, ProblemType::UnknownTokenType);
    let mut bytes = request.to_bytes();
    bytes[2] ^= 1;
    assert_eq!(single(bytes).await, ProblemType::UnknownTokenKey);
    let mut bytes = request.to_bytes();
    bytes.pop();
    assert_eq!(single(bytes).await, ProblemType::InvalidBlindedElement);
    let mut bytes = request.to_bytes();
    bytes[3..].fill(0xff);
    assert_eq!(single(bytes).await, ProblemType::InvalidBlindedElement);
}

#[tokio::test]
async fn a_batch_too_large_is_refused() {
    let scene = Scene::open_with(|config| config.signing.batch = NonZeroUsize::new(2)).await;
    let carrier = scene.pki.carrier("683G");
    let request = pending(&scene.signing_key().await).request();
    let body = batch_to_bytes(&vec![request; 3]);
    let kind = refused_body(&scene, &carrier, BATCH_REQUEST_TYPE, &body).await;
    assert_eq!(kind, ProblemType::BatchTooLarge);
    assert_eq!(kind.status(), 422);
}

#[tokio::test]
async fn a_batch_of_which_nothing_can_be_granted_is_400_with_the_first_reason() {
    let (scene, carrier, mut request) = setting().await;
    request.truncated_token_key_id ^= 1;
    let answer = scene
        .draw_batch(&carrier, "683G", &[request.clone(), request])
        .await;
    assert_eq!(answer.problem(), ProblemType::BatchNotServed);
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.contains("no key that signs at present"), "{text}");
}

#[tokio::test]
async fn the_order_of_the_checks_is_that_of_the_protocol() {
    let (scene, carrier, _) = setting().await;
    let stranger = Pki::new().carrier("683G");
    let body = vec![1, 2, 3];
    let at = |iss, now| Statement {
        iss,
        audience: &scene.authority,
        body: &[],
        now,
        lifetime: Duration::from_secs(60),
    };
    let (old, now) = (NOW.minus(Duration::from_secs(600)), NOW);
    // Each has every fault of those after it.
    let worst = at("9ABC", old).sign(&stranger.certificate, &carrier.key);
    let untrusted = at("9ABC", now).sign(&stranger.certificate, &carrier.key);
    let subject = at("9ABC", now).sign(&carrier.certificate, &stranger.key);
    let signature = at("683G", now).sign(&carrier.certificate, &stranger.key);
    let digest = at("683G", now).sign(&carrier.certificate, &carrier.key);
    let form = scene.attestation(&carrier, "683G", &body);
    for (media_type, bearer, kind) in [
        ("text/plain", &worst, ProblemType::UnsupportedMediaType),
        (REQUEST_TYPE, &worst, ProblemType::AttestationNotCurrent),
        (REQUEST_TYPE, &untrusted, ProblemType::CertificateUntrusted),
        (REQUEST_TYPE, &subject, ProblemType::SubjectNotAuthorized),
        (REQUEST_TYPE, &signature, ProblemType::AttestationSignature),
        (REQUEST_TYPE, &digest, ProblemType::AttestationBodyMismatch),
        (REQUEST_TYPE, &form, ProblemType::UnknownTokenType),
    ] {
        let answer = scene.post(media_type, Some(bearer), body.clone()).await;
        assert_eq!(answer.problem(), kind);
    }
}

#[tokio::test]
async fn accounts_that_cannot_be_written_refuse_and_charge_nothing() {
    let scene = Scene::open_with(|config| config.quota.tokens = 1).await;
    let carrier = scene.pki.carrier("683G");
    let request = pending(&scene.signing_key().await).request();
    let (here, away) = (scene.path("data/quota"), scene.path("away"));
    std::fs::rename(&here, &away).unwrap();
    let answer = scene.draw(&carrier, "683G", &request).await;
    assert_eq!(answer.problem(), ProblemType::StoreUnavailable);
    std::fs::rename(&away, &here).unwrap();
    scene.draw(&carrier, "683G", &request).await.ok();
}

#[tokio::test]
async fn an_overloaded_issuer_says_so_and_has_charged_nothing() {
    let scene = Scene::open_with(|config| {
        config.signing.workers = NonZeroUsize::new(1);
        config.signing.queue = NonZeroUsize::new(1);
        config.quota.tokens = 64 * 12;
    })
    .await;
    let carrier = scene.pki.carrier("683G");
    let key = scene.signing_key().await;
    let (scene, carrier) = (Arc::new(scene), Arc::new(carrier));
    let batch = || (0..64).map(|_| pending(&key).request()).collect::<Vec<_>>();
    let mut waiting: Vec<_> = (0..12).map(|_| batch()).collect();
    let mut overloaded = 0;
    while !waiting.is_empty() {
        let mut tasks = tokio::task::JoinSet::new();
        for batch in waiting.drain(..) {
            let (scene, carrier) = (scene.clone(), carrier.clone());
            tasks.spawn(async move {
                let answer = scene.draw_batch(&carrier, "683G", &batch).await;
                (batch, answer)
            });
        }
        for (batch, answer) in tasks.join_all().await {
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(answer.problem(), ProblemType::Overloaded);
                overloaded += 1;
                waiting.push(batch);
            } else {
                // The quota is for exactly these: no refusal may have been charged.
                answer.batch();
            }
        }
    }
    assert!(overloaded > 0);
}
