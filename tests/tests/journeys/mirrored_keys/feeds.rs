//! What is published, replaced and ended, at one CPS or several.

use std::time::{Duration, Instant};

use pennyblack_base::time::UnixTime;
use pennyblack_client::directory::{Directory, NoObserver};
use pennyblack_pki::TnAuthEntry;
use pennyblack_protocol::key_record::{Coverage, KeyRecord};

use super::scene::*;

#[tokio::test(flavor = "multi_thread")]
async fn records_are_at_hand_by_the_numbers_that_they_answer_for() {
    let scene = Scene::set(1).await;
    let one = scene.sign(&scene.record(&key(), callee(), 0));
    let all = scene.sign(&scene.record(&key(), all_of_the_office(), 0));
    scene.feeds[0].publish([all.clone(), one.clone()]).await;
    assert_eq!(scene.new_records().await, [2]);
    // The most specific comes first.
    assert_eq!(scene.found(CALLEE, NOW), [one, all.clone()]);
    assert_eq!(scene.found("12125550143", NOW), [all]);
    assert!(scene.found("12125550200", NOW).is_empty());
    assert!(
        scene.found(CALLEE, NOW.plus(HOUR)).is_empty(),
        "they have ended"
    );
    // Nothing new, and one request says so.
    let asked = scene.feeds[0].asked("/v1/keys/feed");
    assert_eq!(scene.new_records().await, [0]);
    assert_eq!(scene.feeds[0].asked("/v1/keys/feed"), asked + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_mailbox_and_signer_the_newest_record_counts_wherever_it_comes_from() {
    let scene = Scene::set(2).await;
    let moved = key();
    let old = scene.sign(&scene.record(&moved, all_of_the_office(), 0));
    let new = scene.sign(&scene.record(&moved, callee(), 30));
    let [first, second] = scene.feeds.as_slice() else {
        panic!("two CPSs");
    };
    first.publish([new.clone()]).await;
    assert_eq!(scene.new_records().await, [1, 0]);
    // The old one comes later from another CPS, and counts for no number.
    second.publish([old]).await;
    assert_eq!(scene.new_records().await, [0, 0]);
    assert_eq!(scene.found(CALLEE, NOW), [new]);
    assert!(scene.found("12125550143", NOW).is_empty());
    // A withdrawal is a newer record that ends soon; nothing older comes back after it.
    let withdrawal = KeyRecord {
        exp: UnixTime(NOW.0 + 60),
        ..scene.record(&moved, callee(), 50)
    };
    first.publish([scene.sign(&withdrawal)]).await;
    scene.sync().await;
    let later = UnixTime(NOW.0 + 60);
    scene.sync_at(later, &NoObserver).await;
    assert!(scene.found(CALLEE, later).is_empty());
    assert_eq!(scene.directory.state(later).unwrap().records, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_ends_when_no_cps_shows_it_any_more() {
    let scene = Scene::set(2).await;
    let record = scene.sign(&scene.record(&key(), callee(), 0));
    for feed in &scene.feeds {
        feed.publish([record.clone()]).await;
    }
    // It is one record, whichever of them is first.
    assert_eq!(scene.new_records().await.iter().sum::<u64>(), 1);
    assert_eq!(scene.directory.state(NOW).unwrap().records, 1);
    scene.feeds[0].end(&record).await;
    scene.sync().await;
    assert_eq!(scene.found(CALLEE, NOW).len(), 1);
    scene.feeds[1].end(&record).await;
    scene.sync().await;
    assert!(scene.found(CALLEE, NOW).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_that_is_away_holds_up_no_other_and_its_records_stay() {
    let mut scene = Scene::set(2).await;
    let kept = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([kept.clone()]).await;
    scene.sync().await;
    let new = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[1].publish([new.clone()]).await;
    scene.feeds[0].turn_to(|_, _| Vec::new());
    let outcomes = scene.sync().await;
    assert!(outcomes[0].is_err() && outcomes[1].is_ok(), "{outcomes:?}");
    assert_eq!(scene.found(CALLEE, NOW).len(), 2);
    // Another process finds it all.
    scene.directory = Directory::existing(&scene.federation.home().join("directory.db")).unwrap();
    assert_eq!(scene.found(CALLEE, NOW).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_ends_in_the_middle_goes_on_where_its_last_whole_page_ended() {
    const RECORDS: usize = 2_500;
    let scene = Scene::set(1).await;
    let records: Vec<_> = (0..RECORDS)
        .map(|_| scene.record(&key(), callee(), 0))
        .collect();
    let records = records.iter().map(|record| scene.sign(record));
    scene.feeds[0].publish(records).await;
    // The third page does not come.
    scene.feeds[0].turn_to(|path, honest| match path {
        "/v1/keys/feed?after=1999" => Vec::new(),
        _ => honest,
    });
    assert!(scene.sync().await[0].is_err());
    let state = scene.directory.state(NOW).unwrap();
    assert_eq!(state.cpss[0].position, Some(1_999));
    assert_eq!(state.cpss[0].complete, None);
    let taken = state.records;
    scene.feeds[0].turn_to(|_, honest| honest);
    let rest = scene.new_records().await;
    let state = scene.directory.state(NOW).unwrap();
    assert_eq!(state.records, taken + rest[0]);
    assert_eq!(state.cpss[0].complete, Some(NOW));
    assert_eq!(
        state.signers, 1,
        "the certificates of a signer are kept once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_a_number_fills_its_own_room_and_can_still_renew() {
    let scene = Scene::set(1).await;
    let greedy = scene.holder_of("greedy", TnAuthEntry::one(CALLEE).unwrap());
    let sign = |record: &KeyRecord| record.sign(greedy.certificate(), greedy.key());
    let of = |record: KeyRecord| KeyRecord {
        iss: greedy.iss().to_owned(),
        ..record
    };
    let first = key();
    let records = (0..200).map(|_| sign(&of(scene.record(&key(), callee(), 0))));
    let own = sign(&of(scene.record(&first, callee(), 0)));
    scene.feeds[0]
        .publish(std::iter::once(own).chain(records))
        .await;
    let outcome = scene.sync().await.remove(0).unwrap();
    assert!(outcome.crowded > 100 && outcome.new > 16, "{outcome:?}");
    let renewed = sign(&of(scene.record(&first, callee(), 30)));
    let other = scene.sign(&scene.record(&key(), callee(), 0));
    scene.feeds[0].publish([renewed, other.clone()]).await;
    assert_eq!(
        scene.new_records().await,
        [2],
        "a renewal needs no room, nor does another holder"
    );
}

/// A tenth of what a whole federation has.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_records_are_taken_up_in_seconds_and_found_in_no_time() {
    const RECORDS: usize = 10_000;
    let scene = Scene::set(1).await;
    let city = scene.holder_of("city", TnAuthEntry::range("12135550000+10000").unwrap());
    let record = |place: usize| {
        let number = number(&format!("1213555{place:04}"));
        let record = KeyRecord {
            iss: city.iss().to_owned(),
            ..scene.record(&key(), Coverage::Number(number), 0)
        };
        record.sign(city.certificate(), city.key())
    };
    scene.feeds[0].publish((0..RECORDS).map(record)).await;
    let begin = Instant::now();
    assert_eq!(scene.new_records().await, [RECORDS as u64]);
    let took = begin.elapsed();
    let begin = Instant::now();
    assert_eq!(scene.found("12135554711", NOW).len(), 1);
    println!(
        "{RECORDS} records in {took:?}, a look-up in {:?}",
        begin.elapsed()
    );
    // An optimised program has 1.5 s for this; the one of the tests is none, and not alone.
    assert!(took < Duration::from_secs(60), "{took:?}");
}
