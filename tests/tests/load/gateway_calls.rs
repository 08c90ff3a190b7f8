//! What a call costs the telephone gateway's engine in processor time, with everything on:
//! TLS, a wallet on disk, a followed mailbox. The services run in processes of their own.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_client::assignments::{Assignments, CallName};
use pennyblack_client::auth_service::{ClockGaps, OobAuthenticationService};
use pennyblack_client::carrier::Carrier;
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::follower::FollowedMailbox;
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::trust::load_trust;
use pennyblack_client::verification_service::{Publisher, SpcAuthority, VerificationRules};
use pennyblack_client::wallet::Wallet;
use pennyblack_engine::{
    Engine, EngineParts, IncomingCall, KeyRecordsConfig, OutgoingCall, SigningConfig,
    SigningIdentity, SigningParts, StoreConfig, Trunk, VerifyConfig, VerifyingParts,
};
use pennyblack_evidence::key_log_view::LogPolicy;
use pennyblack_http::{HttpOptions, RetryPolicy, ServiceAddress, TrustRoots};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::TlsConfig;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::{FIRST_NUMBER, World};
use tokio::time::{Instant, sleep_until};

use super::alone;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const SOON: Duration = Duration::from_secs(60);

/// Calls, and how many begin in a second.
const CALLS: u32 = 1_000;
const CALLS_A_SECOND: u32 = 50;

/// Batches of 256 tokens.
const BATCHES: usize = 5;

/// A certificate for the CPS's TLS; the gateway trusts it beside the system's CAs.
fn tls(world: &World) -> (TlsConfig, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (world.path("tls.pem"), world.path("tls.key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = TlsConfig {
        certificate: certificate.clone(),
        key,
    };
    (tls, certificate)
}

async fn wallet(world: &World) -> Wallet {
    let wallet = Wallet::open(&world.path("wallet.db")).unwrap();
    let carrier = Carrier {
        issuer: format!("http://{}", world.issuer_name()).parse().unwrap(),
        identity: world.carrier.clone(),
        batch: NonZeroUsize::new(256).unwrap(),
        retry: RetryPolicy::SHORT,
        log: LogPolicy::default(),
    };
    let client = HttpOptions::default().client().unwrap();
    for _ in 0..BATCHES {
        let now = world.clock.now();
        let drawn = carrier.draw(&client, &wallet, world.cps_name(), now).await;
        drawn.unwrap();
    }
    wallet
}

fn rules(world: &World) -> VerificationRules {
    VerificationRules {
        trust: load_trust(&world.pki.roots_path(), None, world.clock.now()).unwrap(),
        certificates: CertificateStores {
            directory: Some(world.path("pki").join("issued")),
            repositories: None,
        },
        authority: SpcAuthority::Any,
    }
}

async fn publish(world: &World, key: &RecipientKey, cps: &ServiceAddress, http: &HttpOptions) {
    let publisher = Publisher {
        identity: world.holder.clone(),
        coverage: Coverage::Number(FIRST_NUMBER.parse().unwrap()),
        key: key.config().clone(),
        cps: cps.clone(),
        public_cps: cps.public_uri().unwrap(),
        lifetime: Duration::from_secs(3600),
        retry: RetryPolicy::SHORT,
    };
    let client = http.client().unwrap();
    publisher
        .register(&client, world.clock.now())
        .await
        .unwrap();
}

async fn engine(world: &World, ca: PathBuf) -> Engine {
    let http = HttpOptions {
        trust_roots: TrustRoots::SystemAnd(ca),
        ..HttpOptions::default()
    };
    let cps: ServiceAddress = format!("https://{}", world.cps_name()).parse().unwrap();
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    publish(world, &key, &cps, &http).await;
    let rules = rules(world);
    let service = OobAuthenticationService {
        cps: cps.clone(),
        http: http.clone(),
        transport: Arc::new(http.clone()),
        trust: rules.trust.clone(),
        numbering: None,
        certificates: rules.certificates.clone(),
        minimum_age: Duration::ZERO,
        max_copies: 1,
        retry: RetryPolicy::SHORT,
        clock_gaps: ClockGaps::default(),
    };
    let signing = SigningParts {
        service,
        wallet: wallet(world).await,
        transport: Arc::new(http.fresh_clients().unwrap()),
        signing: SigningConfig {
            deadline: Duration::from_secs(2),
            ..SigningConfig::default()
        },
        store: StoreConfig {
            minimum_age: Duration::ZERO,
            key_records: KeyRecordsConfig {
                prefixes: vec!["1212555".parse().unwrap()],
                ..KeyRecordsConfig::default()
            },
            ..StoreConfig::default()
        },
        key_records_file: None,
    };
    let mailbox = FollowedMailbox {
        key: Arc::new(key),
        cps,
        source: Arc::new(http.client().unwrap()),
    };
    let verifying = VerifyingParts {
        mailboxes: vec![mailbox],
        rules,
        assignments: Arc::new(Assignments::open(&world.path("used.db")).unwrap()),
        config: VerifyConfig {
            wait: Duration::from_secs(2),
            deadline: Duration::from_secs(3),
            ..VerifyConfig::default()
        },
    };
    let engine = Engine::start(EngineParts {
        signing: Some(signing),
        verifying: Some(verifying),
        clock: world.clock.clone(),
    });
    let engine = engine.unwrap();
    until("a ready engine", SOON, async || {
        let status = engine.status(&[]).await;
        status.not_ready.is_empty().then_some(())
    })
    .await;
    engine
}

fn trunk(world: &World) -> Trunk {
    let (certificate, key) = (
        world.pki.certificate_path("carrier"),
        world.pki.key_path("carrier"),
    );
    let read = move || StirIdentity::load(&certificate, &key, None);
    Trunk {
        country_code: Some("1".to_owned()),
        identity: Some(SigningIdentity {
            files: FromFiles::open("trunk.certificate", read).unwrap(),
            x5u: "https://certs.test/carrier.pem".parse().unwrap(),
        }),
        ..Trunk::default()
    }
}

/// A call from a number of its own, so that it finds its own PASSporT.
async fn call(engine: Engine, trunk: Arc<Trunk>, number: u32, verifies: bool) -> Duration {
    let from = format!("1215{:07}", 5_500_000 + number);
    let began = Instant::now();
    let outgoing = OutgoingCall {
        from: from.clone(),
        dest: vec![FIRST_NUMBER.to_owned()],
        ..OutgoingCall::default()
    };
    let outcome = engine.sign(&trunk, outgoing).await.unwrap();
    let took = began.elapsed();
    assert_eq!(outcome.oob.copies, 1, "{outcome:?}");
    if verifies {
        let incoming = IncomingCall {
            call: CallName::new(&from),
            asserted: Vec::new(),
            from,
            to: vec![FIRST_NUMBER.to_owned()],
            request_uri: None,
            identities: Vec::new(),
        };
        let verdict = engine.verify(&trunk, incoming).await;
        assert_eq!(verdict.verstat(), "TN-Validation-Passed", "{verdict:?}");
    }
    took
}

fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap()
}

