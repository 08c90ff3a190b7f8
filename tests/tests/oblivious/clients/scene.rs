//! An issuer, a CPS that is an oblivious gateway, a relay in front of it, a carrier with
//! tokens, and an office with a mailbox. The carrier's way to the relay begins at an address
//! of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{
    FoundKeys, KeyLookup, OobAuthenticationError, OobAuthenticationService, SecondAttempt,
    ShakenCall,
};
use pennyblack_client::oblivious::{
    CpsKeys, Fallback, KeyFetchError, KeyFetcher, ObliviousRoute, TrustedKeys,
};
use pennyblack_client::wallet::Wallet;
use pennyblack_cps::ObliviousConfig;
use pennyblack_http::{HttpOptions, RetryPolicy, Route, ServiceAddress};
use pennyblack_passport::{Attestation, UnverifiedPassport};
use pennyblack_protocol::key_record::{Coverage, VerifiedKeyRecord};
use pennyblack_relay::Relay;
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_runtime::config::{Sources, load};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_service::start::RunningService;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use pennyblack_tests::federation::{Federation, address_of, cps_name};
use pennyblack_tests::lossy_proxy::LossyProxy;
use pennyblack_tests::wait::until;
use pennyblack_tlog::WitnessPolicy;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket};

pub(super) const CALLEE: &str = "12125550142";

/// The address at which the carrier is, as the relay sees it.
pub(super) const CARRIER_AT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

pub(super) const QUICK: RetryPolicy = RetryPolicy {
    retries: 3,
    longest_pause: Duration::from_millis(200),
    within: None,
};

pub(super) const SOON: Duration = Duration::from_secs(30);

pub(super) struct Scene {
    pub(super) federation: Federation,
    pub(super) hand: ClockHand,
    pub(super) issuer: RunningService,
    pub(super) cps: RunningService,
    pub(super) relay: RunningService,
    /// What clients know as the CPS: it counts those that come directly, and hands them on
    /// from the carrier's address.
    pub(super) front: LossyProxy,
    /// Between relay and CPS.
    pub(super) behind: LossyProxy,
    pub(super) wallet: Wallet,
    pub(super) office: RecipientKey,
    pub(super) fetcher: KeyFetcher,
}

impl Scene {
    pub(super) async fn set(tokens: usize) -> Self {
        // Answers' dates are compared with the system's clock.
        let now = Clock::system().now();
        let (clock, hand) = Clock::by_hand(now);
        let federation = Federation::found(clock).unwrap();
        let issuer = federation.start_issuer(1000).await.unwrap();
        let cps = federation
            .start_cps_with(issuer.addresses().public, |config| {
                config.oblivious = Some(ObliviousConfig::default());
            })
            .await
            .unwrap();
        let behind = LossyProxy::start(cps.addresses().public).await.unwrap();
        let direct = from_the_carrier(cps.addresses().public).await;
        let front = LossyProxy::start(direct).await.unwrap();
        let relay = start_relay(behind.address()).await;
        let wallet = Wallet::open(&federation.home().join("wallet.db")).unwrap();
        let carrier = federation
            .carrier(issuer.addresses().public, tokens, QUICK)
            .unwrap();
        let client = HttpOptions::default().client().unwrap();
        let cps_name = cps_name().unwrap();
        let drawn = carrier.draw(&client, &wallet, &cps_name, now);
        drawn.await.unwrap();
        let scene = Self {
            fetcher: KeyFetcher {
                wallet: wallet.clone(),
                log_keys: Vec::new(),
                witnesses: WitnessPolicy::default(),
                retry: QUICK,
                keys: TrustedKeys::default(),
            },
            office: RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap(),
            federation,
            hand,
            issuer,
            cps,
            relay,
            front,
            behind,
            wallet,
        };
        let numbers = NumberRange::new("12125550100".parse().unwrap(), 100).unwrap();
        let at = scene.cps.addresses().public;
        let publisher = scene
            .federation
            .publisher("office", &scene.office, Coverage::Range(numbers), at)
            .unwrap();
        publisher.register(&client, now).await.unwrap();
        scene
    }

    pub(super) fn now(&self) -> UnixTime {
        self.federation.clock().now()
    }

    /// Moves the clock, and waits until the services have done what is due then. Minutes that
    /// pass while the CPS writes to its log are minutes in which clients miss the entry.
    pub(super) async fn moved_to(&self, time: UnixTime) {
        self.hand.set(time);
        until("services that have done what is due", SOON, async || {
            self.hand.all_wait().then_some(())
        })
        .await;
    }

