//! The relay and a CPS that knows it by its certificate, or does not.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use http::StatusCode;
use pennyblack_cps::{ObliviousConfig, RelayConfig, RelayKey};
use pennyblack_ohttp::exchange::open_response;
use pennyblack_ohttp::key_config::KeyConfig;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::known_clients::SpkiDigest;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::sealed::{first_key, inner_get, seal};
use pennyblack_tests::world::World;

use super::scene::REQUEST;
use crate::SERVICE;

/// Of 8 KiB each: more than a mebibyte.
const REQUESTS: usize = 140;
/// At one time, one after the other on one connection.
const AT_ONCE: usize = 20;

/// A key pair and its certificate.
struct Shown(rcgen::CertifiedKey<rcgen::KeyPair>);

impl Shown {
    fn new() -> Self {
        let names = ["relay.test".to_owned()];
        Self(rcgen::generate_simple_self_signed(names).unwrap())
    }

    fn spki(&self) -> SpkiDigest {
        SpkiDigest::of(self.0.cert.der()).unwrap()
    }

    fn write(&self, certificate: &Path, key: &Path) {
        fs::write(certificate, self.0.cert.pem()).unwrap();
        let mut options = fs::File::options();
        let file = options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = file.open(key).unwrap();
        std::io::Write::write_all(&mut file, self.0.signing_key.serialize_pem().as_bytes())
            .unwrap();
    }
}

struct Scene {
    world: World,
    key: KeyConfig,
    cps: Process,
    relay: Process,
}

impl Scene {
    /// A relay that shows `shown`, and a CPS that knows `known`.
    async fn open(shown: Option<&Shown>, known: &[&Shown]) -> Self {
        let mut world = World::with_tls(Clock::system());
        let relays = known.iter().enumerate().map(|(nth, known)| RelayConfig {
            name: format!("relay-{nth}"),
            spki: RelayKey(known.spki()),
        });
        world.cps.oblivious = Some(ObliviousConfig {
            relay: relays.collect(),
            ..ObliviousConfig::default()
        });
        let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
        let cps = Process::start(SERVICE, Role::Cps, &world).await;
        issuer.kill();
        let relay = start_relay(&world, shown).await;
        Self {
            key: first_key(&world).await,
            world,
            cps,
            relay,
        }
    }

    /// Sends more than a mebibyte through the relay: how many bytes of it were answered, and
    /// how many connections the relay made.
    async fn send_a_mebibyte(&self) -> (usize, u64) {
        let url = format!("http://{}/cps", self.relay.addresses().public);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut bytes = 0;
        for _ in 0..REQUESTS / AT_ONCE {
            let some = (0..AT_ONCE).map(async |_| {
                let (sealed, opener) = seal(&self.key, &inner_get(&self.world, "/log/key"));
                let size = sealed.len();
                let request = client
                    .post(&url)
                    .header("content-type", REQUEST)
                    .body(sealed);
                let answer = Answer::to(request).await.unwrap();
                // The relay sends nothing again of what came to a connection that ended.
                if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                    return 0;
                }
                let inner = open_response(opener, answer.content()).unwrap();
                assert_eq!(inner.status, StatusCode::OK);
                size
            });
            bytes += futures_util::future::join_all(some)
                .await
                .iter()
                .sum::<usize>();
        }
        let metric = "pennyblack_relay_connections_total";
        (bytes, counted(&self.world, &self.relay, metric).await)
    }

    async fn known_connections(&self) -> u64 {
        counted(&self.world, &self.cps, "pennyblack_known_connections_total").await
    }

    async fn ended_for_bytes(&self) -> u64 {
        let metric = "pennyblack_connections_closed_total{reason=\"enough_bytes\"}";
        counted(&self.world, &self.cps, metric).await
    }
}

/// The first line of a metric that begins so, at a program's admin address.
async fn counted(world: &World, of: &Process, metric: &str) -> u64 {
    let url = format!("http://{}/metrics", of.addresses().admin);
    let metrics = Answer::to(world.client.get(url)).await.unwrap().text();
    let line = metrics.lines().find(|line| line.starts_with(metric));
    let count = line.and_then(|line| line.rsplit_once(' '));
    count.map_or(0, |(_, count)| count.parse().unwrap())
}

/// One that would never end its connection.
async fn start_relay(world: &World, shown: Option<&Shown>) -> Process {
    let (certificate, key) = (world.path("relay.pem"), world.path("relay.key"));
    let certificates = shown.map(|shown| {
        shown.write(&certificate, &key);
        format!("client_certificate = {certificate:?}\nclient_key = {key:?}\n")
    });
    let text = format!(
        "[relay]\nauthority = \"relay.test\"\n[public]\nlisten = \"127.0.0.1:0\"\n[admin]\n\
         listen = \"127.0.0.1:0\"\n[clients]\nrequests_a_second = 10000\n[forward]\n\
         replace_after_bytes = 1000000000\n[[gateway]]\nname = \"cps\"\n\
         url = \"https://{}/.well-known/ohttp-gateway\"\ntls_roots = {:?}\n{}",
        world.cps_name(),
        world.authority().unwrap(),
        certificates.unwrap_or_default(),
    );
    let config = world.path("relay.toml");
    fs::write(&config, text).unwrap();
    let mut command = Command::new(SERVICE);
    command.args(["relay", "--config"]).arg(config);
    Process::start_named(command, "relay", world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_relay_sends_a_mebibyte_over_one_connection() {
    let (other, shown) = (Shown::new(), Shown::new());
    let scene = Scene::open(Some(&shown), &[&other, &shown]).await;
    let (bytes, connections) = scene.send_a_mebibyte().await;
    assert!(bytes > 1 << 20, "{bytes} bytes were answered");
    assert_eq!(connections, 1);
    assert_eq!(scene.ended_for_bytes().await, 0);
    let known = counted(
        &scene.world,
        &scene.cps,
        "pennyblack_known_connections_total{client=\"relay-1\"}",
    );
    assert_eq!(known.await, 1);
}

/// Our relay has the CPS keep none of its header fields, so nothing is left to end for.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_not_known_does_so_too_and_has_what_anybody_has() {
    let (known, stranger) = (Shown::new(), Shown::new());
    for (shown, known) in [
        (Some(&stranger), vec![&known]),
        (None, vec![&known]),
        (Some(&stranger), vec![]),
    ] {
        let scene = Scene::open(shown, &known).await;
        let (bytes, connections) = scene.send_a_mebibyte().await;
        assert!(bytes > 1 << 20, "{bytes} bytes were answered");
        assert_eq!(connections, 1);
        assert_eq!(scene.ended_for_bytes().await, 0);
        assert_eq!(scene.known_connections().await, 0);
    }
}
