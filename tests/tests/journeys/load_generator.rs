//! The load generator against real services: every request that it counts was
//! sent and answered, nothing is stored that it does not count, and refusals
//! are told by kind.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pennyblack_base::authority::Authority;
use pennyblack_client::carrier::Carrier;
use pennyblack_client::verification_service::MailboxCpss;
use pennyblack_evidence::key_log_view::LogPolicy;
use pennyblack_http::{HttpOptions, RetryPolicy, ServiceAddress};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_sealing::envelope::Slots;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_testbed::load::{
    End, FailureKind, Load, LoadError, Mailboxes, Operation, Pace, Progress, Rate, Report, Window,
};
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::FIRST_NUMBER;
use tokio::net::{TcpListener, TcpStream};

const PASSPORT: &str = "a PASSporT, as far as a CPS can tell";
const BATCH: usize = 8;

/// Longer than any run here takes: all of them end with their requests.
const LONG: Duration = Duration::from_secs(600);

const OVERLOADED: FailureKind = FailureKind::Refused {
    status: 503,
    problem: Some("overloaded"),
};

fn address(service: &Authority) -> ServiceAddress {
    format!("http://{service}").parse().unwrap()
}

/// A closed loop on four connections, all of it measured.
fn load(scene: &Scene, mailboxes: &[Mailbox], mix: &str, requests: u64) -> Load {
    let world = &scene.world;
    Load {
        cps: address(world.cps_name()),
        scope: world.cps_name().into(),
        carrier: Some(Carrier {
            issuer: address(world.issuer_name()),
            identity: world.carrier.clone(),
            batch: NonZeroUsize::new(BATCH).unwrap(),
            retry: RetryPolicy::NONE,
            log: LogPolicy::default(),
        }),
        http: HttpOptions::default(),
        mailboxes: mailboxes.iter().map(|one| one.config().clone()).collect(),
        passport: PASSPORT.to_owned(),
        slots: Slots::Four,
        clock: world.clock.clone(),
        mix: mix.parse().unwrap(),
        pace: Pace::Closed,
        window: Window {
            warm_up: Duration::ZERO,
            duration: LONG,
        },
        requests,
        connections: NonZeroUsize::new(4).unwrap(),
        ready_by: None,
        stop: Shutdown::new(),
    }
}

async fn run(load: Load) -> Report {
    let prepared = load.prepare(Arc::new(Progress::default())).await.unwrap();
    prepared.run().await.unwrap()
}

fn succeeded(report: &Report, operation: Operation) -> u64 {
    report.operation(operation).unwrap().succeeded
}

/// Failures of an operation, by kind.
fn failures(report: &Report, operation: Operation) -> Vec<(FailureKind, u64)> {
    let failures = report.operation(operation).unwrap().failures.iter();
    failures.map(|one| (one.kind, one.count)).collect()
}

#[tokio::test]
async fn a_mixed_run_sends_every_request_once_and_every_store_is_in_its_mailbox() {
    let scene = Scene::open().await;
    let mailboxes = [scene.world.mailbox().await, scene.world.mailbox().await];
    let report = run(load(&scene, &mailboxes, "draw=1,store=4,retrieve=5", 60)).await;

    assert_eq!(report.ended_by, End::Requests);
    assert_eq!((report.failed(), report.unsent), (0, 0));
    assert_eq!(succeeded(&report, Operation::Draw), 6);
    assert_eq!(succeeded(&report, Operation::Store), 24);
    assert_eq!(succeeded(&report, Operation::Retrieve), 30);
    for mailbox in &mailboxes {
        let entries = scene.world.read(mailbox).await;
        assert_eq!(entries, vec![PASSPORT; 12]);
    }
    let latency = report.operation(Operation::Store).unwrap().latency.unwrap();
    assert!(0 < latency.p50_us && latency.p50_us <= latency.p99_us);
    assert!(latency.p99_us <= latency.p99_9_us && latency.p99_9_us <= latency.max_us);
    assert!(u128::from(latency.max_us) <= (report.seconds * 1e6) as u128 + 1000);
    scene.close().await;
}

