//! Somebody with a certificate, who draws and spends tokens, and by which way. Not here:
//! calls (`calls`).

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_client::auth_service::{OobAuthenticationService, SendingStore, StoreTransport};
use pennyblack_client::carrier::{Carrier, CarrierError, Schedule};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::oblivious::{
    Fallback, KeyFetcher, ObliviousRoute, RelayAddress, TrustedKeys,
};
use pennyblack_client::wallet::{AllowedWays, StoreCall, Wallet};
use pennyblack_evidence::key_log_view::LogPolicy;
use pennyblack_http::{HttpOptions, RetryPolicy, Route, RouteError, ServiceAddress};
use pennyblack_pki::PkiDirectory;
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::jws::X5u;
use pennyblack_tlog::WitnessPolicy;
use tokio::time::Instant;

use super::network::{Host, Network};
use super::service::{LOOK_EVERY, READY_WITHIN, client};
use super::services::Services;
use super::{DemoError, Way, WhileDoing as _};

const DAY: Duration = Duration::from_secs(86_400);
const BATCH: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// Tokens that a carrier draws of each key: more than its calls need.
const CLASS: u64 = 256;
/// Where certificates can be fetched; here they lie in a directory.
const REPOSITORY: &str = "https://certificates.example";
/// The characters of a token with its nonce, which is in no other token.
const TELLING: usize = 44;

/// Somebody with a certificate, who draws and spends tokens.
pub(super) struct Storer {
    pub(super) name: &'static str,
    pub(super) identity: StirIdentity,
    pub(super) x5u: X5u,
    pub(super) wallet: Wallet,
    pub(super) wallet_file: PathBuf,
    carrier: Option<Carrier>,
    oob_as: Option<OobAuthenticationService>,
    /// Those through which its OOB-AS sends.
    pub(super) relays: Vec<RelayAddress>,
    spent: SpentTokens,
}

impl Storer {
    pub(super) fn new(
        directory: &Path,
        pki: &PkiDirectory,
        name: &'static str,
    ) -> Result<Self, DemoError> {
        let wallet_file = directory.join(format!("{name}.wallet"));
        let identity = StirIdentity::load(&pki.certificate_path(name), &pki.key_path(name), None);
        Ok(Self {
            name,
            identity: identity.during("reading a certificate")?,
            x5u: format!("{REPOSITORY}/{name}.pem")
                .parse()
                .during("naming a certificate")?,
            wallet: Wallet::open(&wallet_file).during("making a wallet")?,
            wallet_file,
            carrier: None,
            oob_as: None,
            relays: Vec::new(),
            spent: SpentTokens::default(),
        })
    }

    /// Tells it where it draws.
    pub(super) fn meet_issuer(&mut self, issuer: &ServiceAddress) {
        self.carrier = Some(Carrier {
            issuer: issuer.clone(),
            identity: self.identity.clone(),
            batch: BATCH,
            retry: RetryPolicy::SHORT,
            log: LogPolicy::default(),
        });
    }

    /// Tells it how it reaches the CPS from `host`. With a relay it fetches the CPS's keys
    /// first, as each client does: directly, and ahead of calls. All else is as in `like`.
    pub(super) async fn meet_cps(
        &mut self,
        services: &Services,
        (host, network): (Host, &Network),
        way: Way,
        like: &OobAuthenticationService,
    ) -> Result<(), DemoError> {
        let cps = services.cps_from(host, network).await?;
        let direct = HttpOptions::default();
        let http = match way {
            Way::Direct => direct,
            Way::Relay => {
                self.relays = vec![services.relay_from(host, network).await?];
                let keys = self.fetch_keys(&cps).await?;
                let (none, clock) = (Fallback::None, Clock::system());
                let cpss = [cps.clone()];
                let route = ObliviousRoute::new(&cpss, &self.relays, keys, &direct, none, clock);
                direct.routed(route.during("choosing a relay")? as Arc<dyn Route>)
            }
        };
        self.oob_as = Some(OobAuthenticationService {
            cps,
            transport: Arc::new(RecordingTransport {
                http: http.clone(),
                spent: self.spent.clone(),
            }),
            http,
            ..like.clone()
        });
        Ok(())
    }

    /// Fetches the CPS's keys, until its log announces them.
    async fn fetch_keys(&self, cps: &ServiceAddress) -> Result<TrustedKeys, DemoError> {
        let fetcher = KeyFetcher {
            wallet: self.wallet.clone(),
            log_keys: Vec::new(),
            witnesses: WitnessPolicy::default(),
            retry: RetryPolicy::SHORT,
            keys: TrustedKeys::default(),
        };
        let (client, deadline) = (client()?, Instant::now() + READY_WITHIN);
        loop {
            let fetched = fetcher.fetch(&client, cps, Clock::system().now()).await;
            match fetched {
                Err(_) if Instant::now() < deadline => tokio::time::sleep(LOOK_EVERY).await,
                fetched => {
                    fetched.during("fetching the CPS's keys")?;
                    return Ok(fetcher.keys);
                }
            }
        }
    }

    /// Draws the first class of a schedule, as `pennyblack carrier run` does at its start;
    /// how many tokens came in.
    pub(super) async fn draw_class(
        &self,
        cps: &Authority,
        clock: &Clock,
    ) -> Result<usize, DemoError> {
        let Some(carrier) = &self.carrier else {
            return Ok(0);
        };
        let schedule = Schedule {
            cps: vec![cps.clone()],
            class: CLASS.try_into().during("choosing a class")?,
            epoch: DAY,
        };
        let client = client()?;
        let drawn = schedule.visit(carrier, &client, &self.wallet, clock);
        drawn.await.during("drawing tokens")
    }

    /// Draws one batch; how many tokens came in.
    pub(super) async fn draw(&self, cps: &Authority, clock: &Clock) -> Result<usize, CarrierError> {
        let Some(carrier) = &self.carrier else {
            return Ok(0);
        };
        let client = HttpOptions::default().client()?;
        let drawn = carrier
            .draw(&client, &self.wallet, cps, clock.now())
            .await?;
        Ok(drawn.received)
    }

    /// Its OOB-AS.
    pub(super) fn oob_as(&self) -> Result<&OobAuthenticationService, DemoError> {
        self.oob_as.as_ref().ok_or(DemoError::Never("the start"))
    }

    /// The beginning of each token that left so far.
    pub(super) fn spent_tokens(&self) -> Vec<String> {
        let spent = self.spent.0.lock();
        spent.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone, Default)]
struct SpentTokens(Arc<Mutex<Vec<String>>>);

/// Records the tokens that leave: they are searched for afterwards where nobody may have
/// read them.
struct RecordingTransport {
    http: HttpOptions,
    spent: SpentTokens,
}

impl StoreTransport for RecordingTransport {
    fn send<'a>(&'a self, call: &'a StoreCall, retry: RetryPolicy) -> SendingStore<'a> {
        let mut headers = call.headers.iter();
        let credentials = headers.find(|(name, _)| name == "authorization");
        let token = credentials.and_then(|(_, value)| value.split('"').nth(1)?.get(..TELLING));
        let mut spent = self.spent.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.extend(token.map(str::to_owned));
        self.http.send(call, retry)
    }

    fn check(&self, url: &str) -> Result<(), RouteError> {
        self.http.check_way(url)
    }

    fn ways(&self) -> AllowedWays {
        self.http.ways()
    }
}
