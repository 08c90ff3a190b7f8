//! Forged requests. `PENNYBLACK_ROUNDS` sets how many messages are sealed; 3,000 without it.

use pennyblack_ohttp::binary_http::Framing;
use pennyblack_ohttp::encapsulation::encapsulate;
use pennyblack_tests::sealed::{first_key, inner_get, inner_store, open, post, seal};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::gateway;
use super::outside::status_of_key_problem;

/// Bytes in front of the ciphertext: header and encapsulated key.
const OPENING: usize = 7 + 32;

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_request_with_any_bit_changed_is_refused_outside() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let key = first_key(world).await;
    let (sealed, _) = seal(&key, &inner_get(world, "/log/key"));
    let bits = 0..8 * OPENING;
    // And some of the rest.
    let rest = (8 * OPENING..8 * sealed.len()).step_by(101);
    for bit in bits.chain(rest) {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let answer = post(world, changed).await.unwrap();
        let status = status_of_key_problem(&answer);
        let expected = if bit < 8 * 7 { 400 } else { 422 };
        // X25519 leaves the last bit of a public key out, and HPKE does not.
        assert_eq!(status, expected, "bit {bit}");
    }
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_sealed_makes_a_service_fail() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let key = first_key(world).await;
    let mailbox = world.mailbox().await;
    let signed = world.spend(&world.draw_one().await, &mailbox, "a.b.c");
    let store = inner_store(world, &signed);
    let requests = [store, inner_get(world, "/log/key")];
    let encoded = requests.map(|request| request.encode(Framing::KnownLength));
    let mut rng = StdRng::seed_from_u64(9458);
    let rounds = std::env::var("PENNYBLACK_ROUNDS").map_or(3_000, |set| set.parse().unwrap());
    for round in 0..rounds {
        let mut message = encoded[round % 2].clone();
        match rng.random_range(0..4) {
            0 => message.truncate(rng.random_range(0..message.len())),
            1 => message.extend([0, 0, 1]),
            2 => {
                message = (0..rng.random_range(0..300))
                    .map(|_| rng.random())
                    .collect();
            }
            _ => {}
        }
        for _ in 0..rng.random_range(1..4) {
            if let Some(byte) = (!message.is_empty()).then(|| rng.random_range(0..message.len())) {
                message[byte] ^= 1 << rng.random_range(0..8);
            }
        }
        let (sealed, opener) = encapsulate(&key, &message, &mut rand::rng()).unwrap();
        let answer = open(opener, &post(world, sealed).await.unwrap());
        let status = answer.inner.status.as_u16();
        assert!(status < 500, "round {round}: {}", answer.inner.text());
    }
    scene.close().await;
}
