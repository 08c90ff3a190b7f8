use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use pennyblack_base::time::UnixTime;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::witness::{LAST_CHECKPOINT_PATH, origin_in_path};
use pennyblack_tlog::{
    AddCheckpoint, Checkpoint, Cosigner, Hash, NoteSigner, SignedCheckpoint, TreeHead, VerifierKey,
    WitnessPolicy,
};

use pennyblack_runtime::clock::Clock;

use super::*;

const NOW: UnixTime = UnixTime(1_795_000_000);
const LOG: &str = "cps.example/log";

fn cosigner(name: &str) -> Cosigner {
    let name = name.parse().unwrap();
    let kind = SignatureType::CosignatureV1;
    Cosigner::new(NoteSigner::generate(name, kind, &mut rand::rng())).unwrap()
}

/// A witness over HTTP that begins with having cosigned `seen`.
async fn serve(
    cosigner: Cosigner,
    log: VerifierKey,
    seen: Option<SignedCheckpoint>,
) -> WitnessConfig {
    let key = cosigner.verifier().to_string();
    let state = Arc::new((cosigner, log, Mutex::new(seen)));
    let shown = Arc::clone(&state);
    let shown = get(move || async move {
        let seen = shown.2.lock().unwrap();
        seen.as_ref().map(ToString::to_string).unwrap_or_default()
    });
    let handler = post(move |body: String| async move {
        let (cosigner, log, seen) = state.as_ref();
        let Ok(request) = body.parse::<AddCheckpoint>() else {
            return (StatusCode::BAD_REQUEST, String::new());
        };
        let mut seen = seen.lock().unwrap();
        let head = seen.as_ref().map(|seen| seen.checkpoint().head);
        match request.verify(std::slice::from_ref(log), head) {
            Ok(_) => {
                *seen = Some(request.checkpoint.clone());
                (
                    StatusCode::OK,
                    format!("{}\n", request.cosign(cosigner, NOW)),
                )
            }
            Err(refusal) => {
                let status = StatusCode::from_u16(refusal.status()).unwrap();
                let size = head.map_or(0, |head| head.size);
                (status, format!("{size}\n"))
            }
        }
    });
    let path = format!("/w{LAST_CHECKPOINT_PATH}{}", origin_in_path(LOG));
    let router = Router::new()
        .route("/w/add-checkpoint", handler)
        .route(&path, shown);
    WitnessConfig {
        url: at_work(router).await,
        key,
        tls_roots: None,
    }
}

async fn at_work(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = listener.await.unwrap();
    let url = format!("http://{}/w", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A witness that answers every request with this, and shows `shown` as the last
/// checkpoint that it has cosigned.
async fn lie(status: StatusCode, body: &'static str, shown: String) -> WitnessConfig {
    let path = format!("/w{LAST_CHECKPOINT_PATH}{}", origin_in_path(LOG));
    let router = Router::new()
        .route(
            "/w/add-checkpoint",
            post(move || async move { (status, body) }),
        )
        .route(&path, get(move || async move { shown }));
    WitnessConfig {
        url: at_work(router).await,
        key: cosigner("liar.example").verifier().to_string(),
        tls_roots: None,
    }
}

/// A tree that the log has signed, wherever its key was then.
fn signed(home: &tempfile::TempDir, head: TreeHead) -> SignedCheckpoint {
    let key = fs::read_to_string(home.path().join("key")).unwrap();
    let key = NoteSigner::from_secret_text(key.trim_end()).unwrap();
    let checkpoint = Checkpoint::new(key.verifier().name(), head);
    checkpoint.sign(&key).unwrap()
}

/// The last checkpoint of a log with so many entries.
async fn grown(log: &TransparencyLog, size: u64) -> SignedCheckpoint {
    while log.size() < size {
        let next = log.size().to_be_bytes().to_vec();
        log.append(next).await.unwrap();
    }
    let mut checkpoints = log.checkpoints();
    let last = checkpoints.wait_for(|last| last.checkpoint().head.size == size);
    SignedCheckpoint::clone(&last.await.unwrap())
}

fn clocks() -> ClockEvidence {
    ClockEvidence::new(Clock::system())
}

/// The one witness of this configuration, asked about a checkpoint.
fn one(config: WitnessConfig, log: &Arc<TransparencyLog>, readiness: &Readiness) -> Witness {
    let witnesses = Witnesses::new(&[config], Arc::clone(log), readiness.clone(), &clocks());
    witnesses.unwrap().witnesses.pop().unwrap()
}

fn log(home: &tempfile::TempDir) -> Arc<TransparencyLog> {
    let name = LOG.parse().unwrap();
    Arc::new(TransparencyLog::open(home.path(), &name, |_, _| ()).unwrap())
}

#[tokio::test]
async fn checkpoints_are_cosigned_by_all_witnesses_as_the_log_grows() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let mut config = Vec::new();
    for name in ["one.example", "two.example"] {
        config.push(serve(cosigner(name), log.verifier().clone(), None).await);
    }
    // One that is away does not hinder the others.
    let away = cosigner("three.example").verifier().to_string();
    config.push(WitnessConfig {
        url: "http://127.0.0.1:9".to_owned(),
        key: away,
        tls_roots: None,
    });
    let keys = config.iter().map(|config| config.key.parse().unwrap());
    let policy = WitnessPolicy::new(keys.collect(), 2).unwrap();
    let readiness = Readiness::new();
    let witnesses =
        Witnesses::new(&config, Arc::clone(&log), readiness.clone(), &clocks()).unwrap();
    let shutdown = Shutdown::new();
    let task = tokio::spawn(witnesses.run(shutdown.clone()));
    let mut checkpoints = log.checkpoints();
    for size in 1..4u64 {
        log.append(size.to_be_bytes().to_vec()).await.unwrap();
        let cosigned = checkpoints
            .wait_for(|last| last.checkpoint().head.size >= size && policy.check(last).is_ok());
        let cosigned = tokio::time::timeout(TIMEOUT, cosigned).await.unwrap();
        let cosigned = Arc::clone(&*cosigned.unwrap());
        assert_eq!(cosigned.note().signatures().len(), 3);
        assert!(cosigned.verify(log.verifier()).is_ok());
    }
    assert!(readiness.is_ready());
    shutdown.trigger();
    task.await.unwrap();
}

#[tokio::test]
async fn a_larger_checkpoint_that_the_log_has_signed_makes_the_service_unready() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let checkpoint = grown(&log, 1).await;
    let later = TreeHead {
        size: 7,
        root: checkpoint.checkpoint().head.root,
    };
    let seen = Some(signed(&home, later));
    let config = serve(cosigner("one.example"), log.verifier().clone(), seen).await;
    let readiness = Readiness::new();
    let mut witness = one(config, &log, &readiness);
    witness.have_cosigned(&checkpoint).await;
    let [(_, why)] = &readiness.lacking()[..] else {
        panic!("ready");
    };
    assert!(
        why.contains("one.example") && why.contains("restored to"),
        "{why}"
    );
    assert_eq!(log.checkpoint().note().signatures().len(), 1);
}

