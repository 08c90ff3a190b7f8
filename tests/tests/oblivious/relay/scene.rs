//! A relay in a process of its own, with one gateway, and clients at addresses of their own.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use pennyblack_base::problem::Problem;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::process::Process;
use pennyblack_tests::world::World;

use super::gateway::Gateway;
use crate::SERVICE;

/// The media type of requests.
pub(super) const REQUEST: &str = "message/ohttp-req";

/// The process's name, and that of its files.
const RELAY: &str = "relay";

/// All of it, running.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) gateway: Gateway,
    pub(super) relay: Process,
}

impl Scene {
    /// With these settings, as `section.key=value`.
    pub(super) async fn open(settings: &[&str]) -> Self {
        Self::open_with(Command::new(SERVICE), settings).await
    }

    /// The same, started by a command to which the relay's arguments are added.
    pub(super) async fn open_with(mut command: Command, settings: &[&str]) -> Self {
        let world = World::new(Clock::system());
        let (gateway, files) = Gateway::start(&world.path("")).await;
        let text = format!(
            r#"
[relay]
authority = "relay.test"
[public]
listen = "127.0.0.1:0"
[admin]
[[gateway]]
name = "cps-a"
url = "{}"
tls_roots = {:?}
client_certificate = {:?}
client_key = {:?}
"#,
            gateway.url, files.roots, files.certificate, files.key,
        );
        let config = world.path("relay.toml");
        fs::write(&config, text).unwrap();
        command.args(["relay", "--config"]).arg(config);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let relay = Process::start_named(command, RELAY, &world).await;
        Self {
            world,
            gateway,
            relay,
        }
    }

    /// The URL of the gateway at the relay.
    pub(super) fn url(&self) -> String {
        format!("http://{}/cps-a", self.relay.addresses().public)
    }

    /// A client at this address of this machine, which speaks HTTP/2.
    pub(super) fn client(&self, address: [u8; 4]) -> reqwest::Client {
        let client = reqwest::Client::builder().http2_prior_knowledge();
        let client = client.local_address(Some(Ipv4Addr::from(address).into()));
        client.no_proxy().build().unwrap()
    }

    /// Sends a body that asks the gateway for something.
    pub(super) async fn ask(&self, client: &reqwest::Client, body: &str) -> Answer {
        let request = client.post(self.url()).header("content-type", REQUEST);
        Answer::to(request.body(body.to_owned())).await.unwrap()
    }

    /// What the operator reads at `path`.
    pub(super) async fn admin(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.relay.addresses().admin);
        let answer = Answer::to(self.world.client.get(url)).await.unwrap();
        String::from_utf8(answer.body).unwrap()
    }

    /// What the relay has written.
    pub(super) fn said(&self) -> Vec<u8> {
        let outputs = ["out", "err"].map(|end| self.world.path(&format!("{RELAY}.{end}")));
        outputs.map(|path| fs::read(path).unwrap()).concat()
    }
}

/// The problem document of an answer, which is not of the gateway's making.
pub(super) fn problem(answer: &Answer) -> Problem {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(
        answer.headers["content-type"], "application/problem+json",
        "{text}"
    );
    assert!(!text.contains("words of the gateway"), "{text}");
    for field in ["server", "set-cookie", "via", "location"] {
        assert!(!answer.headers.contains_key(field), "{field}: {text}");
    }
    serde_json::from_slice(&answer.body).unwrap()
}
