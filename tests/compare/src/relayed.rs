//! A CPS behind a relay as they are deployed, over TLS, and clients that send to both. What
//! they send is made before a turn; its answers are opened after it.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use pennyblack_base::service_paths::{OHTTP_GATEWAY_PATH, OHTTP_REQUEST_MEDIA_TYPE};
use pennyblack_cps::{ObliviousConfig, RelayConfig, RelayKey, RetrievalConfig};
use pennyblack_ohttp::binary_http::Request;
use pennyblack_ohttp::encapsulation::ResponseOpener;
use pennyblack_ohttp::exchange::open_response;
use pennyblack_ohttp::key_config::KeyConfig;
use pennyblack_ohttp::size_class::ResponseClass;
use pennyblack_runtime::config::TlsConfig;
use pennyblack_service::known_clients::SpkiDigest;
use pennyblack_service::tls::{self, TlsSettings};
use pennyblack_tests::answer::Answer;
use pennyblack_tests::process::Process;
use pennyblack_tests::sealed::{first_key, padded_to, seal};
use pennyblack_tests::world::World;
use reqwest::{Certificate, Client, ClientBuilder, Identity};

use crate::services::{Services, start_named};
use crate::{cpu_time, machine};

/// Requests that are open at the same time: as many as a relay has at a gateway.
pub const AT_ONCE: usize = 64;

/// The answers that stores and look-ups ask for.
pub const ANSWER: ResponseClass = ResponseClass::Kib9;

/// Clients of the relay. A service works on 16 requests of one connection at a time.
const CLIENTS: usize = AT_ONCE / 16;

/// The relay's name and that of its files.
const RELAY: &str = "relay";

/// What one client may ask the relay for, where few clients stand for many.
const AS_MUCH_AS_MANY: &str = "[clients]\nrequests_a_second = 1000000\nat_once = 1024\n";

/// All of it, running.
pub struct Relayed {
    /// The CPS, and the issuer of its tokens.
    pub services: Services,
    relay: Process,
    key: KeyConfig,
    clients: Vec<Client>,
}

/// A request on its way through the relay.
pub struct Sealed {
    bytes: Bytes,
    opener: ResponseOpener,
}

impl Sealed {
    /// The bytes alone, of a request whose answer is not opened.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

impl Relayed {
    /// Starts the CPS and the relay, each on a core, for clients that stand for many.
    #[must_use]
    pub fn start(cps: usize, relay: usize) -> Self {
        Self::start_with(cps, relay, AS_MUCH_AS_MANY)
    }

    /// The same with these lines in the relay's configuration.
    #[must_use]
    pub fn start_with(cps: usize, relay: usize, lines: &str) -> Self {
        let services = Services::start_with_tls(Some(cps), |world| {
            world.cps.oblivious = Some(ObliviousConfig {
                relay: vec![known(world)],
                ..ObliviousConfig::default()
            });
            // In a hurry a store would miss its time, and wait for the next ones.
            world.cps.retrieval = RetrievalConfig::default();
        });
        let world = &services.world;
        let config = relay_config(world, lines);
        let relay = services.wait(start_named(Some(relay), RELAY, &config, world));
        let key = services.wait(first_key(world));
        let clients = (0..CLIENTS).map(|number| {
            // Each in a network of its own: a relay gives one network half of a gateway.
            let address = Ipv4Addr::new(127, 0, u8::try_from(number).unwrap(), 1);
            let client = http2(world).local_address(Some(address.into()));
            client.build().unwrap()
        });
        Self {
            clients: clients.collect(),
            services,
            relay,
            key,
        }
    }

    /// The relay's configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        config_path(&self.services.world)
    }

    /// The processor time that the relay has used.
    #[must_use]
    pub fn relay_time(&self) -> Duration {
        cpu_time::of_process(self.relay.id())
    }

    /// The memory that the relay holds, in bytes.
    #[must_use]
    pub fn relay_memory(&self) -> f64 {
        machine::resident(self.relay.id())
    }

    /// The URL of the CPS at the relay.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}/cps", self.relay.addresses().public)
    }

    /// Seals a request, and asks for an answer of the usual size.
    #[must_use]
    pub fn seal(&self, request: Request) -> Sealed {
        let (bytes, opener) = seal(&self.key, &padded_to(request, ANSWER.size()));
        Sealed {
            bytes: bytes.into(),
            opener,
        }
    }

    /// Sends sealed requests by kept connections of a few clients, and has the answers with
    /// what opens them.
    #[must_use]
    pub fn exchange(&self, requests: Vec<Sealed>) -> Vec<(ResponseOpener, Answer)> {
        let url = self.url();
        let sent = all(requests, async |number, Sealed { bytes, opener }| {
            (opener, self.post(number, &url, bytes).await)
        });
        self.services.wait(sent)
    }

    /// Posts sealed bytes by the client whose turn it is.
    pub async fn post(&self, number: usize, url: &str, sealed: Bytes) -> Answer {
        let client = &self.clients[number % CLIENTS];
        post(client, url, sealed).await.unwrap()
    }
}

