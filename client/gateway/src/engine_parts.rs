//! What the engine is made of, from the configuration and the files that it names: what is
//! read of each side, and what is opened then. Not here: when files are read again.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::assignments::Assignments;
use pennyblack_client::auth_service::{ClockGaps, KeySource, OobAuthenticationService};
use pennyblack_client::certificates::{CertificateStores, Repositories};
use pennyblack_client::follower::FollowedMailbox;
use pennyblack_client::trust::TrustFiles;
use pennyblack_client::verification_service::{
    PolledCpss, SpcAuthority, VerificationRules, load_mailbox_key,
};
use pennyblack_client::wallet::Wallet;
use pennyblack_engine::{EngineParts, SigningParts, VerifyingParts};
use pennyblack_http::{HttpOptions, KeptClient, KeptFreshClients, RetryPolicy};
use pennyblack_numbering::table_file;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::Reload;
use pennyblack_sealing::mailbox::RecipientKey;
use pennyblack_service::findings::Findings;
use pennyblack_service::start_error::{StartContext as _, StartError};
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;

use crate::config::{Config, SpcTrust, StoreSection, VerifySection};
use crate::oblivious::Oblivious;
use crate::rosters::RosterBoundKeys;

/// How often a copy is sent again while trying is of use, and the longest pause between.
const RETRY: RetryPolicy = RetryPolicy {
    retries: 20,
    longest_pause: Duration::from_millis(500),
    within: None,
};

/// Whom certificates are trusted for: roots, revocation lists, numbers. Read again while a
/// gateway runs.
pub(crate) struct Trusted {
    pub(crate) trust: TrustPolicy,
    pub(crate) numbering: Option<NumberingTable>,
}

impl Trusted {
    /// Reads it; nothing if a part cannot be read. Waits for the disk.
    pub(crate) fn read(config: &Config, clock: &Clock, findings: &mut Findings) -> Option<Self> {
        let trust = findings.keep(trust(config, clock));
        let numbering = findings.keep(numbering(config));
        let trust = trust.map(|TrustFiles { policy, warnings }| {
            for warning in warnings {
                tracing::warn!(%warning, "of roots and revocation lists");
                findings.note(format!("[trust]: {warning}"));
            }
            policy
        });
        Some(Self {
            trust: trust?,
            numbering: numbering?,
        })
    }

    /// What PASSporTs are judged by.
    pub(crate) fn rules(
        &self,
        spc: SpcTrust,
        certificates: CertificateStores,
    ) -> Result<VerificationRules, StartError> {
        Ok(VerificationRules {
            trust: self.trust.clone(),
            certificates,
            authority: authority(spc, self.numbering.clone())?,
        })
    }
}

/// What both sides have read.
pub(crate) struct Judging {
    pub(crate) trusted: Trusted,
    pub(crate) certificates: CertificateStores,
    /// How others are reached.
    pub(crate) http: HttpOptions,
}

impl Judging {
    /// Reads it; nothing if a part cannot be read. CAs are read again by `reload`.
    pub(crate) fn read(
        config: &Config,
        reload: &Reload,
        clock: &Clock,
        findings: &mut Findings,
    ) -> Option<Self> {
        let http = findings.keep(config.network.open(reload).context("[network]"));
        let trusted = Trusted::read(config, clock, findings);
        let (http, trusted) = http.zip(trusted)?;
        Some(Self {
            trusted,
            certificates: certificates(config, &http),
            http,
        })
    }
}

fn trust(config: &Config, clock: &Clock) -> Result<TrustFiles, StartError> {
    let lists = config.trust.revocation_lists.as_deref();
    let roots = &config.trust.roots;
    TrustFiles::load(roots, lists, clock.now()).map_err(|error| {
        let option = match error.is_of_the_roots(roots) {
            true => "trust.roots",
            false => "trust.revocation_lists",
        };
        StartError::new(option, error)
    })
}

