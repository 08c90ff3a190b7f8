//! A small federation on loopback: a development PKI with a carrier and an
//! office, an issuer, and (once asked for) a CPS that takes its tokens.

use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_client::auth_service::{
    ClockGaps, DEFAULT_MAX_COPIES, KeySource, OobAuthenticationService,
};
use pennyblack_client::carrier::Carrier;
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::follower::{FollowedMailbox, Follower, FollowerConfig, Task};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::trust::load_trust;
use pennyblack_client::verification_service::{
    MailboxCpss, Publisher, SpcAuthority, VerificationRules,
};
use pennyblack_cps::config::IssuerConfig as TakenIssuer;
use pennyblack_cps::{AcceptedTokens, Config as CpsConfig, Cps};
use pennyblack_evidence::key_log_view::{Demand, LogPolicy};
use pennyblack_http::{HttpOptions, RetryPolicy, ServiceAddress};
use pennyblack_issuer::Config as IssuerConfig;
use pennyblack_issuer::Issuer;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::RecipientKey;
use pennyblack_service::start::RunningService;
use pennyblack_stir::TrustPolicy;
use tempfile::TempDir;

/// Anything that can go wrong while a scene is set.
pub type Trouble = Box<dyn Error + Send + Sync>;

const CRL_VALIDITY: Duration = Duration::from_secs(7 * 86_400);

/// The SPC of the carrier in every scene.
pub const CARRIER_SPC: &str = "683G";

/// A directory with a PKI in it, and the clock that everybody goes by.
#[derive(Debug)]
pub struct Federation {
    home: TempDir,
    clock: Clock,
}

impl Federation {
    /// Makes a PKI that issued `carrier` (for [`CARRIER_SPC`]) and `office` (for
    /// a hundred numbers from 12125550100).
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn found(clock: Clock) -> Result<Self, Trouble> {
        let home = tempfile::tempdir()?;
        let now = clock.now();
        let mut pki = PkiDirectory::init(
            &home.path().join("pki"),
            &CaNames::default(),
            CRL_VALIDITY,
            now,
        )?;
        let carrier = LeafRequest::new(vec![TnAuthEntry::spc(CARRIER_SPC)?]);
        let office = LeafRequest::new(vec![TnAuthEntry::range("12125550100+100")?]);
        pki.issue("carrier", &carrier, None, now)?;
        pki.issue("office", &office, None, now)?;
        Ok(Self { home, clock })
    }

    /// Where everything lies.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The PKI's directory.
    #[must_use]
    pub fn pki(&self) -> PathBuf {
        self.home.path().join("pki")
    }