    pub(super) fn cps_address(&self) -> ServiceAddress {
        address_of(&cps_name().unwrap(), self.front.address()).unwrap()
    }

    /// What the carrier's timer does.
    pub(super) async fn fetch(&self) -> Result<Arc<CpsKeys>, KeyFetchError> {
        let client = HttpOptions::default().client().unwrap();
        let now = self.now();
        self.fetcher.fetch(&client, &self.cps_address(), now).await
    }

    /// The same, until it succeeds: the log has its keys a moment after the start, or after
    /// an epoch begins.
    pub(super) async fn fetch_soon(&self) -> Arc<CpsKeys> {
        until("an announced key", SOON, async || self.fetch().await.ok()).await
    }

    /// How a carrier reaches the CPS: by the relay at this address, and in no other way.
    pub(super) fn http_by(&self, relay: SocketAddr) -> HttpOptions {
        self.http_with(relay, Fallback::None)
    }

    /// The same, with this fallback.
    pub(super) fn http_with(&self, relay: SocketAddr, fallback: Fallback) -> HttpOptions {
        self.http_through(&[format!("http://{relay}/cps")], fallback)
    }

    /// The same, by one of these relays.
    pub(super) fn http_through(&self, relays: &[String], fallback: Fallback) -> HttpOptions {
        let http = HttpOptions::default();
        let relays: Vec<_> = relays.iter().map(|relay| relay.parse().unwrap()).collect();
        let route = ObliviousRoute::new(
            &[self.cps_address()],
            &relays,
            self.fetcher.keys.clone(),
            &http,
            fallback,
            self.federation.clock().clone(),
        );
        http.routed(route.unwrap() as Arc<dyn Route>)
    }

    /// An OOB-AS that sends everything by `http`.
    pub(super) fn caller(&self, http: &HttpOptions) -> OobAuthenticationService {
        let at = self.front.address();
        OobAuthenticationService {
            http: http.clone(),
            transport: Arc::new(http.clone()),
            ..self.federation.caller(at, QUICK).unwrap()
        }
    }

    pub(super) fn passport(&self) -> UnverifiedPassport {
        let call = ShakenCall {
            orig: number("12155550100"),
            dest: number(CALLEE),
            attest: Attestation::Full,
            x5u: Some("https://certs.test/carrier.pem".parse().unwrap()),
        };
        let identity = self.federation.identity("carrier").unwrap();
        UnverifiedPassport::parse(&call.sign(&identity, self.now()).unwrap()).unwrap()
    }

    /// Looks the callee's keys up.
    pub(super) async fn keys(
        &self,
        caller: &OobAuthenticationService,
    ) -> Result<FoundKeys, OobAuthenticationError> {
        let (callee, now) = (number(CALLEE), self.now());
        caller.keys_of(&callee, KeyLookup::Number, now).await
    }

    pub(super) async fn store(
        &self,
        caller: &OobAuthenticationService,
        key: &VerifiedKeyRecord,
    ) -> Result<(), OobAuthenticationError> {
        let (second, now) = (SecondAttempt::default(), self.now());
        let passport = self.passport();
        let stored = caller.store(&self.wallet, &passport, key, &second, now);
        stored.await.map(drop)
    }

    pub(super) fn tokens(&self) -> u64 {
        let held = self.wallet.holdings(Duration::ZERO, self.now()).unwrap();
        held.iter().map(|holding| holding.tokens).sum()
    }

    pub(super) async fn end(self) {
        self.relay.stop().await;
        self.cps.stop().await;
        self.issuer.stop().await;
    }
}

pub(crate) async fn start_relay(gateway: SocketAddr) -> RunningService {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("relay.toml");
    let text = format!(
        "[relay]\nauthority = \"relay.test\"\n[public]\nlisten = \"127.0.0.1:0\"\n[admin]\n\
         listen = \"127.0.0.1:0\"\n[[gateway]]\nname = \"cps\"\n\
         url = \"http://{gateway}/.well-known/ohttp-gateway\"\n"
    );
    std::fs::write(&path, text).unwrap();
    let config = load(Sources {
        file: Some(&path),
        environment: &[],
        settings: &[],
    });
    Relay::start(config.unwrap()).await.unwrap()
}

pub(super) fn number(digits: &str) -> TelephoneNumber {
    digits.parse().unwrap()
}

/// A way to `service` that comes from the carrier's address.
pub(super) async fn from_the_carrier(service: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::from((CARRIER_AT, 0))).unwrap();
                if let Ok(mut far) = socket.connect(service).await {
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    address
}
