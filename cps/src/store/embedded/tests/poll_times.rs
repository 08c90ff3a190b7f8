//! What the time of an answer to a poll tells.

use pennyblack_sealing::mailbox::Kem;

use super::*;
use crate::sealed_pages::poll_times;

#[tokio::test]
async fn the_time_of_an_answer_tells_nothing_of_the_mailbox() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), poll_times::LIMITS, Hand::new().clock());
    poll_times::check(Arc::new(store.unwrap()), &Kem::ALL).await;
}

#[tokio::test]
async fn an_answer_whose_time_tells_something_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), poll_times::LIMITS, Hand::new().clock());
    let store = Arc::new(store.unwrap());
    poll_times::plants::a_late_leak_is_found(Arc::clone(&store)).await;
    poll_times::plants::a_slow_read_is_found_without_the_delay_alone(store).await;
}