    /// The clock that everybody goes by.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A credential of the PKI.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn identity(&self, name: &str) -> Result<StirIdentity, Trouble> {
        let certificate = self.pki().join(format!("issued/{name}.pem"));
        let key = self.pki().join(format!("issued/{name}.key"));
        Ok(StirIdentity::load(&certificate, &key, None)?)
    }

    /// Starts the issuer `issuer.test`, which gives each subject `quota` tokens
    /// in a key epoch and knows the PKI's revocation lists.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn start_issuer(&self, quota: u64) -> Result<RunningService, Trouble> {
        let data = self.home.path().join("issuer");
        let mut config = IssuerConfig::local(issuer_name()?, data, self.pki().join("roots"));
        config.trust.revocation_lists = Some(self.pki().join("revocation"));
        config.quota.tokens = quota;
        Ok(Issuer::start(config, self.clock.clone()).await?)
    }

    /// Starts the CPS `cps.test`, which takes the tokens of the issuer at `issuer`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn start_cps(&self, issuer: SocketAddr) -> Result<RunningService, Trouble> {
        self.start_cps_with(issuer, |_| ()).await
    }

    /// The same with a change to its configuration.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn start_cps_with(
        &self,
        issuer: SocketAddr,
        change: impl FnOnce(&mut CpsConfig),
    ) -> Result<RunningService, Trouble> {
        let issuer = TakenIssuer {
            authority: issuer_name()?,
            url: Some(format!("http://{issuer}")),
            tls_roots: None,
            voprf_keys: None,
            log: Demand::Published,
            log_key: None,
            tokens: AcceptedTokens::Own,
        };
        let (data, roots) = (self.home.path().join("cps"), self.pki().join("roots"));
        let mut config = CpsConfig::local(cps_name()?, data, roots, issuer);
        change(&mut config);
        Ok(Cps::start(config, self.clock.clone()).await?)
    }

    /// What everybody judges certificates by: the PKI's root and lists.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn trust(&self) -> Result<TrustPolicy, Trouble> {
        let (roots, lists) = (self.pki().join("roots"), self.pki().join("revocation"));
        Ok(load_trust(&roots, Some(&lists), self.clock.now())?)
    }

    /// An OOB-AS that talks to the CPS at `address`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn caller(
        &self,
        address: SocketAddr,
        retry: RetryPolicy,
    ) -> Result<OobAuthenticationService, Trouble> {
        Ok(OobAuthenticationService {
            keys: KeySource::Cps(address_of(&cps_name()?, address)?),
            http: HttpOptions::default(),
            transport: Arc::new(HttpOptions::default()),
            trust: self.trust()?,
            numbering: None,
            certificates: self.certificates(),
            minimum_age: Duration::ZERO,
            max_copies: DEFAULT_MAX_COPIES,
            retry,
            clock_gaps: ClockGaps::default(),
        })
    }

    /// A follower of the mailbox of `key` at the CPS at `address`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn follow(
        &self,
        key: &RecipientKey,
        address: SocketAddr,
        looks: Option<u64>,
    ) -> Result<Follower, Trouble> {
        let mailbox = FollowedMailbox {
            key: Arc::new(RecipientKey::from_bytes(&key.to_bytes())?),
            cps: address_of(&cps_name()?, address)?,
            source: Arc::new(HttpOptions::default().client()?),
        };
        let config = FollowerConfig {
            every: Duration::from_millis(20),
            timeout: Duration::from_secs(30),
            ..FollowerConfig::default()
        };
        let task = Task {
            looks,
            ..Task::default()
        };
        let (rules, clock) = (self.rules()?, self.clock.clone());
        let rng = &mut rand::rng();
        Ok(Follower::start(
            &config,
            vec![mailbox],
            rules,
            task,
            clock,
            rng,
        )?)
    }

    /// What the OOB-VS judges PASSporTs by.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn rules(&self) -> Result<VerificationRules, Trouble> {
        Ok(VerificationRules {
            trust: self.trust()?,
            certificates: self.certificates(),
            authority: SpcAuthority::Any,
        })
    }

    /// The holder of the credential `name`, who publishes `key` for `coverage`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn publisher(
        &self,
        name: &str,
        key: &RecipientKey,
        coverage: Coverage,
        address: SocketAddr,
    ) -> Result<Publisher, Trouble> {
        let cps = address_of(&cps_name()?, address)?;
        Ok(Publisher {
            identity: self.identity(name)?,
            coverage,
            key: key.config().clone(),
            cpss: MailboxCpss::one(cps)?,
            lifetime: Duration::from_secs(3600),
            retry: RetryPolicy::NONE,
        })
    }

    /// Certificates lie in the PKI's directory; nothing is fetched.
    fn certificates(&self) -> CertificateStores {
        CertificateStores {
            directory: Some(self.pki().join("issued")),
            repositories: None,
        }
    }

    /// The carrier, asking the issuer at `address`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn carrier(
        &self,
        address: SocketAddr,
        batch: usize,
        retry: RetryPolicy,
    ) -> Result<Carrier, Trouble> {
        Ok(Carrier {
            issuer: address_of(&issuer_name()?, address)?,
            identity: self.identity("carrier")?,
            batch: NonZeroUsize::new(batch).ok_or("a batch of nothing")?,
            retry,
            log: LogPolicy::default(),
        })
    }
}

/// The issuer's authority in every scene.
///
/// # Errors
/// Never; the name is good.
pub fn issuer_name() -> Result<Authority, Trouble> {
    Ok("issuer.test".parse()?)
}

/// The CPS's authority in every scene.
///
/// # Errors
/// Never; the name is good.
pub fn cps_name() -> Result<Authority, Trouble> {
    Ok("cps.test".parse()?)
}

/// The service known as `authority`, reached at a loopback socket.
///
/// # Errors
/// Never; such addresses are good.
pub fn address_of(authority: &Authority, socket: SocketAddr) -> Result<ServiceAddress, Trouble> {
    Ok(format!("{authority}=http://{socket}").parse()?)
}
