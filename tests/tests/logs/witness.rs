//! Witnesses over sockets: the CPS has its log cosigned, auditors demand it, and an
//! operator with two histories is refused and named.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use pennyblack_audit::{AuditError, Auditor, Followed, Log, LogPlace, Misbehaviour};
use pennyblack_cps::WitnessConfig;
use pennyblack_http::HttpOptions;
use pennyblack_logserver::TransparencyLog;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::PublicConfig;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::meddler::Meddler;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use pennyblack_tlog::witness::{
    LAST_CHECKPOINT_PATH, MAX_REQUEST_SIZE, SIZE_MEDIA_TYPE, origin_in_path,
};
use pennyblack_tlog::{AddCheckpoint, SignedCheckpoint, VerifierKey, WitnessPolicy};
use pennyblack_witness::{Witness, WitnessServer, limits};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

const SOON: Duration = Duration::from_secs(30);

/// A witness at work in this process.
struct AtWork {
    _home: TempDir,
    url: String,
    key: VerifierKey,
}

impl AtWork {
    async fn start(name: &str, log: &VerifierKey) -> Self {
        let home = tempfile::tempdir().unwrap();
        let witness = Witness::open(home.path(), &name.parse().unwrap(), [log.clone()]).unwrap();
        let key = witness.key().clone();
        let public = PublicConfig {
            limits: limits(),
            ..PublicConfig::plain(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        let server = WitnessServer::bind(&public, witness, Clock::system()).await;
        let server = server.unwrap();
        let url = format!("http://{}", server.address());
        tokio::spawn(server.serve(Shutdown::new()));
        Self {
            _home: home,
            url,
            key,
        }
    }

    fn config(&self) -> WitnessConfig {
        WitnessConfig {
            url: self.url.clone(),
            key: self.key.to_string(),
            tls_roots: None,
        }
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let post = client.post(format!("{}/add-checkpoint", self.url));
        Answer::to(post.body(body)).await.unwrap()
    }

    /// Shows it a log for the first time.
    async fn show(&self, log: &SignedCheckpoint) {
        let request = AddCheckpoint {
            old_size: 0,
            proof: Vec::new(),
            checkpoint: log.clone(),
        };
        let answer = self.post(request.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

/// A log in a directory, opened and closed again when so many entries are signed for.
async fn append(directory: &Path, name: &str, entries: u64) -> (VerifierKey, SignedCheckpoint) {
    let log = TransparencyLog::open(directory, &name.parse().unwrap(), |_, _| ()).unwrap();
    for entry in 0..entries {
        log.append(entry.to_be_bytes().to_vec()).await.unwrap();
    }
    let size = log.size();
    let mut checkpoints = log.checkpoints();
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == size);
    let signed = SignedCheckpoint::clone(&signed.await.unwrap());
    (log.verifier().clone(), signed)
}

fn log_directory(world: &World) -> PathBuf {
    world.cps.cps.data_directory.join("log")
}

/// Another history, signed with the key that the CPS of this world will have.
async fn other_history(world: &World, entries: u64) -> (VerifierKey, SignedCheckpoint) {
    let name = format!("{}/log", world.cps_name());
    append(&log_directory(world), &name, 0).await;
    let twin = tempfile::tempdir().unwrap();
    fs::copy(log_directory(world).join("key"), twin.path().join("key")).unwrap();
    append(twin.path(), &name, entries).await
}

/// Follows the CPS's log from its beginning.
async fn follow(
    world: &World,
    key: &VerifierKey,
    policy: WitnessPolicy,
) -> Result<Followed, AuditError> {
    let client = HttpOptions::default().client().unwrap();
    let place = format!("http://{}/log", world.cps_name());
    let log = Log {
        place: LogPlace::new(&place, &client).unwrap(),
        key: key.clone(),
        policy,
    };
    let auditor = Auditor::new(log, None)?;
    auditor
        .follow(world.clock.now(), || Ok(None), SOON, |_, _, _| ())
        .await
}

fn now<T>(work: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(work))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_is_content_with_two_of_three_witnesses_and_not_with_fewer_than_it_demands() {
    let mut set_up = None;
    let scene = Scene::open_with(|world| {
        let (log, _) = now(other_history(world, 0));
        let one = now(AtWork::start("one.example", &log));
        let two = now(AtWork::start("two.example", &log));
        // The third is of no use: it knows another log.
        let (stranger, _) = now(append(&world.path("stranger"), "stranger.example/log", 0));
        let three = now(AtWork::start("three.example", &stranger));
        world.cps.witness = [&one, &two, &three].map(AtWork::config).to_vec();
        set_up = Some((log, [one, two, three]));
    })
    .await;
    let (log, witnesses) = set_up.unwrap();
    let policy = |needed| {
        let keys = witnesses.iter().map(|witness| witness.key.clone());
        WitnessPolicy::new(keys.collect(), needed).unwrap()
    };
    let followed = until("a checkpoint with two cosignatures", SOON, async || {
        let followed = follow(&scene.world, &log, policy(2)).await.ok()?;
        (followed.cps.now > 0).then_some(followed)
    })
    .await;
    assert_eq!(followed.cps.before, 0);
    let refused = follow(&scene.world, &log, policy(3)).await.unwrap_err();
    assert_eq!(refused.misbehaviour(), Some(Misbehaviour::TooFewWitnesses));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_with_two_histories_is_refused_by_the_witness_named_and_not_ready() {
    // As many entries as the CPS has, and more: a fork, and a log that was rolled back.
    for (entries, expected) in [(1, "two histories"), (7, "restored to an earlier day")] {
        let mut set_up = None;
        let scene = Scene::open_with(|world| {
            let (log, other) = now(other_history(world, entries));
            let witness = now(AtWork::start("one.example", &log));
            now(witness.show(&other));
            world.cps.witness = vec![witness.config()];
            set_up = Some((log, witness));
        })
        .await;
        let (log, witness) = set_up.unwrap();
        // It has no entry at first, and then the one of its key epoch.
        until("what the witness's refusal means", SOON, async || {
            let unready = StatusCode::SERVICE_UNAVAILABLE;
            let answer = scene.until_readiness_is(unready).await;
            let said = String::from_utf8(answer.body).unwrap();
            let is_named = said.contains("one.example") && said.contains(expected);
            is_named.then_some(())
        })
        .await;
        let policy = WitnessPolicy::new(vec![witness.key.clone()], 1).unwrap();
        let refused = follow(&scene.world, &log, policy).await.unwrap_err();
        assert_eq!(refused.misbehaviour(), Some(Misbehaviour::TooFewWitnesses));
        scene.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_that_lie_neither_stop_a_cps_nor_keep_another_from_cosigning() {
    let mut set_up = None;
    let scene = Scene::open_with(|world| {
        let (log, _) = now(other_history(world, 0));
        let one = now(AtWork::start("one.example", &log));
        let liars = [
            ("409 Conflict", "1000000\n"),
            ("409 Conflict", "0\n"),
            ("422 Unprocessable Entity", ""),
        ];
        let liars = liars.map(|(status, content)| now(Meddler::saying(status, content)).unwrap());
        let lie = |liar: &Meddler| WitnessConfig {
            url: format!("http://{}", liar.address()),
            key: now(AtWork::start("liar.example", &log)).key.to_string(),
            tls_roots: None,
        };
        world.cps.witness = liars.iter().map(lie).chain([one.config()]).collect();
        set_up = Some((log, one, liars));
    })
    .await;
    let (log, witness, liars) = set_up.unwrap();
    let policy = WitnessPolicy::new(vec![witness.key.clone()], 1).unwrap();
    until("a cosigned checkpoint", SOON, async || {
        let followed = follow(&scene.world, &log, policy.clone()).await.ok()?;
        (followed.cps.now > 0).then_some(())
    })
    .await;
    // Each has lied, and was asked for a proof of it.
    until("every liar to be asked for a proof", SOON, async || {
        let asked = |liar: &Meddler| liar.asked(LAST_CHECKPOINT_PATH) > 0;
        liars.iter().all(asked).then_some(())
    })
    .await;
    scene.until_readiness_is(StatusCode::OK).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_answers_as_the_specification_of_witnesses_says() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let (key, three) = append(&path("log"), "log.example/log", 3).await;
    let witness = AtWork::start("one.example", &key).await;
    let shown = reqwest::get(&format!("{}/", witness.url)).await.unwrap();
    assert_eq!(shown.text().await.unwrap(), format!("{}\n", witness.key));
    witness.show(&three).await;

    let first = AddCheckpoint {
        old_size: 0,
        proof: Vec::new(),
        checkpoint: three.clone(),
    };
    let answer = witness.post(first.to_string()).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.headers["content-type"], SIZE_MEDIA_TYPE);
    assert_eq!(answer.body, b"3\n");
    let old = |old_size, checkpoint: &SignedCheckpoint| AddCheckpoint {
        old_size,
        proof: Vec::new(),
        checkpoint: checkpoint.clone(),
    };
    let (_, stranger) = append(&path("stranger"), "stranger.example/log", 1).await;
    let (_, impostor) = append(&path("impostor"), "log.example/log", 4).await;
    let (_, five) = append(&path("log"), "log.example/log", 2).await;
    let twin = path("twin");
    fs::create_dir(&twin).unwrap();
    fs::copy(path("log").join("key"), twin.join("key")).unwrap();
    append(&twin, "log.example/log", 1).await;
    let (_, fork) = append(&twin, "log.example/log", 2).await;
    for (body, expected) in [
        (old(3, &three).to_string(), StatusCode::OK),
        (old(0, &stranger).to_string(), StatusCode::NOT_FOUND),
        (old(3, &impostor).to_string(), StatusCode::FORBIDDEN),
        (old(4, &three).to_string(), StatusCode::BAD_REQUEST),
        (old(3, &fork).to_string(), StatusCode::CONFLICT),
        (old(3, &five).to_string(), StatusCode::UNPROCESSABLE_ENTITY),
        ("old 3".to_owned(), StatusCode::BAD_REQUEST),
        (
            "x".repeat(MAX_REQUEST_SIZE + 1),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        let shown: String = body.chars().take(80).collect();
        assert_eq!(witness.post(body).await.status, expected, "{shown}");
    }
    let no_text = witness.post(vec![0xff; 9]).await;
    assert_eq!(no_text.status, StatusCode::BAD_REQUEST);
    // What it has cosigned last, which proves that it refuses with reason.
    let shown = async |origin: &str| {
        let log = origin_in_path(origin);
        let url = format!("{}{LAST_CHECKPOINT_PATH}{log}", witness.url);
        reqwest::get(&url).await.unwrap()
    };
    let last = shown("log.example/log").await.text().await.unwrap();
    assert_eq!(last, three.to_string());
    let unknown = shown("stranger.example/log").await.status();
    assert_eq!(unknown, StatusCode::NOT_FOUND);
}