#[tokio::test]
async fn another_history_that_the_log_has_signed_makes_the_service_unready() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let checkpoint = grown(&log, 2).await;
    // As large as ours, and less far.
    for size in [2, 1] {
        let root = Hash([9; 32]);
        let seen = Some(signed(&home, TreeHead { size, root }));
        let config = serve(cosigner("one.example"), log.verifier().clone(), seen).await;
        let readiness = Readiness::new();
        one(config, &log, &readiness)
            .have_cosigned(&checkpoint)
            .await;
        let lacking = readiness.lacking();
        assert!(
            lacking[0].1.contains("two histories"),
            "{size}: {lacking:?}"
        );
        assert_eq!(log.checkpoint().note().signatures().len(), 1);
    }
}

/// Whatever a witness answers, only the log's own signature proves anything.
#[tokio::test]
async fn the_word_of_a_witness_alone_stops_nothing() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let early = grown(&log, 1).await;
    let checkpoint = grown(&log, 3).await;
    let root = Hash([9; 32]);
    let forged = {
        let elsewhere = tempfile::tempdir().unwrap();
        drop(TransparencyLog::open(elsewhere.path(), &LOG.parse().unwrap(), |_, _| ()).unwrap());
        signed(&elsewhere, TreeHead { size: 7, root })
    };
    let mut shown = vec![String::new(), "x".repeat(100_000), forged.to_string()];
    // What the log has signed and continues: stale, and its newest.
    shown.extend([early.to_string(), checkpoint.to_string()]);
    let answers = [
        (StatusCode::CONFLICT, "1000000\n"),
        (StatusCode::CONFLICT, "18446744073709551615\n"),
        (StatusCode::CONFLICT, "99999999999999999999\n"),
        (StatusCode::CONFLICT, "3\n"),
        (StatusCode::CONFLICT, "2\n"),
        (StatusCode::CONFLICT, "0\n"),
        (StatusCode::CONFLICT, ""),
        (StatusCode::UNPROCESSABLE_ENTITY, ""),
        (StatusCode::UNPROCESSABLE_ENTITY, "7\n"),
        (StatusCode::OK, ""),
        (StatusCode::FORBIDDEN, ""),
        (StatusCode::NOT_FOUND, ""),
        (StatusCode::INTERNAL_SERVER_ERROR, ""),
    ];
    for shown in shown {
        for (status, body) in answers {
            let config = lie(status, body, shown.clone()).await;
            let readiness = Readiness::new();
            let mut witness = one(config, &log, &readiness);
            for _ in 0..2 {
                witness.have_cosigned(&checkpoint).await;
                assert!(readiness.is_ready(), "{status} {body:?} {shown:.80}");
            }
        }
    }
    assert_eq!(log.checkpoint().note().signatures().len(), 1);
}

