//! An issuer, a CPS and a gateway in processes of their own: a wallet with tokens, and a
//! mailbox that is registered.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use pennyblack_client::carrier::Carrier;
use pennyblack_client::verification_service::{MailboxCpss, Publisher, create_mailbox_key};
use pennyblack_client::wallet::Wallet;
use pennyblack_evidence::key_log_view::LogPolicy;
use pennyblack_http::{RetryPolicy, ServiceAddress};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::{Kem, MailboxId};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::port::free_port;
use crate::process::{Process, Programs, Role};
use crate::world::{FIRST_NUMBER, World};

/// Who is called.
pub const CALLED: &str = FIRST_NUMBER;

/// The name of the process of the gateway, and of its files.
const GATEWAY: &str = "gateway";

/// The file of the mailbox key that is registered.
pub const MAILBOX: &str = "office.mailbox";

/// The file of the wallet.
pub const WALLET: &str = "wallet.db";

/// Most tokens of one draw.
const MAX_BATCH: usize = 256;

/// All of it, running.
pub struct GatewayScene {
    /// Certificates and configurations.
    pub world: World,
    /// Until a test stops it.
    pub cps: Option<Process>,
    /// The gateway.
    pub gateway: Process,
    _issuer: Process,
}

/// What a gateway begins with.
#[derive(Debug, Default)]
pub struct Beginning {
    /// Tokens in the wallet.
    pub tokens: usize,
    /// Lines at the end of the configuration: trunks, and more.
    pub config: String,
    /// Settings that the command line changes, as `section.key=value`.
    pub settings: Vec<String>,
    /// Mailboxes that are registered for [`CALLED`] besides [`MAILBOX`]: each gets a copy of
    /// each PASSporT.
    pub more_mailboxes: usize,
}

/// The ports at which a gateway is asked by SIP.
#[derive(Debug, Clone, Copy)]
pub struct SipPorts {
    /// For calls that leave.
    pub sign: SocketAddr,
    /// For calls that arrive.
    pub verify: SocketAddr,
}

impl SipPorts {
    /// Free ones.
    #[must_use]
    pub fn free() -> Self {
        let free = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        Self {
            sign: free(),
            verify: free(),
        }
    }

    /// The settings by which it listens there, over UDP and TCP.
    pub fn settings(&self) -> impl Iterator<Item = String> {
        [("sign", self.sign), ("verify", self.verify)]
            .into_iter()
            .map(|(side, port)| format!("sip.{side}.listen=[\"udp:{port}\", \"tcp:{port}\"]"))
    }
}

impl GatewayScene {
    /// With so many tokens in the wallet, and these lines at the end of the configuration.
    pub async fn open(programs: impl Into<Programs>, tokens: usize, config: &str) -> Self {
        let beginning = Beginning {
            tokens,
            config: config.to_owned(),
            ..Beginning::default()
        };
        Self::open_in(World::new(Clock::system()), programs, beginning).await
    }

    /// In a world in which nothing runs yet.
    pub async fn open_in(
        world: World,
        programs: impl Into<Programs>,
        beginning: Beginning,
    ) -> Self {
        let programs = programs.into();
        let issuer = Process::start(programs.clone(), Role::Issuer, &world).await;
        let cps = Process::start(programs.clone(), Role::Cps, &world).await;
        fill_wallet(&world, WALLET, beginning.tokens).await;
        let more = (1..=beginning.more_mailboxes).map(|number| format!("{number}.mailbox"));
        let mailboxes: Vec<_> = std::iter::once(MAILBOX.to_owned()).chain(more).collect();
        for mailbox in &mailboxes {
            register_mailbox(&world, mailbox).await;
        }
        write_config_with(&world, &mailboxes, &beginning.config);
        let gateway = start_gateway(&world, &programs, GATEWAY, &beginning.settings).await;
        Self {
            world,
            cps: Some(cps),
            gateway,
            _issuer: issuer,
        }
    }

    /// Starts a gateway beside the first one, or in the place of one that was killed, with the
    /// same configuration and these settings. `name` is that of its files.
    pub async fn start_another(
        &self,
        programs: impl Into<Programs>,
        name: &str,
        settings: &[String],
    ) -> Process {
        start_gateway(&self.world, &programs.into(), name, settings).await
    }

    /// Posts a body, and returns the status and the JSON that came back.
    pub async fn post(&self, path: &str, media: &str, body: String) -> (u16, Value) {
        let url = format!("http://{}{path}", self.gateway.addresses().public);
        let request = self.world.client.post(url).header("content-type", media);
        let answer = Answer::to(request.body(body)).await.unwrap();
        let json = serde_json::from_slice(&answer.body);
        (answer.status.as_u16(), json.unwrap_or_default())
    }

    /// Has a call signed that begins now.
    pub async fn sign(&self, caller: &str) -> (u16, Value) {
        let body = json!({"signingRequest": {
            "attest": "A", "orig": {"tn": caller}, "dest": {"tn": [CALLED]},
            "iat": self.world.clock.now().0,
        }});
        let path = "/stir/v1/signing";
        self.post(path, "application/json", body.to_string()).await
    }

