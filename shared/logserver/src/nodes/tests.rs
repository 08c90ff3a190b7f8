use std::path::Path;
use std::sync::Arc;

use axum::Router;
use http::{HeaderMap, StatusCode};
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::Statement;
use pennyblack_http::{HttpOptions, Request};
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_redis::{Redis, RedisOptions};
use pennyblack_runtime::shutdown::Shutdown;

use super::*;
use crate::statements::StatementLog;

const NOW: UnixTime = UnixTime(1_795_000_007);
const NAME: &str = "{log}k";

fn service() -> Authority {
    "cps.example".parse().unwrap()
}

async fn server() -> RedisServer {
    RedisServer::start(Options::durable()).await
}

fn record_in(server: &RedisServer) -> LeaderRecord {
    let options = RedisOptions::new(server.url().parse().unwrap());
    LeaderRecord::new(Redis::new(&options).unwrap(), NAME.to_owned())
}

fn leading(directory: &Path, server: &RedisServer) -> Arc<LeaderLog> {
    let statements = StatementLog::open(directory, &service()).unwrap();
    Arc::new(LeaderLog::among(Arc::new(statements), record_in(server)))
}

fn total(number: u8) -> Statement {
    Statement::IssuanceTotal {
        token_key_id: TokenKeyId([number; 32]),
        issued: 7,
    }
}

/// States something, and waits until it is under a checkpoint.
async fn stated(log: &LeaderLog, number: u8) -> Result<(), NotStated> {
    log.state(total(number), NOW).await?;
    let size = log.published().size();
    let mut checkpoints = log.published().checkpoints();
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size >= size);
    signed.await.unwrap();
    Ok(())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_is_stated_before_it_is_known_which_node_leads_and_a_second_leader_is_refused() {
    let (home, server) = (tempfile::tempdir().unwrap(), server().await);
    let first = leading(&home.path().join("first"), &server);
    let unrecorded = stated(&first, 1).await.unwrap_err();
    assert_eq!(unrecorded, NotStated::Unrecorded);
    assert!(StateError::from(unrecorded).is_early());
    let mut moves = first.moves();
    first.record_leadership().await.unwrap();
    moves.changed().await.unwrap();
    stated(&first, 1).await.unwrap();

    let second = leading(&home.path().join("second"), &server);
    let error = second.record_leadership().await.unwrap_err();
    assert!(
        matches!(error, LeaderRecordError::OtherLeader { .. }),
        "{error}"
    );
    let refused = stated(&second, 1).await.unwrap_err();
    assert!(
        refused.to_string().contains("transparency_log.leader"),
        "{refused}"
    );
    assert!(!StateError::from(refused).is_early());
    assert_eq!(second.published().size(), 0);

    // When Redis forgets, neither it nor a third one takes the leader's place.
    server.command::<()>("FLUSHALL").await;
    second.record_leadership().await.unwrap_err();
    let third = leading(&home.path().join("third"), &server);
    let (third, first_again) = tokio::join!(third.record_leadership(), async {
        tokio::task::yield_now().await;
        first.record_leadership().await
    });
    first_again.unwrap();
    let error = third.unwrap_err();
    assert!(
        matches!(error, LeaderRecordError::OtherLeader { .. }),
        "{error}"
    );
    stated(&first, 2).await.unwrap();

    // When it is gone for good, who was refused once still asks for nothing by itself.
    server.command::<()>("FLUSHALL").await;
    let error = second.record_leadership().await.unwrap_err();
    assert!(matches!(error, LeaderRecordError::Yielded), "{error}");
    let reborn = LeaderLog::among(Arc::clone(second.statements()), record_in(&server));
    reborn.record_leadership().await.unwrap();
    stated(&Arc::new(reborn), 3).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_refuses_for_a_while_takes_nothing_from_the_leader() {
    let (home, server) = (tempfile::tempdir().unwrap(), server().await);
    let log = leading(home.path(), &server);
    log.record_leadership().await.unwrap();
    server.command::<()>("FLUSHALL").await;
    // Something else lies there, and its server wants more replicas than there are.
    server.command::<()>("SET {log}k else").await;
    let error = log.record_leadership().await.unwrap_err();
    assert!(matches!(error, LeaderRecordError::Form(_)), "{error}");
    stated(&log, 1).await.unwrap();
    server.command::<()>("DEL {log}k").await;
    server.set_config("min-replicas-to-write", "1").await;
    let error = log.record_leadership().await.unwrap_err();
    assert!(error.is_away(), "{error}");
    stated(&log, 2).await.unwrap();
    server.set_config("min-replicas-to-write", "0").await;
    log.record_leadership().await.unwrap();
    let second = leading(&home.path().join("second"), &server);
    second.record_leadership().await.unwrap_err();
}

#[tokio::test]
async fn a_log_that_may_be_another_nodes_is_not_shown() {
    let (home, server, shutdown) = (
        tempfile::tempdir().unwrap(),
        server().await,
        Shutdown::new(),
    );
    let first = leading(&home.path().join("first"), &server);
    let second = leading(&home.path().join("second"), &server);
    let status = async |log: &Arc<LeaderLog>| {
        let url = serve(log.router().into_router(), &shutdown).await;
        let request = Request::get(format!("{url}/log/checkpoint"), 4096);
        let client = HttpOptions::default().client().unwrap();
        client.exchange(&request).await.unwrap().status.as_u16()
    };
    assert_eq!(status(&first).await, 503);
    first.record_leadership().await.unwrap();
    second.record_leadership().await.unwrap_err();
    assert_eq!(status(&first).await, 200);
    assert_eq!(status(&second).await, 503);
    shutdown.trigger();
}

#[tokio::test]
async fn a_redis_that_is_away_takes_nothing_back() {
    let (home, mut server) = (tempfile::tempdir().unwrap(), server().await);
    let log = leading(home.path(), &server);
    log.record_leadership().await.unwrap();
    server.kill();
    let error = log.record_leadership().await.unwrap_err();
    assert!(error.is_away(), "{error}");
    stated(&log, 1).await.unwrap();
}

#[tokio::test]
async fn a_disk_that_was_restored_states_nothing_nor_does_one_that_went_on_from_there() {
    let (home, server) = (tempfile::tempdir().unwrap(), server().await);
    let (disk, backup) = (home.path().join("disk"), home.path().join("backup"));
    let log = leading(&disk, &server);
    log.record_leadership().await.unwrap();
    stated(&log, 1).await.unwrap();
    drop(log);
    copy(&disk, &backup);
    let log = leading(&disk, &server);
    log.record_leadership().await.unwrap();
    for number in 2..5 {
        stated(&log, number).await.unwrap();
    }
    log.record_leadership().await.unwrap();
    drop(log);

    let restored = leading(&backup, &server);
    let error = restored.record_leadership().await.unwrap_err();
    let (ours, seen) = (1, 4);
    assert!(
        matches!(error, LeaderRecordError::Rollback { ours: o, seen: s } if (o, s) == (ours, seen)),
        "{error}"
    );
    stated(&restored, 9).await.unwrap_err();
    drop(restored);

    // It goes on with other entries, where Redis is not asked.
    let statements = Arc::new(StatementLog::open(&backup, &service()).unwrap());
    let alone = LeaderLog::alone(statements);
    for number in 11..16 {
        stated(&alone, number).await.unwrap();
    }
    drop(alone);
    let contradicting = leading(&backup, &server);
    let error = contradicting.record_leadership().await.unwrap_err();
    assert!(
        matches!(error, LeaderRecordError::Contradiction { size: 4 }),
        "{error}"
    );
    // What Redis knows of the true one was not overwritten.
    leading(&disk, &server).record_leadership().await.unwrap();
}

fn is_totalled(log: &FollowerLog, id: TokenKeyId) -> bool {
    log.keys(|keys| keys.is_totalled(id))
}

/// Serves a router until the handle is dropped; its address.
async fn serve(router: Router, shutdown: &Shutdown) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = shutdown.clone();
    let served = axum::serve(listener, router);
    tokio::spawn(async move {
        tokio::select! {
            _ = served => {}
            () = shutdown.requested() => {}
        }
    });
    format!("http://{address}")
}