#[tokio::test]
async fn what_was_proven_is_examined_again_and_no_other_witness_withdraws_it() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let checkpoint = grown(&log, 1).await;
    // Two entries more were signed for, which come back from a mirror.
    let twin = tempfile::tempdir().unwrap();
    fs::copy(home.path().join("key"), twin.path().join("key")).unwrap();
    let restored = TransparencyLog::open(twin.path(), &LOG.parse().unwrap(), |_, _| ()).unwrap();
    let later = grown(&restored, 3).await;
    let config = [
        serve(cosigner("one.example"), log.verifier().clone(), Some(later)).await,
        serve(cosigner("two.example"), log.verifier().clone(), None).await,
    ];
    let readiness = Readiness::new();
    let mut witnesses =
        Witnesses::new(&config, Arc::clone(&log), readiness.clone(), &clocks()).unwrap();
    for witness in &mut witnesses.witnesses {
        witness.have_cosigned(&checkpoint).await;
    }
    assert!(!readiness.is_ready());
    let whole = grown(&log, 3).await;
    for witness in &mut witnesses.witnesses {
        witness.have_cosigned(&whole).await;
    }
    assert!(readiness.is_ready());
    assert_eq!(log.checkpoint().note().signatures().len(), 3);
}

#[tokio::test]
async fn an_older_copy_of_a_disk_is_found_before_the_first_token_though_its_log_is_cosigned() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let checkpoint = grown(&log, 1).await;
    let config = serve(cosigner("one.example"), log.verifier().clone(), None).await;
    let readiness = Readiness::new();
    one(config.clone(), &log, &readiness)
        .have_cosigned(&checkpoint)
        .await;
    let backup = tempfile::tempdir().unwrap();
    let copy = std::process::Command::new("cp")
        .args(["-a", "--"])
        .args([home.path().join("."), backup.path().to_owned()])
        .status();
    assert!(copy.unwrap().success());
    let later = grown(&log, 2).await;
    one(config.clone(), &log, &readiness)
        .have_cosigned(&later)
        .await;
    let name = LOG.parse().unwrap();
    let restored = TransparencyLog::open(backup.path(), &name, |_, _| ()).unwrap();
    let restored = Arc::new(restored);
    assert_eq!(restored.checkpoint().note().signatures().len(), 2);
    let config = [config];
    let mut witnesses =
        Witnesses::new(&config, Arc::clone(&restored), readiness, &clocks()).unwrap();
    let found = Arc::clone(witnesses.contradictions());
    assert!(found.why().unwrap().contains("is being asked"));
    let checkpoint = restored.checkpoint();
    witnesses.witnesses[0].have_cosigned(&checkpoint).await;
    assert!(found.why().unwrap().contains("restored to"));
}

#[tokio::test]
async fn a_stranger_who_shows_a_witness_the_next_checkpoint_first_does_no_harm() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let early = grown(&log, 1).await;
    let late = grown(&log, 2).await;
    let seen = Some(late.clone());
    let config = serve(cosigner("one.example"), log.verifier().clone(), seen).await;
    let readiness = Readiness::new();
    let mut witness = one(config, &log, &readiness);
    // The one that was being asked about is outdated, and the next is cosigned.
    witness.have_cosigned(&early).await;
    assert!(readiness.is_ready());
    assert_eq!(log.checkpoint().note().signatures().len(), 1);
    witness.have_cosigned(&late).await;
    assert!(readiness.is_ready());
    assert_eq!(log.checkpoint().note().signatures().len(), 2);
}

#[tokio::test]
async fn what_is_no_cosignature_is_not_published() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let served = serve(cosigner("one.example"), log.verifier().clone(), None).await;
    // The witness signs with another key than the one that is expected.
    let config = WitnessConfig {
        key: cosigner("one.example").verifier().to_string(),
        ..served
    };
    let mut witness = one(config, &log, &Readiness::new());
    witness.have_cosigned(&log.checkpoint()).await;
    assert_eq!(log.checkpoint().note().signatures().len(), 1);
}

/// A witness that takes its time keeps no other from cosigning.
#[tokio::test]
async fn a_slow_witness_delays_no_other() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let never = post(|| async { std::future::pending::<StatusCode>().await });
    let slow = WitnessConfig {
        url: at_work(Router::new().route("/w/add-checkpoint", never)).await,
        key: cosigner("slow.example").verifier().to_string(),
        tls_roots: None,
    };
    let quick = serve(cosigner("one.example"), log.verifier().clone(), None).await;
    let policy = WitnessPolicy::new(vec![quick.key.parse().unwrap()], 1).unwrap();
    let config = [slow, quick];
    let witnesses = Witnesses::new(&config, Arc::clone(&log), Readiness::new(), &clocks()).unwrap();
    let shutdown = Shutdown::new();
    let task = tokio::spawn(witnesses.run(shutdown.clone()));
    let mut checkpoints = log.checkpoints();
    for size in 1..4u64 {
        log.append(size.to_be_bytes().to_vec()).await.unwrap();
        let cosigned = checkpoints
            .wait_for(|last| last.checkpoint().head.size >= size && policy.check(last).is_ok());
        let cosigned = tokio::time::timeout(TIMEOUT / 2, cosigned).await;
        assert!(cosigned.is_ok(), "the quick one waited for the slow one");
    }
    shutdown.trigger();
    task.await.unwrap();
}