fn certificates(config: &Config, http: &HttpOptions) -> CertificateStores {
    let hosts = &config.trust.certificate_hosts;
    let repositories = || Repositories::new(hosts.clone(), http.clone());
    CertificateStores {
        directory: config.trust.certificates.clone(),
        repositories: (!hosts.is_empty()).then(repositories),
    }
}

fn numbering(config: &Config) -> Result<Option<NumberingTable>, StartError> {
    let table = config.trust.numbering.as_deref().map(table_file::read);
    table.transpose().context("trust.numbering")
}

fn authority(spc: SpcTrust, numbering: Option<NumberingTable>) -> Result<SpcAuthority, StartError> {
    match (spc, numbering) {
        (SpcTrust::Any, _) => Ok(SpcAuthority::Any),
        (SpcTrust::None, _) => Ok(SpcAuthority::None),
        (SpcTrust::Table, Some(table)) => Ok(SpcAuthority::Table(table)),
        (SpcTrust::Table, None) => Err(StartError::new(
            "verify.spc",
            "it is \"table\", and there is none: set trust.numbering, or verify.spc to \"any\"",
        )),
    }
}

/// What the side that signs and stores has read.
pub(crate) struct Storing {
    service: OobAuthenticationService,
    transport: Arc<KeptFreshClients>,
    oblivious: Option<Oblivious>,
    mirrored: Option<RosterBoundKeys>,
}

impl Storing {
    /// Reads it; nothing if a part cannot be read, as `judging` may not.
    pub(crate) fn read(
        config: &Config,
        store: &StoreSection,
        judging: Option<&Judging>,
        (reload, clock): (&Reload, &Clock),
        findings: &mut Findings,
    ) -> Option<Self> {
        let Judging {
            trusted,
            certificates,
            http: direct,
        } = judging?;
        let oblivious = findings.keep(Oblivious::read(config, store, direct, (reload, clock)))?;
        let http = oblivious.as_ref().map(|way| way.http(direct));
        let http = http.unwrap_or_else(|| direct.clone());
        let transport = KeptFreshClients::open(http.clone()).context("[network]");
        let transport = Arc::new(findings.keep(transport)?);
        let mirrored = findings.keep(RosterBoundKeys::read(store, (reload, clock)))?;
        let keys = findings.keep(key_source(store, mirrored.as_ref()))?;
        let service = OobAuthenticationService {
            keys,
            trust: trusted.trust.clone(),
            numbering: trusted.numbering.clone(),
            certificates: certificates.clone(),
            minimum_age: store.minimum_age,
            max_copies: store.max_copies,
            retry: RETRY,
            clock_gaps: ClockGaps::default(),
            transport: Arc::clone(&transport) as Arc<_>,
            http,
        };
        Some(Self {
            service,
            transport,
            oblivious,
            mirrored,
        })
    }

    /// The directory that keys come of, if they do.
    pub(crate) const fn mirrored(&self) -> Option<&RosterBoundKeys> {
        self.mirrored.as_ref()
    }

    /// The way through relays, if there are any.
    pub(crate) const fn oblivious(&self) -> Option<&Oblivious> {
        self.oblivious.as_ref()
    }

    /// Opens the wallet, which is made if there is none.
    fn open(self, config: &Config, store: &StoreSection) -> Result<SigningParts, StartError> {
        Ok(SigningParts {
            service: self.service,
            wallet: Wallet::open(&store.wallet).context("store.wallet")?,
            transport: self.transport,
            signing: config.signing.clone(),
            store: store.engine(),
            key_records_file: store.records_file.clone(),
        })
    }
}

/// Where the keys of called numbers come from.
fn key_source(
    store: &StoreSection,
    mirrored: Option<&RosterBoundKeys>,
) -> Result<KeySource, StartError> {
    match (mirrored, &store.cps) {
        (Some(mirrored), _) => Ok(KeySource::Directory(mirrored.keys().clone())),
        (None, Some(cps)) => Ok(KeySource::Cps(cps.clone())),
        (None, None) => Err(StartError::new("store.cps", "name the CPS to ask")),
    }
}

