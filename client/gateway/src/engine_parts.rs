//! What the engine is made of, from the configuration and the files that it names. Not here:
//! when files are read again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_client::assignments::Assignments;
use pennyblack_client::auth_service::{ClockGaps, OobAuthenticationService};
use pennyblack_client::certificates::{CertificateStores, Repositories};
use pennyblack_client::follower::FollowedMailbox;
use pennyblack_client::trust::load_trust;
use pennyblack_client::verification_service::{SpcAuthority, VerificationRules, load_mailbox_key};
use pennyblack_client::wallet::Wallet;
use pennyblack_engine::{EngineParts, SigningParts, VerifyingParts};
use pennyblack_http::RetryPolicy;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::start_error::{StartContext as _, StartError};
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_storage::limited_file;

use crate::config::{Config, SpcTrust, StoreSection, VerifySection};

/// Most bytes of a numbering table.
const MAX_TABLE: usize = 256 * 1024 * 1024;

/// How often a copy is sent again while trying is of use, and the longest pause between.
const RETRY: RetryPolicy = RetryPolicy {
    retries: 20,
    longest_pause: Duration::from_millis(500),
};

/// Reads everything. Waits for the disk.
pub(crate) fn read(config: &Config, clock: &Clock) -> Result<EngineParts, StartError> {
    let (role, files) = (config.gateway.role, TrustedFiles::read(config, clock)?);
    let store = config.store.as_ref().filter(|_| role.signs());
    let verify = config.verify.as_ref().filter(|_| role.verifies());
    Ok(EngineParts {
        signing: store
            .map(|store| signing(config, store, &files))
            .transpose()?,
        verifying: verify
            .map(|verify| verifying(config, verify, &files))
            .transpose()?,
        clock: clock.clone(),
    })
}

/// The rules by which PASSporTs are judged from now on, for a gateway that verifies. Waits
/// for the disk.
pub(crate) fn read_rules(
    config: &Config,
    certificates: &CertificateStores,
    clock: &Clock,
) -> Result<VerificationRules, StartError> {
    let spc = config.verify.as_ref().map(|verify| verify.spc);
    Ok(VerificationRules {
        trust: trust(config, clock)?,
        certificates: certificates.clone(),
        authority: authority(spc.unwrap_or_default(), numbering(config)?)?,
    })
}

/// What both sides judge by.
struct TrustedFiles {
    trust: TrustPolicy,
    certificates: CertificateStores,
    numbering: Option<NumberingTable>,
}

impl TrustedFiles {
    fn read(config: &Config, clock: &Clock) -> Result<Self, StartError> {
        Ok(Self {
            trust: trust(config, clock)?,
            certificates: certificates(config),
            numbering: numbering(config)?,
        })
    }
}

fn trust(config: &Config, clock: &Clock) -> Result<TrustPolicy, StartError> {
    let lists = config.trust.revocation_lists.as_deref();
    load_trust(&config.trust.roots, lists, clock.now()).context("[trust]")
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
    let read = |path: &Path| {
        let what = || format!("trust.numbering: {}", path.display());
        let csv = limited_file::read(path, MAX_TABLE).context(what())?;
        NumberingTable::parse(&csv).context(what())
    };
    config.trust.numbering.as_deref().map(read).transpose()
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

fn signing(
    config: &Config,
    store: &StoreSection,
    files: &TrustedFiles,
) -> Result<SigningParts, StartError> {
    let http = config.network.options();
    let transport = http.fresh_clients().context("[network]")?;
    let transport = Arc::new(transport);
    let engine = store.engine();
    let service = OobAuthenticationService {
        cps: store.cps.clone(),
        trust: files.trust.clone(),
        numbering: files.numbering.clone(),
        certificates: files.certificates.clone(),
        minimum_age: engine.minimum_age,
        max_copies: engine.max_copies,
        retry: RETRY,
        clock_gaps: ClockGaps::default(),
        transport: Arc::clone(&transport) as Arc<_>,
        http,
    };
    Ok(SigningParts {
        service,
        wallet: Wallet::open(&store.wallet).context("store.wallet")?,
        transport,
        signing: config.signing.clone(),
        store: engine,
        key_records_file: store.records_file.clone(),
    })
}

fn verifying(
    config: &Config,
    verify: &VerifySection,
    files: &TrustedFiles,
) -> Result<VerifyingParts, StartError> {
    Ok(VerifyingParts {
        mailboxes: mailboxes(config, verify)?,
        rules: VerificationRules {
            trust: files.trust.clone(),
            certificates: files.certificates.clone(),
            authority: authority(verify.spc, files.numbering.clone())?,
        },
        assignments: Arc::new(Assignments::open(&verify.used).context("verify.used")?),
        config: verify.engine(),
    })
}

/// The mailboxes that are followed: each key at each CPS. Waits for the disk.
pub(crate) fn mailboxes(
    config: &Config,
    verify: &VerifySection,
) -> Result<Vec<FollowedMailbox>, StartError> {
    let http = config.network.options();
    let mut mailboxes = Vec::new();
    for path in &verify.mailboxes {
        let key = load_mailbox_key(path).context("verify.mailboxes")?;
        let key = Arc::new(key);
        for cps in verify.cps(config.store.as_ref()) {
            let source = http.client().context("[network]")?;
            mailboxes.push(FollowedMailbox {
                key: Arc::clone(&key),
                cps,
                source: Arc::new(source),
            });
        }
    }
    Ok(mailboxes)
}