#[tokio::test]
async fn an_open_loop_sends_what_its_timetable_has() {
    let scene = Scene::open().await;
    let mailbox = scene.world.mailbox().await;
    let rate = Rate(NonZeroU32::new(200).unwrap());
    let report = run(Load {
        pace: Pace::Open(rate),
        ..load(
            &scene,
            std::slice::from_ref(&mailbox),
            "store=1,retrieve=1",
            40,
        )
    })
    .await;

    assert_eq!((report.succeeded(), report.failed()), (40, 0));
    assert_eq!((report.unsent, report.ended_by), (0, End::Requests));
    // The last of 40 requests at 200/s begins after 195 milliseconds.
    assert!(report.seconds >= rate.intended(39).as_secs_f64());
    assert_eq!(scene.world.read(&mailbox).await.len(), 20);
    scene.close().await;
}

#[tokio::test]
async fn a_stall_is_in_the_latency_of_every_request_that_it_kept_waiting() {
    const STALL: Duration = Duration::from_millis(300);
    let scene = Scene::open().await;
    let mailbox = scene.world.mailbox().await;
    let way = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cps = format!(
        "{}=http://{}",
        scene.world.cps_name(),
        way.local_addr().unwrap()
    );
    let rate = Rate(NonZeroU32::new(1000).unwrap());
    let running = tokio::spawn(run(Load {
        cps: cps.parse().unwrap(),
        pace: Pace::Open(rate),
        connections: NonZeroUsize::MIN,
        ..load(&scene, std::slice::from_ref(&mailbox), "retrieve", 50)
    }));
    let (client, opened) = (way.accept().await.unwrap().0, Instant::now());
    until("the end of the stall", LONG, async || {
        (opened.elapsed() >= STALL).then_some(())
    })
    .await;
    let service = scene.world.cps_name().to_string();
    let leading = tokio::spawn(lead(client, way, service));
    let report = running.await.unwrap();

    assert_eq!((report.succeeded(), report.failed()), (50, 0));
    let latency = report.operation(Operation::Retrieve).unwrap().latency;
    // The half of them was to be sent in the first 25 milliseconds.
    let half = STALL - rate.intended(25);
    assert!(u128::from(latency.unwrap().p50_us) >= half.as_micros());
    assert!(u128::from(report.lateness.unwrap().p50_us) >= half.as_micros());
    leading.abort();
    scene.close().await;
}

/// Leads this connection and all that follow to the service.
async fn lead(mut client: TcpStream, way: TcpListener, service: String) {
    loop {
        let mut service = TcpStream::connect(&service).await.unwrap();
        tokio::spawn(async move {
            let _ = tokio::io::copy_bidirectional(&mut client, &mut service).await;
        });
        client = way.accept().await.unwrap().0;
    }
}

#[tokio::test]
async fn requests_of_the_warm_up_are_sent_and_not_counted() {
    let scene = Scene::open().await;
    let mailbox = scene.world.mailbox().await;
    let report = run(Load {
        window: Window {
            warm_up: LONG,
            duration: LONG,
        },
        ..load(&scene, std::slice::from_ref(&mailbox), "store", 10)
    })
    .await;

    assert_eq!((report.succeeded(), report.failed()), (0, 0));
    assert_eq!(scene.world.read(&mailbox).await.len(), 10);
    scene.close().await;
}

#[tokio::test]
async fn requests_that_an_overloaded_cps_refuses_are_counted_and_not_repeated() {
    let scene = Scene::open_with(|world| world.cps.public.limits.requests = 1).await;
    let mailbox = scene.world.mailbox().await;
    let report = run(Load {
        connections: NonZeroUsize::new(32).unwrap(),
        ..load(&scene, std::slice::from_ref(&mailbox), "store", 256)
    })
    .await;

    let stored = succeeded(&report, Operation::Store);
    let [(kind, refused)] = failures(&report, Operation::Store)[..] else {
        panic!("{report:?}");
    };
    assert_eq!(kind, OVERLOADED);
    assert_eq!(stored + refused, 256);
    assert_eq!(scene.world.read(&mailbox).await.len() as u64, stored);
    scene.close().await;
}

