//! Two telephone gateways as processes of their own: `pennyblack-gateway` at the originating
//! carrier, and at the terminating one. Not here: what they are asked.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use pennyblack_client::oblivious::RelayAddress;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::participants::Participants;
use super::service::{LOOK_EVERY, READY_WITHIN, Service};
use super::{DemoError, WhileDoing as _};

/// A gateway, and where its switch asks by SIP.
pub(super) struct Gateway {
    pub(super) sip: SocketAddr,
    service: Service,
    calls: PathBuf,
}

/// What a gateway writes of a call, for the CDRs of its operator.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    call: String,
    /// `signed`, or the verstat.
    pub(super) result: String,
    /// Copies that were stored.
    pub(super) copies: Option<usize>,
    /// Why it was not stored or found.
    pub(super) reason: Option<String>,
}

impl Gateway {
    /// The gateway of carrier A: signs, and stores for this number as the carrier does.
    pub(super) fn originating(
        directory: &Path,
        cast: &Participants,
        dest: &str,
    ) -> Result<Self, DemoError> {
        let (carrier, pki) = (&cast.carrier_a, &cast.pki);
        let sections = json!({
            "gateway": {"role": "sign"},
            // The answer says how many copies are stored, on a slow machine too.
            "signing": {"deadline": "10s"},
            // The key record of the number names that CPS alone.
            "oblivious": {"relays": first_of(&carrier.relays)},
            "store": {
                "cps": carrier.cps()?, "wallet": carrier.wallet_file, "minimum_age": "0s",
                "key_records": {"prefixes": [dest]},
            },
            "trunk": [{
                "name": "switch", "attest": "A", "x5u": carrier.x5u.to_string(),
                "certificate": pki.certificate_path(carrier.name),
                "key": pki.key_path(carrier.name),
            }],
        });
        Self::new("originating-gateway", "sign", directory, cast, sections)
    }

    /// The gateway of the terminating carrier: verifies by what comes to this mailbox.
    pub(super) fn terminating(
        directory: &Path,
        cast: &Participants,
        mailbox: &Path,
    ) -> Result<Self, DemoError> {
        let sections = json!({
            "gateway": {"role": "verify"},
            "verify": {
                "mailboxes": [mailbox], "cps": [cast.called_cps()?],
                "used": directory.join("gateway.used"),
                // Patient with a slow machine.
                "wait": "1s", "deadline": "5s",
                "follow": {"every": "25ms", "slots": 16, "mailbox_capacity": 256},
            },
            "trunk": [{"name": "switch"}],
        });
        Self::new("terminating-gateway", "verify", directory, cast, sections)
    }

    fn new(
        name: &'static str,
        side: &str,
        directory: &Path,
        cast: &Participants,
        mut sections: Value,
    ) -> Result<Self, DemoError> {
        let sip = free_datagram_port()?;
        let calls = directory.join(format!("{name}.calls"));
        let common = json!({
            "public": {"listen": "127.0.0.1:0"},
            "calls": {"file": calls},
            "trust": {"roots": cast.pki.roots_path(), "certificates": cast.issued},
            "sip": {side: {"listen": [format!("udp:{sip}")]}},
        });
        if let (Value::Object(sections), Value::Object(common)) = (&mut sections, common) {
            sections.extend(common);
        }
        let config: pennyblack_gateway::Config =
            serde_json::from_value(sections).during("configuring a gateway")?;
        let service = Service::new("gateway", name, directory, &config)?;
        Ok(Self {
            sip,
            service,
            calls,
        })
    }

    /// Starts it; it is ready when it can store, or when it has read its mailbox.
    pub(super) async fn start(&mut self) -> Result<(), DemoError> {
        self.service.start().await
    }

    /// What it writes of the call with this `Call-ID`.
    pub(super) async fn written(&self, call: &str) -> Result<Written, DemoError> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            let text = fs::read_to_string(&self.calls).during("reading a gateway's calls")?;
            let lines = text.lines().map(serde_json::from_str::<Written>);
            // The last line may not be there to its end.
            if let Some(line) = lines.flatten().find(|line| line.call == call) {
                return Ok(line);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(DemoError::Never("a gateway's line of a call"))
    }
}

/// The way to the first CPS, if there is a relay.
fn first_of(relays: &[RelayAddress]) -> &[RelayAddress] {
    relays.get(..1).unwrap_or_default()
}

fn free_datagram_port() -> Result<SocketAddr, DemoError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).during("finding a free port")?;
    socket.local_addr().during("finding a free port")
}
