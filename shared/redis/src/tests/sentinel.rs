//! Through Sentinels, which know who the primary is.

use super::*;
use crate::testing::{Replicated, Sentinel};

#[tokio::test]
async fn a_primary_that_sentinels_make_is_used_after_the_death_of_the_other() {
    let mut both = Replicated::start(Options::in_memory()).await;
    let sentinel = Sentinel::start(&both).await;
    let redis = redis(&sentinel.url());
    assert_eq!(write(&redis).await.unwrap(), b"value");
    both.primary.kill();
    until("the new primary to answer", SOON, async || {
        write(&redis).await.ok()
    })
    .await;
    assert_eq!(both.replica.info("replication").await["role"], "master");
}
