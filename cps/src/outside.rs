//! What a CPS reads of the world before it opens anything of its own: files that the
//! operator named, and which spends its data directory knows of. A start and
//! `--check-config` do it here alike. Not here: roots and revocation lists, which
//! `pennyblack_trust` has, and what is in the stores of the data directory.

use std::path::Path;
use std::sync::Arc;

use pennyblack_numbering::table_file;
use pennyblack_redis::Redis;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_service::examination::examine;
use pennyblack_service::findings::Findings;
use pennyblack_service::peer;
use pennyblack_service::start_error::{StartContext as _, StartError};
use pennyblack_stir::numbering::NumberingTable;

use crate::config::{Config, IssuerConfig};
use crate::decoy_secret::DecoySecret;
use crate::earlier_spends::EarlierSpends;
use crate::issuers::KnownIssuer;
use crate::key_directory::AskedNumbering;
use crate::log::witnesses;
use crate::oblivious::SeedFile;
use crate::rosters::{self, ServedRosters};
use crate::store::never_twice::Owners;

const NUMBERING_SERVICE: &str = "key_records.numbering_service";
const NUMBERING_TABLE: &str = "key_records.numbering_table";

/// What was read.
pub(crate) struct Outside {
    pub(crate) numbering: Option<Arc<FromFiles<NumberingTable>>>,
    pub(crate) asked: Option<Arc<AskedNumbering>>,
    pub(crate) owners: Option<Owners>,
    pub(crate) rosters: Option<Arc<FromFiles<ServedRosters>>>,
}

impl Outside {
    /// Reads it; nothing if a part cannot be read. Waits for the disk.
    pub(crate) fn load(config: &Config, findings: &mut Findings) -> Option<Self> {
        findings.keep(EarlierSpends::of(config).and_then(|spends| spends.allow(config)));
        findings.keep(redis(config));
        findings.keep(seed(config));
        if config.store.is_some() {
            let roots = config.transparency_log.tls_roots.clone();
            findings.keep(peer::client(roots).context("transparency_log.tls_roots"));
        }
        if let Some(never_twice) = &config.never_twice {
            let roots = never_twice.tls_roots.clone();
            findings.keep(peer::client(roots).context("never_twice.tls_roots"));
        }
        for witness in &config.witness {
            findings.keep(witnesses::client(witness).context("witness.tls_roots"));
        }
        for issuer in &config.issuer {
            let known = KnownIssuer::read(issuer, &config.issuers_directory());
            findings.keep(known.context(follow(issuer)));
        }
        let numbering = findings.keep(numbering(config));
        let asked = findings.keep(asked_numbering(config));
        let owners = findings.keep(owners(config));
        let rosters = findings.keep(rosters::open(config.federation.as_ref()));
        Some(Self {
            numbering: numbering?,
            asked: asked?,
            owners: owners?,
            rosters: rosters?,
        })
    }
}

/// All that `--check-config` finds out.
pub(crate) async fn check(config: &Config, clock: &Clock) -> Findings {
    let mut findings = Findings::new();
    examine(config, &mut findings);
    let outside = Outside::load(config, &mut findings);
    if let Some(rosters) = outside.and_then(|outside| outside.rosters) {
        let until = rosters.current().until();
        findings.note(format!(
            "federation.roster_directory: the newest roster ends {until}"
        ));
    }
    let marks = config.trust_directory();
    pennyblack_trust::examine(&config.trust, &marks, clock.now(), &mut findings);
    if let Err(error) = DecoySecret::shared(config.decoy_secret_file()).check() {
        findings.lack(error.to_string());
    }
    for issuer in &config.issuer {
        if let Some(why) = issuer.voprf_keys.as_deref().and_then(unlisted) {
            findings.lack(format!("issuer.voprf_keys: {why}"));
        }
    }
    // What is wrong with its options was found before.
    if let Ok(Some(redis)) = redis(config) {
        match redis.shortfalls().await {
            Ok(shortfalls) => shortfalls
                .iter()
                .for_each(|short| findings.lack(format!("store.durability: {short}"))),
            Err(error) => findings.lack(format!("store.url: {error}")),
        }
    }
    findings
}

/// What the start says of an issuer that it cannot follow.
pub(crate) fn follow(issuer: &IssuerConfig) -> String {
    format!("cannot follow the issuer {}", issuer.authority)
}

fn redis(config: &Config) -> Result<Option<Redis>, StartError> {
    let options = config.store.as_ref();
    let redis = options.map(Redis::new).transpose();
    redis.context("cannot use the Redis of [store]")
}

/// The secret behind the oblivious keys, which one of several nodes does not make.
fn seed(config: &Config) -> Result<(), StartError> {
    const SEED: &str = "cannot use oblivious.seed";
    let Some(file) = SeedFile::of(config).context(SEED)? else {
        return Ok(());
    };
    file.check(config.store.is_some()).context(SEED)
}

fn owners(config: &Config) -> Result<Option<Owners>, StartError> {
    let owners = config.never_twice.as_ref();
    let owners = owners.map(|config| Owners::new(config.nodes.clone(), config.node));
    owners.transpose().context("cannot use [never_twice]")
}

/// The table, which is read again when it is replaced.
fn numbering(config: &Config) -> Result<Option<Arc<FromFiles<NumberingTable>>>, StartError> {
    let Some(path) = config.key_records.numbering_table.clone() else {
        return Ok(None);
    };
    let read = move || table_file::read(&path).context(NUMBERING_TABLE);
    FromFiles::open(NUMBERING_TABLE, read).map(Some)
}

fn asked_numbering(config: &Config) -> Result<Option<Arc<AskedNumbering>>, StartError> {
    let Some(address) = config.key_records.numbering_service.clone() else {
        return Ok(None);
    };
    let asked = AskedNumbering::open(address, &config.numbering_answers());
    Ok(Some(Arc::new(asked.context(NUMBERING_SERVICE)?)))
}

/// Why a directory of VOPRF keys cannot be looked into, if it cannot.
fn unlisted(directory: &Path) -> Option<String> {
    let error = std::fs::read_dir(directory).err()?;
    Some(format!(
        "{}: {error}: VOPRF tokens of this issuer are not accepted until its keys are there",
        directory.display()
    ))
}

#[cfg(test)]
mod tests;
