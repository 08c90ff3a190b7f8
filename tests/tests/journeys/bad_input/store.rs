//! Section 3: storing.

use std::time::Duration;

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_evidence::spend::RequestDigest;
use pennyblack_privacypass::token::{TokenChallenge, TokenKeyId, TokenType};
use pennyblack_sealing::mailbox::Kem;
use pennyblack_sealing::sealed::slot_size;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::drawing::{Drawing, Spendable};
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::World;

use super::draft::Draft;

/// What is wrong, the refusal it deserves, and how to do it.
type Case = (&'static str, ProblemType, fn(Draft) -> Draft);

const CASES: &[Case] = &[
    (
        "another media type",
        ProblemType::UnsupportedMediaType,
        |d| d.with("content-type", "application/octet-stream"),
    ),
    ("no media type", ProblemType::UnsupportedMediaType, |d| {
        d.without("content-type")
    }),
    ("no token", ProblemType::TokenMissing, |d| {
        d.without("authorization")
    }),
    ("another scheme", ProblemType::TokenInvalid, |d| {
        d.with("authorization", "Bearer abc")
    }),
    ("a token cut off", ProblemType::TokenInvalid, |d| {
        d.with("authorization", "PrivateToken token=\"AAIA\"")
    }),
    ("a token of another type", ProblemType::TokenInvalid, |d| {
        d.with_token(|token| token.token_type = TokenType(0xda7a))
    }),
    ("a forged authenticator", ProblemType::TokenInvalid, |d| {
        d.with_token(|token| token.authenticator[100] ^= 1)
    }),
    ("another nonce", ProblemType::TokenInvalid, |d| {
        d.with_token(|token| token.nonce.0[0] ^= 1)
    }),
    ("a key that is not live", ProblemType::TokenInvalid, |d| {
        d.with_token(|token| token.token_key_id = TokenKeyId([7; 32]))
    }),
    (
        "a key id that differs in the first byte",
        ProblemType::TokenInvalid,
        |d| d.with_token(|token| token.token_key_id.0[0] ^= 1),
    ),
    ("another challenge", ProblemType::TokenInvalid, |d| {
        d.with_token(|token| token.challenge_digest.0[0] ^= 1)
    }),
    ("two tokens", ProblemType::MalformedStoreRequest, |d| {
        let token = d.get("authorization").to_owned();
        d.and("authorization", &token)
    }),
    (
        "an endless token",
        ProblemType::MalformedStoreRequest,
        |d| {
            d.with(
                "authorization",
                &format!("PrivateToken token=\"{}\"", "A".repeat(2000)),
            )
        },
    ),
    (
        "a token that is not ASCII",
        ProblemType::MalformedStoreRequest,
        |d| d.with("authorization", "PrivateToken token=\"é\""),
    ),
    ("two media types", ProblemType::UnsupportedMediaType, |d| {
        let media_type = d.get("content-type").to_owned();
        d.and("content-type", &media_type)
    }),
    ("no digest", ProblemType::MalformedStoreRequest, |d| {
        d.without("content-digest")
    }),
    (
        "another digest algorithm",
        ProblemType::MalformedStoreRequest,
        |d| d.with("content-digest", "sha-512=:AAAA:"),
    ),
    ("no signature", ProblemType::MalformedStoreRequest, |d| {
        d.without("signature")
    }),
    (
        "no signature input",
        ProblemType::MalformedStoreRequest,
        |d| d.without("signature-input"),
    ),
    (
        "a signature over less",
        ProblemType::MalformedStoreRequest,
        |d| {
            let input = d.get("signature-input").replace("\"@authority\" ", "");
            d.with("signature-input", &input)
        },
    ),
    (
        "a short signature",
        ProblemType::MalformedStoreRequest,
        |d| d.with("signature", "spend=:AAAA:"),
    ),
    ("two signatures", ProblemType::MalformedStoreRequest, |d| {
        let signature = d.get("signature").to_owned();
        d.and("signature", &signature)
    }),
    (
        "a digest of something else",
        ProblemType::ContentDigestMismatch,
        |d| {
            d.with(
                "content-digest",
                &RequestDigest::of(b"something else").to_field(),
            )
        },
    ),
    (
        "content changed on the way",
        ProblemType::ContentDigestMismatch,
        |mut d| {
            d.body[1000] ^= 1;
            d
        },
    ),
    (
        "content that was not signed",
        ProblemType::SpendSignature,
        |d| {
            let mut body = d.body.clone();
            body[1000] ^= 1;
            d.with_body(body)
        },
    ),
    ("a forged signature", ProblemType::SpendSignature, |d| {
        let forged = format!("spend=:{}==:", "A".repeat(86));
        d.with("signature", &forged)
    }),
    (
        "a time that was not signed",
        ProblemType::SpendSignature,
        |d| {
            let input = d.get("signature-input").to_owned();
            let (before, rest) = input.split_once("created=").unwrap();
            let (time, after) = rest.split_once(';').unwrap();
            let time = time.parse::<u64>().unwrap() - 30;
            d.with(
                "signature-input",
                &format!("{before}created={time};{after}"),
            )
        },
    ),
    (
        "a time that tells whose clock it is",
        ProblemType::MalformedStoreRequest,
        |d| {
            let input = d.get("signature-input").to_owned();
            let (before, rest) = input.split_once("created=").unwrap();
            let (time, after) = rest.split_once(';').unwrap();
            let time = time.parse::<u64>().unwrap() + 1;
            let input = format!("{before}created={time};{after}");
            d.with("signature-input", &input)
        },
    ),
    ("no content", ProblemType::WrongSlotSize, |d| {
        d.with_body(Vec::new())
    }),
    ("a byte too few", ProblemType::WrongSlotSize, |d| {
        let body = d.body[1..].to_vec();
        d.with_body(body)
    }),
    (
        "the slot of another KEM, not signed",
        ProblemType::SpendSignature,
        |d| {
            let mut body = d.body.clone();
            body.resize(32 + slot_size(Kem::XWing), 0);
            d.with_body(body)
        },
    ),
    (
        "a mailbox that nobody has, not signed",
        ProblemType::SpendSignature,
        |d| {
            let mut body = d.body.clone();
            body[0] ^= 1;
            d.with_body(body)
        },
    ),
];

/// That a 401 tells how to get a token that would do.
async fn assert_challenged(world: &World, answer: &Answer) {
    let [challenge] = answer.challenges().try_into().unwrap();
    assert!(challenge.challenge == world.challenge());
    assert!(challenge.token_key == world.signing_key().await.encoded());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_store_request_is_named_and_does_not_cost_the_token() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let tokens = world.draw(CASES.len()).await;
    for ((what, kind, spoil), token) in CASES.iter().zip(&tokens) {
        let good = Draft::from(&world.spend(token, &mailbox, what));
        let answer = spoil(good.clone()).send(world).await;
        assert_eq!(answer.problem(), *kind, "{what}: {}", answer.text());
        if answer.status == StatusCode::UNAUTHORIZED {
            assert_challenged(world, &answer).await;
        }
        assert_eq!(
            good.send(world).await.status,
            StatusCode::CREATED,
            "after {what}"
        );
    }
    assert_eq!(world.read(&mailbox).await.len(), CASES.len());
    assert!(world.get("/v1/double-spends").await.content().is_empty());
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_header_field_is_named_with_what_is_wrong_with_it() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let [token] = world.draw(1).await.try_into().unwrap();
    let good = Draft::from(&world.spend(&token, &mailbox, "a header"));
    for name in [
        "Authorization",
        "Content-Digest",
        "Signature-Input",
        "Signature",
    ] {
        let header = good.headers.iter().map(|(header, _)| *header);
        let header = header
            .into_iter()
            .find(|header| name.eq_ignore_ascii_case(header));
        let header = header.unwrap();
        let twice = good.clone().and(header, good.get(header)).send(world).await;
        let foreign = good.clone().with(header, "é").send(world).await;
        for (answer, fault) in [(twice, "more than one"), (foreign, "not printable ASCII")] {
            assert_eq!(answer.problem(), ProblemType::MalformedStoreRequest);
            let text = answer.text();
            assert!(
                text.contains(&format!("{name} header")) && text.contains(fault),
                "{text}"
            );
        }
    }
    assert_eq!(good.send(world).await.status, StatusCode::CREATED);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_signed_at_another_time_is_refused_and_its_token_is_not_spent() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let (mailbox, now) = (world.mailbox().await, world.clock.now());
    let minutes = Duration::from_secs(180);
    for created in [now.minus(minutes), now.plus(minutes)] {
        let token = world.draw_one().await;
        let spend = |at| token.spend_on(mailbox.config(), world.cps_name(), "a.b.c", at);
        let answer = world.store(&spend(created)).await.unwrap();
        assert_eq!(answer.problem(), ProblemType::SpendNotCurrent);
        assert_challenged(world, &answer).await;
        world.store(&spend(now)).await.unwrap().assert_created();
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_for_another_cps_is_refused() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let (mailbox, now) = (world.mailbox().await, world.clock.now());
    let other = "cps.example.net".parse().unwrap();

    let token = world.draw_one().await;
    let elsewhere = token.spend_on(mailbox.config(), &other, "a.b.c", now);
    let answer = world.store(&elsewhere).await.unwrap();
    assert_eq!(answer.problem(), ProblemType::SpendSignature);
    world
        .store(&world.spend(&token, &mailbox, "a.b.c"))
        .await
        .unwrap()
        .assert_created();

    let challenge = TokenChallenge::of_cps(TokenType::BLIND_RSA_2048, world.issuer_name(), &other);
    let drawing = Drawing::blind(&world.signing_key().await, challenge.digest(), 1);
    let answer = world.send_drawing(&drawing).await.unwrap();
    let [foreign]: [Spendable; 1] = drawing.finish(answer.content()).try_into().unwrap();
    let answer = world
        .store(&world.spend(&foreign, &mailbox, "a.b.c"))
        .await
        .unwrap();
    assert_eq!(answer.problem(), ProblemType::TokenInvalid);
    assert_challenged(world, &answer).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_with_a_spent_nonce_learns_nothing_and_accuses_nobody() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let (mailbox, token) = (world.mailbox().await, world.draw_one().await);
    let first = world.spend(&token, &mailbox, "a.b.c");
    let second = Draft::from(&world.spend(&token, &mailbox, "d.e.f"));
    let forge = |draft: Draft| draft.with_token(|token| token.authenticator[0] ^= 1);

    let unspent = forge(second.clone()).send(world).await;
    world.store(&first).await.unwrap().assert_created();
    let spent = forge(second.clone()).send(world).await;
    assert_eq!(spent.problem(), ProblemType::TokenInvalid);
    assert!(
        spent.body == unspent.body,
        "the answer tells whether the nonce is spent"
    );
    // A signature that is not the nonce's accuses nobody either.
    let unsigned = second
        .clone()
        .with("signature", &format!("spend=:{}==:", "A".repeat(86)));
    assert_eq!(
        unsigned.send(world).await.problem(),
        ProblemType::SpendSignature
    );
    assert!(world.get("/v1/double-spends").await.content().is_empty());

    assert_eq!(
        second.send(world).await.problem(),
        ProblemType::TokenAlreadySpent
    );
    assert!(!world.get("/v1/double-spends").await.content().is_empty());
    assert_eq!(world.read(&mailbox).await, ["a.b.c"]);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_which_nothing_signs_is_refused_and_spends_nothing() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let request = world.spend(&world.draw_one().await, &mailbox, "a.b.c");
    for query in ["x=1", ""] {
        let mut asked = world.store_request(&request).build().unwrap();
        asked.url_mut().set_query(Some(query));
        let asked = reqwest::RequestBuilder::from_parts(world.client.clone(), asked);
        let answer = Answer::to(asked).await.unwrap();
        assert_eq!(answer.problem(), ProblemType::MalformedStoreRequest);
    }
    world.store(&request).await.unwrap().assert_created();
    scene.close().await;
}
