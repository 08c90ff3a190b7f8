use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Router;
use axum::routing::post;
use pennyblack_base::time::UnixTime;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{Cosigner, NoteSigner, TreeHead, WitnessPolicy};

use super::*;

const NOW: UnixTime = UnixTime(1_795_000_000);

fn cosigner(name: &str) -> Cosigner {
    let name = name.parse().unwrap();
    let kind = SignatureType::CosignatureV1;
    Cosigner::new(NoteSigner::generate(name, kind, &mut rand::rng())).unwrap()
}

/// A witness over HTTP that begins with having seen `seen`.
async fn serve(cosigner: Cosigner, log: VerifierKey, seen: Option<TreeHead>) -> WitnessConfig {
    let key = cosigner.verifier().to_string();
    let state = Arc::new((cosigner, log, Mutex::new(seen)));
    let handler = post(move |body: String| async move {
        let (cosigner, log, seen) = state.as_ref();
        let Ok(request) = body.parse::<AddCheckpoint>() else {
            return (StatusCode::BAD_REQUEST, String::new());
        };
        let mut seen = seen.lock().unwrap();
        match request.verify(std::slice::from_ref(log), *seen) {
            Ok(head) => {
                *seen = Some(head);
                (
                    StatusCode::OK,
                    format!("{}\n", request.cosign(cosigner, NOW)),
                )
            }
            Err(refusal) => {
                let status = StatusCode::from_u16(refusal.status()).unwrap();
                let size = seen.map_or(0, |seen| seen.size);
                (status, format!("{size}\n"))
            }
        }
    });
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = listener.await.unwrap();
    let url = format!("http://{}/w", listener.local_addr().unwrap());
    let router = Router::new().route("/w/add-checkpoint", handler);
    tokio::spawn(async move { axum::serve(listener, router).await });
    WitnessConfig { url, key }
}

fn log(home: &tempfile::TempDir) -> Arc<TransparencyLog> {
    let name = "cps.example/log".parse().unwrap();
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
    });
    let keys = config.iter().map(|config| config.key.parse().unwrap());
    let policy = WitnessPolicy::new(keys.collect(), 2).unwrap();
    let readiness = Readiness::new();
    let witnesses = Witnesses::new(&config, Arc::clone(&log), readiness.clone()).unwrap();
    let shutdown = Shutdown::new();
    let task = tokio::spawn(witnesses.run(shutdown.clone()));
    let mut checkpoints = log.checkpoints();
    for size in 1..4u64 {
        log.append(size.to_be_bytes().to_vec()).await.unwrap();
        let cosigned = checkpoints
            .wait_for(|last| last.checkpoint().head.size >= size && policy.check(last).is_ok());
        let cosigned = Arc::clone(&*cosigned.await.unwrap());
        assert_eq!(cosigned.note().signatures().len(), 3);
        assert!(cosigned.verify(log.verifier()).is_ok());
    }
    assert!(readiness.is_ready());
    shutdown.trigger();
    task.await.unwrap();
}

#[tokio::test]
async fn a_witness_that_has_seen_more_than_there_is_makes_the_service_unready() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    log.append(b"one".to_vec()).await.unwrap();
    let mut checkpoints = log.checkpoints();
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == 1);
    let checkpoint = SignedCheckpoint::clone(&signed.await.unwrap());
    let later = TreeHead {
        size: 7,
        root: checkpoint.checkpoint().head.root,
    };
    let config = serve(cosigner("one.example"), log.verifier().clone(), Some(later)).await;
    let readiness = Readiness::new();
    let witnesses = Witnesses::new(&[config], Arc::clone(&log), readiness.clone());
    let mut witnesses = witnesses.unwrap();
    witnesses.ask_all(&checkpoint).await;
    assert!(!readiness.is_ready());
    assert_eq!(log.checkpoint().note().signatures().len(), 1);
}

#[tokio::test]
async fn a_stranger_who_shows_a_witness_the_next_checkpoint_first_does_no_harm() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    let mut checkpoints = log.checkpoints();
    let mut signed = Vec::new();
    for size in 1..3u64 {
        log.append(size.to_be_bytes().to_vec()).await.unwrap();
        let last = checkpoints.wait_for(|last| last.checkpoint().head.size == size);
        signed.push(SignedCheckpoint::clone(&last.await.unwrap()));
    }
    let (early, late) = (&signed[0], &signed[1]);
    let seen = Some(late.checkpoint().head);
    let config = serve(cosigner("one.example"), log.verifier().clone(), seen).await;
    let readiness = Readiness::new();
    let witnesses = Witnesses::new(&[config], Arc::clone(&log), readiness.clone());
    let mut witnesses = witnesses.unwrap();
    // The one that was being asked about is outdated, and the next is cosigned.
    witnesses.ask_all(early).await;
    assert!(readiness.is_ready());
    assert_eq!(log.checkpoint().note().signatures().len(), 1);
    witnesses.ask_all(late).await;
    assert!(readiness.is_ready());
    assert_eq!(log.checkpoint().note().signatures().len(), 2);
}

#[tokio::test]
async fn a_witness_that_has_seen_another_history_makes_the_service_unready() {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home);
    for entry in [b"one", b"two"] {
        log.append(entry.to_vec()).await.unwrap();
    }
    let mut checkpoints = log.checkpoints();
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == 2);
    let checkpoint = SignedCheckpoint::clone(&signed.await.unwrap());
    // As large as ours, and less far.
    for size in [2, 1] {
        let other = TreeHead {
            size,
            root: pennyblack_tlog::Hash([9; 32]),
        };
        let config = serve(cosigner("one.example"), log.verifier().clone(), Some(other)).await;
        let readiness = Readiness::new();
        let witnesses = Witnesses::new(&[config], Arc::clone(&log), readiness.clone());
        witnesses.unwrap().ask_all(&checkpoint).await;
        assert!(!readiness.is_ready(), "{size}");
        assert_eq!(log.checkpoint().note().signatures().len(), 1);
    }
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
    let mut witnesses = Witnesses::new(&[config], Arc::clone(&log), Readiness::new()).unwrap();
    witnesses.ask_all(&log.checkpoint()).await;
    assert_eq!(log.checkpoint().note().signatures().len(), 1);
}