#[tokio::test]
async fn a_run_in_which_everything_is_refused_is_a_report_of_refusals() {
    // Without the lists that it was told to have, an issuer trusts no certificate.
    let scene = Scene::open_with(|world| {
        world.issuer.trust.revocation_lists = Some(world.path("no-lists"));
    })
    .await;
    let report = run(load(&scene, &[], "draw", 5)).await;
    let refused = FailureKind::Refused {
        status: 503,
        problem: Some("revocation-unavailable"),
    };
    assert_eq!(report.succeeded(), 0);
    assert_eq!(failures(&report, Operation::Draw), [(refused, 5)]);
    scene.close().await;
}

#[tokio::test]
async fn a_service_that_is_gone_is_a_report_of_missing_connections() {
    let scene = Scene::open().await;
    let mailbox = scene.world.mailbox().await;
    let load = load(&scene, std::slice::from_ref(&mailbox), "store", 4);
    let prepared = load.prepare(Arc::new(Progress::default())).await.unwrap();
    scene.close().await;
    let report = prepared.run().await.unwrap();
    assert_eq!(report.succeeded(), 0);
    let expected = [(FailureKind::NotConnected, 4)];
    assert_eq!(failures(&report, Operation::Store), expected);
}

#[tokio::test]
async fn requests_that_lay_too_long_are_signed_again_and_still_taken() {
    let scene = Scene::open().await;
    let mailbox = scene.world.mailbox().await;
    let load = load(&scene, std::slice::from_ref(&mailbox), "draw=1,store=1", 8);
    let prepared = load.prepare(Arc::new(Progress::default())).await.unwrap();
    // Longer than a CPS takes a signature, and than an issuer an attestation.
    scene.hand.advance(Duration::from_secs(301));
    let report = prepared.run().await.unwrap();
    assert_eq!((report.succeeded(), report.failed()), (8, 0));
    assert_eq!(report.preparation.renewed, 8);
    scene.close().await;
}

#[tokio::test]
async fn a_quota_that_does_not_suffice_ends_the_preparation_with_its_reason() {
    let scene = Scene::open_with(|world| world.issuer.quota.tokens = 10).await;
    let mailbox = scene.world.mailbox().await;
    let load = load(&scene, std::slice::from_ref(&mailbox), "store", 24);
    let refused = load.prepare(Arc::new(Progress::default())).await.err();
    let Some(LoadError::Carrier(error)) = refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("Quota exceeded"), "{error}");
    scene.close().await;
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_reports_what_it_has() {
    let scene = Scene::open().await;
    let mailbox = scene.world.mailbox().await;
    let load = load(&scene, std::slice::from_ref(&mailbox), "retrieve", u64::MAX);
    let (stop, progress) = (load.stop.clone(), Arc::new(Progress::default()));
    let prepared = load.prepare(progress.clone()).await.unwrap();
    let running = tokio::spawn(prepared.run());
    until("ten answers", LONG, async || {
        (progress.succeeded() >= 10).then_some(())
    })
    .await;
    stop.trigger();
    let report = running.await.unwrap().unwrap();
    assert_eq!(report.ended_by, End::Stopped);
    assert!(report.succeeded() >= 10 && report.failed() == 0);
    scene.close().await;
}

#[tokio::test]
async fn throw_away_mailboxes_are_published_and_take_what_is_stored() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let cps = address(world.cps_name());
    let mailboxes = Mailboxes {
        identity: world.holder.clone(),
        coverage: Coverage::Number(FIRST_NUMBER.parse().unwrap()),
        cpss: MailboxCpss::one(cps).unwrap(),
        kem: Kem::DhkemX25519,
        lifetime: LONG,
    };
    let client = HttpOptions::default().client().unwrap();
    let published = mailboxes.publish(3, &client, world.clock.now()).await;
    let report = run(Load {
        mailboxes: published.unwrap(),
        ..load(&scene, &[], "store=1,retrieve=1", 12)
    })
    .await;
    assert_eq!((report.succeeded(), report.failed()), (12, 0));
    scene.close().await;
}