/// Posts sealed bytes.
///
/// # Errors
/// When no answer came.
pub async fn post(client: &Client, url: &str, sealed: Bytes) -> Result<Answer, reqwest::Error> {
    let request = client.post(url).body(sealed);
    Answer::to(request.header("content-type", OHTTP_REQUEST_MEDIA_TYPE)).await
}

/// Opens answers: each is to have this status inside. So a refusal is no fast success.
///
/// # Panics
/// When one has another, or is not sealed.
pub fn expect(answers: Vec<(ResponseOpener, Answer)>, status: StatusCode) {
    for (opener, answer) in answers {
        let inner = open_response(opener, answer.content()).unwrap();
        let text = String::from_utf8_lossy(&inner.content);
        assert_eq!(inner.status, status, "{text}");
    }
}

/// Sends all requests, [`AT_ONCE`] at the same time.
pub async fn all<R, A>(
    requests: impl IntoIterator<Item = R>,
    send: impl AsyncFn(usize, R) -> A,
) -> Vec<A> {
    let send = &send;
    stream::iter(requests.into_iter().enumerate())
        .map(|(number, request)| send(number, request))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// A client that has one HTTP/2 connection to each service of the world.
pub fn http2(world: &World) -> ClientBuilder {
    let authority = fs::read(world.authority().unwrap()).unwrap();
    let authority = Certificate::from_pem(&authority).unwrap();
    Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .tls_certs_only([authority])
}

/// The same, which shows services the certificate that the relay shows.
#[must_use]
pub fn as_the_relay(world: &World) -> Client {
    let TlsConfig { certificate, key } = relay_identity(world);
    let pem = [certificate, key].map(|file| fs::read(file).unwrap());
    let identity = Identity::from_pem(&pem.concat()).unwrap();
    http2(world).identity(identity).build().unwrap()
}

/// Certificate and key by which the relay shows the CPS who it is: those of this machine.
fn relay_identity(world: &World) -> TlsConfig {
    world.cps.public.tls.clone().unwrap()
}

/// The relay as the CPS knows it.
fn known(world: &World) -> RelayConfig {
    let (chain, _) = tls::read(&relay_identity(world), TlsSettings::CONFIGURED).unwrap();
    RelayConfig {
        name: RELAY.to_owned(),
        spki: RelayKey(SpkiDigest::of(&chain[0]).unwrap()),
    }
}

fn config_path(world: &World) -> PathBuf {
    world.path(&format!("{RELAY}.toml"))
}

fn relay_config(world: &World, lines: &str) -> PathBuf {
    let TlsConfig { certificate, key } = relay_identity(world);
    let text = format!(
        r#"
[relay]
authority = "relay.test"
[public]
listen = "127.0.0.1:0"
[public.tls]
certificate = {certificate:?}
key = {key:?}
{lines}
[[gateway]]
name = "cps"
url = "https://{cps}{OHTTP_GATEWAY_PATH}"
tls_roots = {roots:?}
client_certificate = {certificate:?}
client_key = {key:?}
replace_after_bytes = "never"
"#,
        cps = world.cps_name(),
        roots = world.authority().unwrap(),
    );
    let path = config_path(world);
    fs::write(&path, text).unwrap();
    path
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use pennyblack_hpke::{Kem, PrivateKey};
    use pennyblack_ohttp::binary_http::Response;
    use pennyblack_ohttp::exchange::{open_request, seal_response};
    use pennyblack_ohttp::key_config::GatewayKey;

    use super::*;

    /// What a client gets of a gateway that answers with this status inside.
    fn answered(inner: StatusCode) -> (ResponseOpener, Answer) {
        let rng = &mut rand::rng();
        let key = PrivateKey::generate(Kem::DhkemX25519, rng);
        let keys = [GatewayKey::new(1, key).unwrap()];
        let authority = "cps.example".parse().unwrap();
        let request = Request::new(Method::POST, authority, "/v1/passports".parse().unwrap());
        let (sealed, opener) = seal(keys[0].config(), &request);
        let sealer = open_request(&keys, &sealed).unwrap().sealer;
        let body = seal_response(sealer, &Response::new(inner), None, rng).unwrap();
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        let answer = Answer {
            status,
            headers,
            body,
        };
        (opener, answer)
    }

    #[test]
    fn a_store_is_known_by_the_status_inside() {
        expect(vec![answered(StatusCode::CREATED)], StatusCode::CREATED);
    }

    #[test]
    #[should_panic(expected = "401")]
    fn a_refusal_inside_is_no_fast_store() {
        expect(
            vec![answered(StatusCode::UNAUTHORIZED)],
            StatusCode::CREATED,
        );
    }
}
