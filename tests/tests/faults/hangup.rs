//! SIGHUP: services read their certificates again, and lose no request.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pennyblack_http::{HttpClient, HttpError, HttpOptions, Request, RetryPolicy, TrustRoots};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::TlsConfig;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_storage::atomic_file;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// Longest wait until files are read again.
const READ: Duration = Duration::from_secs(30);

/// A certificate for this machine, and its key.
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    fn install(&self, at: &TlsConfig) {
        fs::write(&at.certificate, &self.certificate).unwrap();
        atomic_file::write_private(&at.key, self.key.as_bytes()).unwrap();
    }
}

/// A client that trusts these certificates and no others.
fn trusting(pairs: &[&Pair], world: &World, name: &str) -> HttpClient {
    let bundle: PathBuf = world.path(name);
    let pem: String = pairs.iter().map(|pair| pair.certificate.as_str()).collect();
    fs::write(&bundle, pem).unwrap();
    let options = HttpOptions {
        trust_roots: TrustRoots::Only(bundle),
        ..HttpOptions::default()
    };
    options.client().unwrap()
}

async fn ask(client: &HttpClient, world: &World) -> Result<(), HttpError> {
    let url = format!("https://{}/log/checkpoint", world.cps_name());
    let request = Request::get(url, 64 * 1024);
    client.send(&request, RetryPolicy::NONE).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_renews_a_services_certificate_and_loses_no_request() {
    let mut world = World::new(Clock::system());
    let [old, new] = [Pair::new(), Pair::new()];
    let tls = TlsConfig {
        certificate: world.path("tls.pem"),
        key: world.path("tls.key"),
    };
    old.install(&tls);
    world.cps.public.tls = Some(tls.clone());
    let world = Arc::new(world);
    let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    let (stop, asked) = (Shutdown::new(), Arc::new(AtomicU64::new(0)));
    let asking = tokio::spawn({
        let (world, stop, asked) = (Arc::clone(&world), stop.clone(), Arc::clone(&asked));
        let client = trusting(&[&old, &new], &world, "both.pem");
        async move {
            while !stop.is_triggered() {
                ask(&client, &world).await.unwrap();
                asked.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let more = async || {
        let before = asked.load(Ordering::SeqCst);
        until("more answers", READ, async || {
            (asked.load(Ordering::SeqCst) > before + 10).then_some(())
        })
        .await;
    };
    more().await;
    issuer.hang_up();
    cps.hang_up();
    more().await;
    new.install(&tls);
    cps.hang_up();
    until("the new certificate", READ, async || {
        let client = trusting(&[&new], &world, "new.pem");
        ask(&client, &world).await.ok()
    })
    .await;
    let late = trusting(&[&old], &world, "old.pem");
    assert!(ask(&late, &world).await.is_err());
    more().await;
    stop.trigger();
    asking.await.unwrap();
    cps.stop().await;
    issuer.stop().await;
}
