//! What a call costs: how many keys of a number get a copy, which of them, and how much of
//! a directory's answer is read.

use pennyblack_client::auth_service::{KeyLookup, OobAuthenticationError};
use pennyblack_pki::{LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_protocol::key_record::{Coverage, KEY_RECORD_LIST_MEDIA_TYPE};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_stir::telephone_number::NumberRange;
use pennyblack_tests::federation::Federation;
use pennyblack_tests::prepared_answers::PreparedAnswers;

use super::scene::{Scene, number};
use super::{CALLEE, NOW, QUICK};

#[tokio::test]
async fn a_number_with_many_keys_costs_no_more_tokens_than_are_allowed() {
    let scene = Scene::set(16).await;
    for _ in 0..6 {
        let desk = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
        let coverage = Coverage::Number(number(CALLEE));
        scene.register("office", &desk, coverage).await.unwrap();
    }
    // Fewer than a block has: there are no others.
    let mut caller = scene.federation.caller(scene.address(), QUICK).unwrap();
    let block = KeyLookup::Block { digits: 7 };
    let found = caller.keys_of(&number(CALLEE), block, NOW).await.unwrap();
    assert_eq!((found.keys.len(), found.is_partial), (7, false));
    for _ in 0..6 {
        let desk = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
        let coverage = Coverage::Number(number(CALLEE));
        scene.register("office", &desk, coverage).await.unwrap();
    }
    let placed = scene.place_call(scene.address(), QUICK).await.unwrap();
    assert_eq!((placed, scene.tokens()), (8, 8));
    // Of one certificate's keys those for this number alone come first.
    assert_eq!(scene.entries(&scene.office).await, 0);
    for look_up in [KeyLookup::Number, KeyLookup::Block { digits: 7 }] {
        for max_copies in [1, 13, 20] {
            caller.max_copies = max_copies;
            let found = caller.keys_of(&number(CALLEE), look_up, NOW).await.unwrap();
            // Eight for this number alone, and the office's.
            let all = if look_up == KeyLookup::Number { 13 } else { 9 };
            assert_eq!(found.keys.len(), max_copies.min(all));
            assert_eq!(found.left_out, all - found.keys.len());
            // Four keys are among those that the block does not have.
            assert_eq!(found.is_partial, look_up != KeyLookup::Number);
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn pages_without_an_end_end_and_what_is_no_page_is_not_asked_for() {
    let federation = Federation::found(Clock::by_hand(NOW).0).unwrap();
    let look_up = async |next: &str| {
        let json = format!(r#"{{"records":[],"next":"{next}"}}"#);
        let cps = PreparedAnswers::start(vec![key_list(&json)]).await.unwrap();
        let caller = federation.caller(cps.address(), QUICK).unwrap();
        let block = KeyLookup::Block { digits: 7 };
        let found = caller.keys_of(&number(CALLEE), block, NOW).await;
        let found = found.map(|found| (found.keys.len(), found.is_partial));
        (found, cps.requests())
    };
    let (found, requests) = look_up("11-12#").await;
    // What was found in them would be used.
    assert_eq!(found.unwrap(), (0, true));
    assert_eq!(requests.len(), 128);
    let second = requests[1].lines().next().unwrap();
    let asked = "GET /v1/keys?prefix=1212555&after=11-12%23&pad=";
    assert!(second.starts_with(asked), "{second}");
    for next in ["11-12&prefix=1", "x", "11-1212555010012125550100"] {
        let (found, requests) = look_up(next).await;
        assert!(
            matches!(found, Err(OobAuthenticationError::KeyList(_))),
            "{next}"
        );
        assert_eq!(requests.len(), 1);
    }
    // For one number there is no second page.
    let cps = PreparedAnswers::start(vec![key_list(r#"{"records":[],"next":"11-1"}"#)]);
    let cps = cps.await.unwrap();
    let caller = federation.caller(cps.address(), QUICK).unwrap();
    let found = caller
        .keys_of(&number(CALLEE), KeyLookup::Number, NOW)
        .await;
    assert_eq!((found.unwrap().keys.len(), cps.requests().len()), (0, 1));
}

fn key_list(json: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {KEY_RECORD_LIST_MEDIA_TYPE}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{json}",
        json.len()
    )
}

#[tokio::test]
async fn a_copy_of_a_key_by_the_holder_of_the_block_does_not_take_its_place() {
    let scene = Scene::set(1).await;
    let two = LeafRequest::new(vec![TnAuthEntry::range(&format!("{CALLEE}+2")).unwrap()]);
    let mut pki = PkiDirectory::open(&scene.federation.pki()).unwrap();
    pki.issue("two", &two, None, NOW).unwrap();
    let own = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    let numbers = NumberRange::new(number(CALLEE), 2).unwrap();
    for (name, coverage) in [
        // By itself it is for fewer numbers.
        ("office", Coverage::Number(number(CALLEE))),
        ("two", Coverage::Range(numbers)),
    ] {
        scene.register(name, &own, coverage).await.unwrap();
    }
    let caller = scene.federation.caller(scene.address(), QUICK).unwrap();
    for look_up in [KeyLookup::Number, KeyLookup::Block { digits: 7 }] {
        let found = caller.keys_of(&number(CALLEE), look_up, NOW).await.unwrap();
        let keys: Vec<_> = found.keys.iter().map(|key| key.mailbox()).collect();
        assert_eq!(keys, [own.mailbox(), scene.office.mailbox()]);
        let breadth = found.keys[0].breadth();
        assert_eq!((breadth.signer, breadth.record), (2, 2));
    }
    scene.end().await;
}

#[tokio::test]
async fn a_blocks_holder_that_delegates_to_itself_hides_no_key_of_the_numbers_holder() {
    let scene = Scene::set(1).await;
    let mut pki = PkiDirectory::open(&scene.federation.pki()).unwrap();
    let mut block = LeafRequest::new(vec![TnAuthEntry::range(&format!("{CALLEE}+1000")).unwrap()]);
    block.may_delegate = true;
    let one = LeafRequest::new(vec![TnAuthEntry::one(CALLEE).unwrap()]);
    pki.issue("block", &block, None, NOW).unwrap();
    pki.issue("itself", &one, Some("block"), NOW).unwrap();
    pki.issue("own", &one, None, NOW).unwrap();
    let generate = || RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    let mut keys: Vec<_> = (0..10).map(|_| generate()).collect();
    // Among equals the holder's key comes last.
    keys.sort_by_key(RecipientKey::mailbox);
    let (own, others) = keys.split_last().unwrap();
    let coverage = Coverage::Number(number(CALLEE));
    scene.register("own", own, coverage.clone()).await.unwrap();
    for key in others {
        scene
            .register("itself", key, coverage.clone())
            .await
            .unwrap();
    }
    let caller = scene.federation.caller(scene.address(), QUICK).unwrap();
    for look_up in [KeyLookup::Number, KeyLookup::Block { digits: 7 }] {
        let found = caller.keys_of(&number(CALLEE), look_up, NOW).await.unwrap();
        assert_eq!(
            (found.keys.len(), found.keys[0].mailbox()),
            (8, own.mailbox())
        );
    }
    scene.end().await;
}
