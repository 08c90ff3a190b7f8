//! What a relay sees of answers: the status 200 and one of six lengths.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use pennyblack_ohttp::encapsulation::encapsulated_response_size;
use pennyblack_ohttp::key_config::KeyConfig;
use pennyblack_ohttp::key_ratchet::OfferedKem;
use pennyblack_service::answer_times::AnswerTimes;
use pennyblack_tests::sealed::{open, post, seal, served_keys, telling_fields};
use pennyblack_tests::world::World;

use super::kinds::{Kind, every_kind, with_padding};
use super::{gateway, section};

const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 16;

async fn ask(world: &World, key: &KeyConfig, kind: &Kind) -> usize {
    let (sealed, opener) = seal(key, &kind.request);
    let outer = post(world, sealed).await.unwrap();
    assert_eq!(telling_fields(&outer.headers), Vec::<String>::new());
    let answer = open(opener, &outer);
    let inner = &answer.inner;
    assert_eq!(inner.status, kind.status, "{}: {}", kind.name, inner.text());
    if inner.status.as_u16() >= 400 {
        let _ = inner.problem();
    }
    if inner.status == 401 {
        assert!(!inner.challenges().is_empty());
    }
    let expected = encapsulated_response_size(key.kem(), kind.class);
    assert_eq!(answer.size, expected, "{}", kind.name);
    answer.size
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_of_every_kind_and_outcome_have_answers_of_the_stated_lengths() {
    let scene = gateway(|world| {
        section(world).kems = vec![OfferedKem::X25519, OfferedKem::XWing];
        world.cps.retrieval.answer_delay = AnswerTimes::SHORTEST;
    })
    .await;
    let world = &scene.world;
    let keys = served_keys(world).await;
    assert_eq!(keys.len(), 2);
    let plain = every_kind(world).await;
    let padded = [2_048, 9_216, 34_816].map(|least| with_padding(&plain, least));
    let kinds: Vec<_> = plain.iter().chain(padded.iter().flatten()).collect();
    let all = kinds
        .iter()
        .flat_map(|kind| keys.iter().map(move |key| (*key).clone()).zip([*kind; 2]));
    let all: Vec<_> = all.collect();
    let asked = all.iter().cycle().take(REQUESTS);
    let sizes = stream::iter(asked).map(|(key, kind)| ask(world, key, kind));
    let sizes: BTreeSet<_> = sizes.buffer_unordered(AT_ONCE).collect().await;
    // Five classes under either KEM; the sixth is for pages of X-Wing mailboxes.
    assert_eq!(sizes.len(), 10, "{sizes:?}");
    // Each was refused or answered once as it would have been directly, and nothing stored.
    let counted = scene.counted().await;
    assert_eq!(counted["totals"]["stored"], 1, "{counted}");
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_and_a_look_up_that_ask_for_it_look_alike() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let key = served_keys(world).await.remove(0);
    let kinds = with_padding(&every_kind(world).await, 9_216);
    let mut sizes = BTreeSet::new();
    for name in [
        "stored before",
        "double spend",
        "no token",
        "a number",
        "a number of nobody",
    ] {
        let kind = kinds.iter().find(|kind| kind.name == name).unwrap();
        sizes.insert(ask(world, &key, kind).await);
    }
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    scene.close().await;
}