/// What the side that verifies has read.
pub(crate) struct Verifying {
    pub(crate) mailboxes: Vec<FollowedMailbox>,
    pub(crate) rules: VerificationRules,
}

impl Verifying {
    /// Reads it; nothing if a part cannot be read, as `judging` may not.
    pub(crate) fn read(
        config: &Config,
        verify: &VerifySection,
        judging: Option<&Judging>,
        oblivious: Option<&Oblivious>,
        now: UnixTime,
        findings: &mut Findings,
    ) -> Option<Self> {
        let keys = mailbox_keys(verify, findings);
        let judging = judging?;
        let http = oblivious.map(|way| way.http_of_polls(&judging.http));
        let http = http.unwrap_or_else(|| judging.http.clone());
        let mailboxes = keys.map(|keys| mailboxes(config, verify, keys, &http, now));
        let mailboxes = findings.keep(mailboxes?);
        let rules = judging
            .trusted
            .rules(verify.spc, judging.certificates.clone());
        let (mailboxes, rules) = mailboxes.zip(findings.keep(rules))?;
        Some(Self { mailboxes, rules })
    }

    /// Opens the file of used PASSporTs, which is made if there is none.
    fn open(self, verify: &VerifySection) -> Result<VerifyingParts, StartError> {
        Ok(VerifyingParts {
            mailboxes: self.mailboxes,
            rules: self.rules,
            assignments: Arc::new(Assignments::open(&verify.used).context("verify.used")?),
            config: verify.engine(),
        })
    }
}

/// The key of a mailbox, and at which CPSs it is polled beside those that are configured.
pub(crate) type MailboxFiles = (RecipientKey, PolledCpss);

/// The keys of the mailboxes that are followed; nothing if one cannot be read. Waits for the
/// disk.
pub(crate) fn mailbox_keys(
    verify: &VerifySection,
    findings: &mut Findings,
) -> Option<Vec<MailboxFiles>> {
    let keys = verify.mailboxes.iter();
    let keys: Vec<_> = keys
        .map(|path| {
            let key = findings.keep(load_mailbox_key(path).context("verify.mailboxes"));
            let polled = findings.keep(PolledCpss::of(path).context("verify.mailboxes"));
            key.zip(polled)
        })
        .collect();
    keys.into_iter().collect()
}

/// The mailboxes that are followed: each key at each CPS, also where it was registered before.
pub(crate) fn mailboxes(
    config: &Config,
    verify: &VerifySection,
    keys: Vec<MailboxFiles>,
    http: &HttpOptions,
    now: UnixTime,
) -> Result<Vec<FollowedMailbox>, StartError> {
    let mut mailboxes = Vec::new();
    for (key, polled) in keys {
        let key = Arc::new(key);
        for cps in polled.with(verify.cps(config.store.as_ref()), now) {
            mailboxes.push(FollowedMailbox {
                key: Arc::clone(&key),
                cps,
                source: Arc::new(KeptClient::open(http.clone()).context("[network]")?),
            });
        }
    }
    Ok(mailboxes)
}

/// Makes an engine's parts of what was read. Waits for the disk.
pub(crate) fn open(
    config: &Config,
    storing: Option<Storing>,
    verifying: Option<Verifying>,
    clock: &Clock,
) -> Result<EngineParts, StartError> {
    let signing = storing.zip(config.storing());
    let signing = signing.map(|(side, store)| side.open(config, store));
    let verifying = verifying.zip(config.verifying());
    let verifying = verifying.map(|(side, verify)| side.open(verify));
    Ok(EngineParts {
        signing: signing.transpose()?,
        verifying: verifying.transpose()?,
        clock: clock.clone(),
    })
}
