//! When the next key is used: one that is there in time, and ones that a CPS announces late,
//! to see who has fetched them.

use super::*;

#[tokio::test]
async fn the_next_key_is_at_hand_before_it_begins_and_is_used_from_then_on() {
    let scene = Scene::new().await;
    let (first, second) = (config(2), config(4));
    scene.shows(&[&first, &second], &[&first, &second]);
    let begins = NOW.minus(MINUTE).plus(WEEK);
    let known = scene.fetch_at(begins.minus(MINUTE)).await.unwrap();
    scene.files.lock().unwrap().clear();
    assert_eq!(used(&known, begins.minus(MINUTE / 60)), Some(2));
    assert_eq!(used(&*scene.remembered().await, begins), Some(4));
}

/// A CPS whose first key everybody has, and a second one that is there from now on, by an entry
/// of `minute`, for a time that `begins`.
async fn after_a_reading_at(
    read: UnixTime,
    minute: UnixTime,
    begins: UnixTime,
) -> (Scene, Result<Arc<CpsKeys>, KeyFetchError>) {
    let scene = Scene::new().await;
    let (first, marked) = (config(2), config(4));
    let before = NOW.minus(DAY);
    let known = (before.minus(DAY), key(&first, before));
    scene.shows_dated(&[&first], &[known]);
    scene.fetch_at(read).await.unwrap();
    scene.shows_dated(&[&marked, &first], &[known, (minute, key(&marked, begins))]);
    let fetched = scene.fetch_at(NOW).await;
    (scene, fetched)
}

#[tokio::test]
async fn a_key_that_was_announced_by_a_false_minute_is_refused_until_it_ends() {
    let minutes = |count: u32| NOW.minus(MINUTE * count);
    let (scene, fetched) = after_a_reading_at(minutes(30), minutes(120), minutes(60)).await;
    let refused = fetched.unwrap_err();
    assert!(refused.is_untrusted(), "{refused}");
    assert!(
        refused.to_string().contains("was announced at"),
        "{refused}"
    );
    let known = scene.remembered().await;
    assert_eq!(used(&known, NOW), Some(2));
    assert!(known.refused.is_some());
    // It is found by every later fetch.
    assert!(
        scene
            .fetch_at(NOW.plus(DAY))
            .await
            .unwrap_err()
            .is_untrusted()
    );
}

#[tokio::test]
async fn after_fetches_that_failed_a_key_waits_for_all_who_may_lack_it() {
    let minutes = |count: u32| NOW.minus(MINUTE * count);
    let (_, fetched) = after_a_reading_at(minutes(59), minutes(1), NOW).await;
    let known = fetched.unwrap();
    let later = NOW.plus(MINUTE * 59);
    assert_eq!((used(&known, NOW), used(&known, later)), (Some(2), Some(2)));
}

#[tokio::test]
async fn a_log_that_was_read_dates_what_comes_later_though_the_list_was_bad() {
    let minutes = |count: u32| NOW.minus(MINUTE * count);
    let scene = Scene::new().await;
    let (first, marked) = (config(2), config(4));
    let before = NOW.minus(DAY);
    let known = (before.minus(DAY), key(&first, before));
    scene.shows_dated(&[&first], &[known]);
    scene.fetch_at(minutes(59)).await.unwrap();
    // A list that is refused; the log is read all the same.
    scene.shows_dated(&[&marked], &[known]);
    assert!(scene.fetch_at(minutes(20)).await.is_err());
    let late = (minutes(40), key(&marked, minutes(60)));
    scene.shows_dated(&[&marked, &first], &[known, late]);
    let refused = scene.fetch_at(NOW).await.unwrap_err();
    assert!(
        refused.to_string().contains("was announced at"),
        "{refused}"
    );
}

/// Behind a gap each client would begin with the next key at its own fetch.
#[tokio::test]
async fn a_key_behind_a_gap_is_used_by_the_clock_though_it_was_fetched_before() {
    let scene = Scene::new().await;
    let (first, second) = (config(2), config(4));
    let ended = NOW.minus(WEEK * 2);
    let known = (ended, key(&first, ended));
    let late = (NOW, key(&second, NOW.minus(DAY)));
    scene.shows_dated(&[&second], &[known, late]);
    let fetched = scene.fetch_at(NOW).await.unwrap();
    assert_eq!((used(&fetched, NOW), fetched.read), (None, Some(NOW)));
    let used_from = NOW.plus(MINUTE * 70);
    scene.fetch_at(used_from.minus(MINUTE)).await.unwrap();
    scene.files.lock().unwrap().clear();
    let known = scene.remembered().await;
    assert_eq!(used(&known, used_from.minus(MINUTE)), None);
    assert_eq!(used(&known, used_from), Some(4));
}
