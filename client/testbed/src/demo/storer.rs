//! Somebody with a certificate, who draws and spends tokens, and by which way. Not here:
//! calls (`calls`).

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::cps_uri::CpsUri;
use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{
    FoundKeys, KeyLookup, KeySource, OobAuthenticationService, SendingStore, StoreTransport,
};
use pennyblack_client::carrier::{Carrier, CarrierError, Schedule};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::oblivious::{
    Fallback, KeyFetcher, ObliviousRoute, RelayAddress, TrustedKeys,
};
use pennyblack_client::wallet::{AllowedWays, StoreCall, Wallet};
use pennyblack_evidence::key_log_view::LogPolicy;
use pennyblack_http::{HttpOptions, RetryPolicy, Route, RouteError, ServiceAddress};
use pennyblack_pki::PkiDirectory;
use pennyblack_protocol::key_record::VerifiedKeyRecord;
use pennyblack_roster::{Role, Roster};
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::jws::X5u;
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_tlog::WitnessPolicy;
use rand::seq::SliceRandom as _;
use tokio::time::Instant;

use super::network::{Host, Network};
use super::service::{LOOK_EVERY, READY_WITHIN, client};
use super::services::Services;
use super::{DemoError, Way, WhileDoing as _};

const DAY: Duration = Duration::from_secs(86_400);
const BATCH: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// Tokens that a carrier draws of each key, for all CPSs together: more than its calls need.
const CLASS: u64 = 512;
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
    /// Each looks keys up at another CPS, and all else is the same.
    oob_ass: Vec<OobAuthenticationService>,
    roster: Option<Arc<Roster>>,
    /// Those through which its OOB-ASs send, each for another CPS.
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
            oob_ass: Vec::new(),
            roster: None,
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

    /// Tells it how it reaches the CPSs from `host`, and which CPSs the roster has. With a relay
    /// it fetches the CPSs' keys first, as each client does: directly, and ahead of calls. All
    /// else is as in `like`.
    pub(super) async fn meet_cpss(
        &mut self,
        services: &Services,
        (host, network): (Host, &Network),
        (way, roster): (Way, &Arc<Roster>),
        like: &OobAuthenticationService,
    ) -> Result<(), DemoError> {
        self.roster = Some(Arc::clone(roster));
        let cpss = services.cpss_from(host, network).await?;
        let direct = HttpOptions::default();
        let http = match way {
            Way::Direct => direct,
            Way::Relay => {
                self.relays = services.relays_from(host, network).await?;
                let keys = self.fetch_keys(&cpss).await?;
                let (none, clock) = (Fallback::None, Clock::system());
                let route = ObliviousRoute::new(&cpss, &self.relays, keys, &direct, none, clock);
                direct.routed(route.during("choosing a relay")? as Arc<dyn Route>)
            }
        };
        let transport = Arc::new(DemoTransport {
            http: http.clone(),
            cpss: cpss.clone(),
            spent: self.spent.clone(),
        });
        let oob_ass = cpss.into_iter().map(|cps| OobAuthenticationService {
            keys: KeySource::Cps(cps),
            transport: Arc::<DemoTransport>::clone(&transport),
            http: http.clone(),
            ..like.clone()
        });
        self.oob_ass = oob_ass.collect();
        Ok(())
    }

    /// Fetches the CPSs' keys, until their logs announce them.
    async fn fetch_keys(&self, cpss: &[ServiceAddress]) -> Result<TrustedKeys, DemoError> {
        let fetcher = KeyFetcher {
            wallet: self.wallet.clone(),
            log_keys: Vec::new(),
            witnesses: WitnessPolicy::default(),
            retry: RetryPolicy::SHORT,
            keys: TrustedKeys::default(),
        };
        let (client, deadline) = (client()?, Instant::now() + READY_WITHIN);
        for cps in cpss {
            loop {
                let fetched = fetcher.fetch(&client, cps, Clock::system().now()).await;
                match fetched {
                    Err(_) if Instant::now() < deadline => tokio::time::sleep(LOOK_EVERY).await,
                    fetched => break fetched.map(drop),
                }
            }
            .during("fetching a CPS's keys")?;
        }
        Ok(fetcher.keys)
    }

    /// Draws the first class of a schedule, as `pennyblack carrier run` does at its start;
    /// how many tokens came in.
    pub(super) async fn draw_class(
        &self,
        cpss: &[Authority],
        clock: &Clock,
    ) -> Result<usize, DemoError> {
        let Some(carrier) = &self.carrier else {
            return Ok(0);
        };
        let schedule = Schedule {
            scopes: cpss.iter().cloned().map(Into::into).collect(),
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

    /// Its OOB-AS, which looks keys up at the first CPS.
    pub(super) fn oob_as(&self) -> Result<&OobAuthenticationService, DemoError> {
        self.oob_ass.first().ok_or(DemoError::Never("the start"))
    }

    /// Looks keys up at a CPS that is chosen at random, and at the next if it does not answer:
    /// each operator sees its share of the look-ups. Says at which it found them. **Keys that
    /// lead to a CPS which the roster does not have are left out.**
    pub(super) async fn look_up(
        &self,
        number: &TelephoneNumber,
        now: UnixTime,
    ) -> Result<(Authority, FoundKeys), DemoError> {
        let asking = self.oob_ass.iter();
        let asking = asking.filter_map(|oob_as| Some((oob_as.keys.cps()?, oob_as)));
        let mut order: Vec<_> = asking.collect();
        order.shuffle(&mut rand::rng());
        let mut last = Err(DemoError::Never("the start"));
        for (cps, oob_as) in order {
            let found = oob_as.keys_of(number, KeyLookup::Number, now).await;
            let found = found.during("looking up keys");
            last = found.map(|found| (cps.authority().clone(), found));
            if last.is_ok() {
                break;
            }
        }
        let (cps, mut found) = last?;
        let is_known = |cps: &CpsUri| self.is_member(cps);
        let known = |key: &VerifiedKeyRecord| key.placement().cpss().all(is_known);
        found.keys.retain(known);
        Ok((cps, found))
    }

    fn is_member(&self, cps: &CpsUri) -> bool {
        let roster = self.roster.as_deref();
        let member = roster.and_then(|roster| roster.members.find(cps.authority()));
        member.is_some_and(|member| member.role() == Role::Cps)
    }

    /// Sends again what a CPS has left unanswered; how many requests that were.
    pub(super) async fn resend(&self, clock: &Clock) -> Result<usize, DemoError> {
        let delivery = self.oob_as()?.delivery();
        let resent = delivery.resend(&self.wallet, clock.now()).await;
        let resent = resent.during("sending requests again")?;
        match resent.left + resent.withheld + resent.refused {
            0 => Ok(resent.stored),
            _ => Err(DemoError::Never(
                "an answer to a request that was sent again",
            )),
        }
    }

    /// The CPS that its OOB-AS asks.
    pub(super) fn cps(&self) -> Result<&ServiceAddress, DemoError> {
        let cps = self.oob_as()?.keys.cps();
        cps.ok_or(DemoError::Never("the address of a CPS"))
    }

    /// The beginning of each token that left so far.
    pub(super) fn spent_tokens(&self) -> Vec<String> {
        let spent = self.spent.0.lock();
        spent.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone, Default)]
struct SpentTokens(Arc<Mutex<Vec<String>>>);

/// Sends to where this host reaches the CPSs that key records name. Records the tokens that
/// leave: they are searched for afterwards where nobody may have read them.
struct DemoTransport {
    http: HttpOptions,
    cpss: Vec<ServiceAddress>,
    spent: SpentTokens,
}

impl DemoTransport {
    /// This URL, as it is reached from here.
    fn reached(&self, url: &str) -> String {
        let reached = self.cpss.iter().find_map(|cps| {
            let path = url.strip_prefix(&cps.public_uri().ok()?.to_string())?;
            path.starts_with('/').then(|| cps.url(path))
        });
        reached.unwrap_or_else(|| url.to_owned())
    }
}

impl StoreTransport for DemoTransport {
    fn send<'a>(&'a self, call: &'a StoreCall, retry: RetryPolicy) -> SendingStore<'a> {
        let mut headers = call.headers.iter();
        let credentials = headers.find(|(name, _)| name == "authorization");
        let token = credentials.and_then(|(_, value)| value.split('"').nth(1)?.get(..TELLING));
        let mut spent = self.spent.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.extend(token.map(str::to_owned));
        let call = StoreCall {
            url: self.reached(&call.url),
            ..call.clone()
        };
        Box::pin(async move { self.http.send(&call, retry).await })
    }

    fn check(&self, url: &str) -> Result<(), RouteError> {
        self.http.check_way(&self.reached(url))
    }

    fn ways(&self) -> AllowedWays {
        self.http.ways()
    }
}