async fn measured(verifies: bool) {
    let mut world = World::new(Clock::system());
    let (tls, ca) = tls(&world);
    world.cps.public.tls = Some(tls);
    world.issuer.quota.tokens = 1 << 20;
    let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    let (engine, trunk) = (engine(&world, ca).await, Arc::new(trunk(&world)));

    let idle = processor_time();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = (processor_time() - idle) / 5;

    let (began, before) = (Instant::now(), processor_time());
    let mut calls = Vec::new();
    for number in 0..CALLS {
        sleep_until(began + Duration::from_secs(1) * number / CALLS_A_SECOND).await;
        let call = call(engine.clone(), Arc::clone(&trunk), number, verifies);
        calls.push(tokio::spawn(call));
    }
    let mut times = Vec::new();
    for call in calls {
        times.push(call.await.unwrap());
    }
    let (spent, took) = (processor_time() - before, began.elapsed());
    times.sort_unstable();
    let percentile = |of: usize| times[(times.len() - 1) * of / 100];
    let share = spent.as_secs_f64() / took.as_secs_f64();
    println!(
        "{CALLS} calls, {CALLS_A_SECOND} a second, verified: {verifies}: {:.2?} of processor time a call, {:.1} % of a core; following alone {:.1} %; p50 {:.1?}, p99 {:.1?}",
        spent / CALLS,
        share * 100.0,
        idle.as_secs_f64() * 100.0,
        percentile(50),
        percentile(99),
    );
    engine.stop().await;
    cps.kill();
    issuer.kill();
}

#[test]
#[ignore = "prints figures, and asserts nothing of them"]
fn what_a_call_costs_a_gateway() {
    let _alone = alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for verifies in [false, true] {
        runtime.block_on(measured(verifies));
    }
}