    /// Has a call verified that brings no Identity.
    pub async fn verify(&self, caller: &str, call: &str) -> (u16, Value) {
        let body = json!({"verificationRequest": {
            "from": {"tn": caller}, "to": {"tn": [CALLED]},
            "time": self.world.clock.now().0, "requestId": call,
        }});
        let path = "/stir/v1/verification";
        self.post(path, "application/json", body.to_string()).await
    }

    /// What the operator reads at `path`.
    pub async fn admin(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.gateway.addresses().admin);
        let answer = Answer::to(self.world.client.get(url)).await.unwrap();
        String::from_utf8(answer.body).unwrap()
    }
}

async fn start_gateway(
    world: &World,
    programs: &Programs,
    name: &str,
    settings: &[String],
) -> Process {
    let mut command = programs.command("gateway");
    command.arg("--config").arg(config_of(world));
    if let Some(authority) = world.authority() {
        let ca_file = format!("network.ca_file={}", authority.display());
        command.arg("--set").arg(ca_file);
    }
    for setting in settings {
        command.arg("--set").arg(setting);
    }
    Process::start_named(command, name, world).await
}

/// The file of the configuration.
#[must_use]
pub fn config_of(world: &World) -> PathBuf {
    world.path(&format!("{GATEWAY}.toml"))
}

/// Writes the configuration, with these trunks.
pub fn write_config(world: &World, trunks: &str) {
    write_config_with(world, &[MAILBOX], trunks);
}

/// Writes the configuration, with these files of mailbox keys and these trunks.
pub fn write_config_with(world: &World, mailboxes: &[impl AsRef<str>], trunks: &str) {
    let at = |name: &str| world.path(name).display().to_string();
    let cps = world.url_of(world.cps_name().as_str());
    let text = format!(
        r#"
[gateway]
[public]
listen = "127.0.0.1:0"
[http]
allow = ["127.0.0.0/8"]
[admin]
[calls]
file = "{calls}"
[trust]
roots = "{pki}/roots"
certificates = "{pki}/issued"
[store]
cps = "{cps}"
wallet = "{wallet}"
minimum_age = "0s"
[store.key_records]
prefixes = ["1212555"]
every = "1s"
[verify]
mailboxes = {mailboxes:?}
used = "{used}"
[verify.follow]
every = "20ms"
{trunks}
"#,
        calls = at("calls.jsonl"),
        pki = at("pki"),
        wallet = at(WALLET),
        mailboxes = mailboxes
            .iter()
            .map(|name| at(name.as_ref()))
            .collect::<Vec<_>>(),
        used = at("gateway.used"),
    );
    fs::write(config_of(world), text).unwrap();
}

/// A trunk of North America that signs as the carrier.
#[must_use]
pub fn trunk(world: &World, name: &str) -> String {
    let issued = world.path("pki").join("issued");
    let issued = issued.display();
    format!(
        r#"
[[trunk]]
name = "{name}"
country_code = "1"
international_prefix = "011"
certificate = "{issued}/carrier.pem"
key = "{issued}/carrier.key"
x5u = "https://certs.test/carrier.pem"
"#
    )
}

/// Draws so many tokens into a wallet.
pub async fn fill_wallet(world: &World, wallet: &str, tokens: usize) {
    let wallet = Wallet::open(&world.path(wallet)).unwrap();
    let client = world.http_options().client().unwrap();
    let (cps, now) = (world.cps_name(), world.clock.now());
    let mut left = tokens;
    while let Some(batch) = NonZeroUsize::new(left.min(MAX_BATCH)) {
        let carrier = Carrier {
            issuer: world.url_of(world.issuer_name().as_str()).parse().unwrap(),
            identity: world.carrier.clone(),
            batch,
            retry: RetryPolicy::SHORT,
            log: LogPolicy::default(),
        };
        carrier.draw(&client, &wallet, cps, now).await.unwrap();
        left -= batch.get();
    }
}

/// Makes a mailbox key in this file of the world, and registers it for [`CALLED`].
pub async fn register_mailbox(world: &World, file: &str) -> MailboxId {
    let path = world.path(file);
    let key = create_mailbox_key(&path, Kem::DhkemX25519).unwrap();
    let cps: ServiceAddress = world.url_of(world.cps_name().as_str()).parse().unwrap();
    let publisher = Publisher {
        identity: world.holder.clone(),
        coverage: Coverage::Number(CALLED.parse().unwrap()),
        key: key.config().clone(),
        cpss: MailboxCpss::one(cps).unwrap(),
        lifetime: Duration::from_secs(3600),
        retry: RetryPolicy::SHORT,
    };
    let client = world.http_options().client().unwrap();
    publisher
        .register(&client, world.clock.now())
        .await
        .unwrap();
    key.mailbox()
}
