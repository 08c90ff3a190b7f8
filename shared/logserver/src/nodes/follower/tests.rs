use std::future::poll_fn;
use std::task::Poll;

use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::{Redis, RedisOptions};

use super::*;
use crate::nodes::TransparencyLogConfig;
use crate::statements::StatementLog;

/// Nothing listens there, and nothing is asked.
const NOBODY: &str = "127.0.0.1:1";

#[tokio::test]
async fn what_was_read_is_known_although_its_reader_gave_up_during_the_write() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("followed.json");
    let options = RedisOptions::new(format!("redis://{NOBODY}").parse().unwrap());
    let record = LeaderRecord::new(Redis::new(&options).unwrap(), "{log}k".to_owned());
    let config = TransparencyLogConfig {
        leader: Some(format!("http://{NOBODY}")),
        tls_roots: None,
    };
    let leader = LeaderClient::of(&config).unwrap().unwrap();
    let name = "cps.example/log".parse().unwrap();
    let log = FollowerLog::open(name, leader, record, &file, None).unwrap();

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
