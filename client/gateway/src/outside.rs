//! What a gateway reads of the world before it makes anything of its own: trunks with their
//! certificates and keys, API keys, mailbox keys, roots and lists, numbering, CAs. A start and
//! `--check-config` do it here alike. Not here: the files that a start makes if they are
//! missing, which a check only looks at.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use pennyblack_client::assignments::Assignments;
use pennyblack_client::wallet::Wallet;
use pennyblack_http::HttpOptions;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::Reload;
use pennyblack_service::examination::examine;
use pennyblack_service::findings::Findings;
use pennyblack_service::start_error::{StartContext as _, blocking};
use pennyblack_storage::data_directory::check_writable;

use crate::config::Config;
use crate::engine_parts::{Judging, Storing, Verifying};
use crate::in_force::InForce;
use crate::redirects;
use crate::trunks::Identities;

/// What was read.
pub(crate) struct Outside {
    pub(crate) in_force: InForce,
    pub(crate) storing: Option<Storing>,
    pub(crate) verifying: Option<Verifying>,
    /// How others are reached.
    pub(crate) http: HttpOptions,
}

impl Outside {
    /// Reads it, with what is found beside it; nothing if a part cannot be read.
    pub(crate) async fn load(
        config: &Arc<Config>,
        identities: &Arc<Identities>,
        clock: &Clock,
    ) -> (Findings, Option<Self>) {
        let (config, identities) = (Arc::clone(config), Arc::clone(identities));
        let clock = clock.clone();
        let read = blocking(move || {
            let mut findings = Findings::new();
            let outside = Self::read(&config, &identities, &clock, &mut findings);
            Ok((findings, outside))
        });
        read.await.unwrap_or_else(|broke_off| {
            let mut findings = Findings::new();
            findings.keep::<()>(Err(broke_off));
            (findings, None)
        })
    }

    fn read(
        config: &Config,
        identities: &Identities,
        clock: &Clock,
        findings: &mut Findings,
    ) -> Option<Self> {
        let in_force = InForce::read(config, identities, findings);
        let judging = Judging::read(config, identities.reload(), clock, findings);
        let storing = config.storing().map(|store| {
            let with = (identities.reload(), clock);
            Storing::read(config, store, judging.as_ref(), with, findings)
        });
        let oblivious = storing.as_ref().and_then(Option::as_ref);
        let oblivious = oblivious.and_then(Storing::oblivious).cloned();
        let verifying = config.verifying().map(|verify| {
            let (judging, way) = (judging.as_ref(), oblivious.as_ref());
            Verifying::read(config, verify, judging, way, clock.now(), findings)
        });
        Some(Self {
            in_force: in_force?,
            storing: whole(storing)?,
            verifying: whole(verifying)?,
            http: judging?.http,
        })
    }
}

/// A side that is not there lacks nothing.
#[expect(clippy::option_option, reason = "a side, and whether it was read")]
fn whole<T>(side: Option<Option<T>>) -> Option<Option<T>> {
    side.map_or(Some(None), |read| read.map(Some))
}

/// All that `--check-config` finds out.
pub(crate) async fn check(config: Config, clock: Clock) -> Findings {
    let config = Arc::new(config);
    let identities = Arc::new(Identities::new(Reload::new()));
    let (mut findings, outside) = Outside::load(&config, &identities, &clock).await;
    examine(&*config, &mut findings);
    redirects::probe(&config, &mut findings);
    check_own_files(&config, &mut findings);
    let in_force = outside.map(|outside| outside.in_force).unwrap_or_default();
    for trunk in in_force.trunks.iter() {
        let Some(identity) = &trunk.identity else {
            continue;
        };
        if let Err(error) = identity.files.current().check_current(clock.now()) {
            findings.lack(format!("trunk {}: {error}", trunk.name));
        }
    }
    findings
}

/// The files that a start makes if they are missing.
fn check_own_files(config: &Config, findings: &mut Findings) {
    if let Some(store) = config.storing() {
        findings.keep(Wallet::check(&store.wallet).context("store.wallet"));
        let records = store.records_file.as_deref();
        // Without the file a gateway works, and begins without records.
        if let Some(Err(error)) = records.map(|file| check_writable(directory_of(file))) {
            findings.note(format!("store.records_file: {error}"));
        }
    }
    if let Some(verify) = config.verifying() {
        findings.keep(Assignments::check(&verify.used).context("verify.used"));
    }
    if let Some(file) = &config.calls.file {
        findings.keep(check_appendable(file).context("calls.file"));
    }
}

/// Whether lines could be appended to the file, which would be made if it is missing.
fn check_appendable(path: &Path) -> io::Result<()> {
    let directory = directory_of(path);
    match File::options().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && directory.is_dir() => {
            check_writable(directory).map_err(io::Error::other)
        }
        opened => opened.map(drop),
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