fn following(url: String, server: &RedisServer, memory: &Path) -> FollowerLog {
    let config = TransparencyLogConfig {
        leader: Some(url),
        tls_roots: None,
    };
    let leader = LeaderClient::of(&config).unwrap().unwrap();
    let name = "cps.example/log".parse().unwrap();
    FollowerLog::open(name, leader, record_in(server), memory, None).unwrap()
}

#[tokio::test]
async fn a_follower_reads_what_is_signed_and_trusts_no_other_log() {
    let (home, server) = (tempfile::tempdir().unwrap(), server().await);
    let shutdown = Shutdown::new();
    let log = leading(&home.path().join("log"), &server);
    let url = serve(log.router().into_router(), &shutdown).await;
    let memory = home.path().join("followed.json");
    let follower = following(url.clone(), &server, &memory);
    let error = follower.refresh().await.unwrap_err();
    assert!(matches!(error, FollowerError::NoLeader { .. }), "{error}");

    log.record_leadership().await.unwrap();
    let id = |number| TokenKeyId([number; 32]);
    for number in 1..4 {
        stated(&log, number).await.unwrap();
        assert!(!is_totalled(&follower, id(number)));
        follower.refresh().await.unwrap();
        assert!(is_totalled(&follower, id(number)));
    }
    assert_eq!(*follower.moves().borrow(), 3);
    // A leader of a later version, which says more than this node can read.
    let later = [1, 9, 0, 0, 0, 0, 0, 0, 0, 60, 1, 2, 3].to_vec();
    log.published().append(later).await.unwrap();
    stated(&log, 4).await.unwrap();
    follower.refresh().await.unwrap();
    assert!(is_totalled(&follower, id(4)));
    // Another life of the node knows it without asking anybody.
    let reborn = following("http://127.0.0.1:1".to_owned(), &server, &memory);
    assert!(is_totalled(&reborn, id(4)) && !is_totalled(&reborn, id(5)));
    let error = reborn.refresh().await.unwrap_err();
    assert!(matches!(error, FollowerError::Read { .. }), "{error}");

    // A node that shows another log than the one whose key stands in Redis.
    let forged = StatementLog::open(&home.path().join("forged"), &service()).unwrap();
    let forged = Arc::new(LeaderLog::alone(Arc::new(forged)));
    stated(&forged, 9).await.unwrap();
    let url = serve(forged.router().into_router(), &shutdown).await;
    let misled = following(url, &server, &home.path().join("misled.json"));
    let error = misled.refresh().await.unwrap_err();
    assert!(matches!(error, FollowerError::Read { .. }), "{error}");
    assert!(!is_totalled(&misled, id(9)));

    // The log is another one from now on.
    server.command::<()>("FLUSHALL").await;
    let other = leading(&home.path().join("other"), &server);
    other.record_leadership().await.unwrap();
    stated(&other, 5).await.unwrap();
    let url = serve(other.router().into_router(), &shutdown).await;
    let newcomer = following(url.clone(), &server, &home.path().join("newcomer.json"));
    newcomer.refresh().await.unwrap();
    assert!(is_totalled(&newcomer, id(5)));
    // A follower that knew the first is told.
    let knew = following(url, &server, &memory);
    let error = knew.refresh().await.unwrap_err();
    assert!(matches!(error, FollowerError::OtherKey { .. }), "{error}");
    assert!(!is_totalled(&knew, id(5)));
    shutdown.trigger();
}

