use std::future::{IntoFuture as _, poll_fn};
use std::path::Path;
use std::task::Poll;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::oblivious_keys::{KeyConfigDigest, ObliviousKey};
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::{Redis, RedisOptions};

use super::*;
use crate::nodes::LeaderLog;
use crate::nodes::TransparencyLogConfig;
use crate::statements::StatementLog;

/// Nothing listens there, and nothing is asked.
const NOBODY: &str = "127.0.0.1:1";

/// A follower of the leader at this address, which has no Redis.
fn follower(leader: &str, file: &Path) -> FollowerLog {
    let options = RedisOptions::new(format!("redis://{NOBODY}").parse().unwrap());
    let record = LeaderRecord::new(Redis::new(&options).unwrap(), "{log}k".to_owned());
    let config = TransparencyLogConfig {
        leader: Some(format!("http://{leader}")),
        tls_roots: None,
    };
    let leader = LeaderClient::of(&config).unwrap().unwrap();
    let name = "cps.example/log".parse().unwrap();
    FollowerLog::open(name, leader, record, file, None).unwrap()
}

#[tokio::test]
async fn entries_of_a_kind_that_was_learned_since_are_known_after_an_update() {
    let home = tempfile::tempdir().unwrap();
    let service = "cps.example".parse().unwrap();
    let statements = StatementLog::open(&home.path().join("log"), &service).unwrap();
    let leader = Arc::new(LeaderLog::alone(Arc::new(statements)));
    let key = Statement::ObliviousKeyAnnounced(ObliviousKey {
        key_config: KeyConfigDigest([7; 32]),
        kem_id: 0x20,
        not_before: UnixTime(60),
        not_after: UnixTime(120),
    });
    let log = leader.published();
    leader.state(key.clone(), UnixTime(60)).await.unwrap();
    let mut checkpoints = log.checkpoints();
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == 1);
    drop(signed.await.unwrap());
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let serving = tokio::spawn(axum::serve(socket, leader.router().into_router()).into_future());
    let file = home.path().join("followed.json");
    let first = follower(&address, &file);
    let verifier = log.verifier().clone();
    *first.reading.lock().await = Some(Reading::of(&first.leader, verifier, Position::default()));
    first.refresh().await.unwrap();
    assert!(first.keys(|keys| keys.has(&key)));
    // As a version has left it that skipped the entry.
    let mut text: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    text.as_object_mut().unwrap().remove("last_kind").unwrap();
    text["keys"]["oblivious"] = serde_json::json!({});
    std::fs::write(&file, text.to_string()).unwrap();
    let updated = follower(&address, &file);
    assert!(!updated.keys(|keys| keys.has(&key)));
    updated.refresh().await.unwrap();
    assert!(updated.keys(|keys| keys.has(&key)));
    serving.abort();
}

#[tokio::test]
async fn what_was_read_is_known_although_its_reader_gave_up_during_the_write() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("followed.json");
    let log = follower(NOBODY, &file);

    let service = "cps.example".parse().unwrap();
    let statements = StatementLog::open(&home.path().join("log"), &service).unwrap();
    let key = statements.published().verifier().clone();
    let mut reading = Arc::clone(&log.reading).lock_owned().await;
    *reading = Some(Reading::of(&log.leader, key, Position::default()));
    let reading = OwnedMutexGuard::try_map(reading, Option::as_mut).unwrap();
    let (mut keys, id) = (KnownKeys::default(), TokenKeyId([1; 32]));
    keys.record(&Statement::IssuanceTotal {
        token_key_id: id,
        issued: 7,
    });
    let mut written = Box::pin(log.persist(reading, Position::default(), keys));
    let begun = poll_fn(|context| Poll::Ready(written.as_mut().poll(context).is_pending()));
    begun.await;
    drop(written);

    // The next reader waits for the write.
    drop(log.reading.lock().await);
    assert!(file.exists());
    assert!(log.keys(|keys| keys.is_totalled(id)));
}
