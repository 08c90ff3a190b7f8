//! What the engine is made of, from the configuration and the files that it names: what is
//! read of each side, and what is opened then. Not here: when files are read again.

use std::sync::Arc;
use std::time::Duration;

use pennyblack_client::assignments::Assignments;
use pennyblack_client::auth_service::{ClockGaps, OobAuthenticationService};
use pennyblack_client::certificates::{CertificateStores, Repositories};
use pennyblack_client::follower::FollowedMailbox;
use pennyblack_client::trust::TrustFiles;
use pennyblack_client::verification_service::{SpcAuthority, VerificationRules, load_mailbox_key};
use pennyblack_client::wallet::Wallet;
use pennyblack_engine::{EngineParts, SigningParts, VerifyingParts};
use pennyblack_http::{FreshClients, RetryPolicy};
use pennyblack_numbering::table_file;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::findings::Findings;
use pennyblack_service::start_error::{StartContext as _, StartError};
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;

use crate::config::{Config, SpcTrust, StoreSection, VerifySection};

/// How often a copy is sent again while trying is of use, and the longest pause between.
const RETRY: RetryPolicy = RetryPolicy {
    retries: 20,
    longest_pause: Duration::from_millis(500),
    within: None,
};

/// What PASSporTs and key records are judged by.
pub(crate) struct Judging {
    trust: TrustPolicy,
    certificates: CertificateStores,
    numbering: Option<NumberingTable>,
}

impl Judging {
    /// Reads it; nothing if a part cannot be read.
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
            certificates: certificates(config),
            numbering: numbering?,
        })
    }

    fn rules(&self, spc: SpcTrust) -> Result<VerificationRules, StartError> {
        Ok(VerificationRules {
            trust: self.trust.clone(),
            certificates: self.certificates.clone(),
            authority: authority(spc, self.numbering.clone())?,
        })
    }
}

/// The rules by which PASSporTs are judged from now on, for a gateway that verifies. Waits
/// for the disk.
pub(crate) fn read_rules(
    config: &Config,
    certificates: &CertificateStores,
    clock: &Clock,
) -> Result<VerificationRules, StartError> {
    let mut findings = Findings::new();
    let judging = Judging::read(config, clock, &mut findings);
    let judging = findings.conclude(judging)?;
    let spc = config.verify.as_ref().map(|verify| verify.spc);
    Ok(VerificationRules {
        // What was fetched stays at hand.
        certificates: certificates.clone(),
        ..judging.rules(spc.unwrap_or_default())?
    })
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

fn certificates(config: &Config) -> CertificateStores {
    let hosts = &config.trust.certificate_hosts;
    let repositories = || Repositories::new(hosts.clone(), config.network.options());
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
    transport: Arc<FreshClients>,
}

impl Storing {
    /// Reads it; nothing if a part cannot be read, as `judging` may not.
    pub(crate) fn read(
        config: &Config,
        store: &StoreSection,
        judging: Option<&Judging>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let http = config.network.options();
        let transport = Arc::new(findings.keep(http.fresh_clients().context("[network]"))?);
        let judging = judging?;
        let service = OobAuthenticationService {
            cps: store.cps.clone(),
            trust: judging.trust.clone(),
            numbering: judging.numbering.clone(),
            certificates: judging.certificates.clone(),
            minimum_age: store.minimum_age,
            max_copies: store.max_copies,
            retry: RETRY,
            clock_gaps: ClockGaps::default(),
            transport: Arc::clone(&transport) as Arc<_>,
            http,
        };
        Some(Self { service, transport })
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
        findings: &mut Findings,
    ) -> Option<Self> {
        let mailboxes = mailboxes(config, verify, findings);
        let rules = judging.map(|judging| judging.rules(verify.spc));
        let rules = rules.and_then(|rules| findings.keep(rules));
        let (mailboxes, rules) = mailboxes.zip(rules)?;
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

/// The mailboxes that are followed: each key at each CPS; nothing if a part cannot be read.
/// Waits for the disk.
pub(crate) fn mailboxes(
    config: &Config,
    verify: &VerifySection,
    findings: &mut Findings,
) -> Option<Vec<FollowedMailbox>> {
    let http = config.network.options();
    let keys = verify.mailboxes.iter();
    let keys: Vec<_> = keys
        .map(|path| findings.keep(load_mailbox_key(path).context("verify.mailboxes")))
        .collect();
    let mut mailboxes = Vec::new();
    for key in keys {
        let key = Arc::new(key?);
        for cps in verify.cps(config.store.as_ref()) {
            mailboxes.push(FollowedMailbox {
                key: Arc::clone(&key),
                cps,
                source: Arc::new(findings.keep(http.client().context("[network]"))?),
            });
        }
    }
    Some(mailboxes)
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