#[tokio::test]
async fn a_follower_states_only_what_it_has_read_of_its_leader() {
    let (home, server) = (tempfile::tempdir().unwrap(), server().await);
    let shutdown = Shutdown::new();
    let leader = leading(&home.path().join("log"), &server);
    leader.record_leadership().await.unwrap();
    let url = serve(leader.router().into_router(), &shutdown).await;
    let follower = following(url, &server, &home.path().join("followed.json"));
    let (leader, follower) = (
        LogRole::Leader(leader),
        LogRole::Follower(Arc::new(follower)),
    );
    assert!(leader.has_followers() && !follower.has_followers());
    let early = follower.state(total(1), NOW).await;
    assert!(matches!(early, Err(StateError::NotYet)), "{early:?}");
    // It waits for the leader, and finds under a checkpoint what that one has published.
    let (published, seen) = tokio::join!(
        leader.publish(vec![total(1), total(2)], NOW),
        follower.publish(vec![total(2), total(1)], NOW)
    );
    published.unwrap();
    seen.unwrap();
    assert!(!follower.state(total(1), NOW).await.unwrap());
    assert!(follower.is_totalled(TokenKeyId([2; 32])));
    shutdown.trigger();
}

#[tokio::test]
async fn two_nodes_that_take_each_other_for_the_leader_do_not_ask_endlessly() {
    let (server, shutdown) = (server().await, Shutdown::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let home = tempfile::tempdir().unwrap();
    let itself = following(url.clone(), &server, &home.path().join("followed.json"));
    let served = axum::serve(listener, itself.router().into_router());
    let stopping = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = served => {}
            () = stopping.requested() => {}
        }
    });
    let mut asked = HeaderMap::new();
    let answer = itself.pass_on("/log/checkpoint", &asked).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    // That the other one is wrong in asking is for nodes to know, not for readers.
    asked.insert(ASKED_BY_NODE, "1".parse().unwrap());
    let answer = itself.pass_on("/log/checkpoint", &asked).await;
    assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
    shutdown.trigger();
}

#[tokio::test]
async fn what_is_no_answer_about_the_log_is_not_passed_on() {
    let (server, shutdown) = (server().await, Shutdown::new());
    let home = tempfile::tempdir().unwrap();
    for (answered, passed_on) in [
        (StatusCode::OK, StatusCode::OK),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
        (
            StatusCode::TEMPORARY_REDIRECT,
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        (StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE),
        (StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let location = [("location", "https://elsewhere.example/")];
        let in_between = Router::new().fallback(move || async move { (answered, location) });
        let url = serve(in_between, &shutdown).await;
        let memory = home.path().join(answered.as_str());
        let follower = following(url, &server, &memory);
        let answer = follower.pass_on("/log/key", &HeaderMap::new()).await;
        assert_eq!(answer.status(), passed_on, "{answered}");
        assert!(!answer.headers().contains_key("location"));
        let is_to_come_back = answer.headers().contains_key("retry-after");
        assert_eq!(
            is_to_come_back,
            passed_on == StatusCode::SERVICE_UNAVAILABLE
        );
    }
    shutdown.trigger();
}
