//! What SIGHUP changes: trunks, the networks that may ask, API keys, and the configuration
//! by which mailboxes are followed. A configuration that cannot be used changes nothing. Not
//! here: certificates and keys, which are read again by themselves.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pennyblack_runtime::config::Configuration as _;
use pennyblack_runtime::reload::Reload;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::findings::Findings;
use pennyblack_service::program::LoadAgain;
use pennyblack_service::start_error::{StartContext as _, StartError};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::access::Access;
use crate::access::api_keys::ApiKeys;
use crate::config::Config;
use crate::config::sip::SipSide;
use crate::trunks::{Identities, Trunks};

/// What holds for requests now.
#[derive(Debug, Default)]
pub struct InForce {
    /// Who may ask over HTTP.
    pub access: Access,
    /// Who may ask to sign by SIP.
    pub sip_signing: Access,
    /// Who may ask to verify by SIP.
    pub sip_verification: Access,
    /// On which trunk.
    pub trunks: Trunks,
}

impl InForce {
    /// Reads what `config` names; nothing if a part cannot be read. Waits for the disk.
    pub(crate) fn read(
        config: &Config,
        identities: &Identities,
        findings: &mut Findings,
    ) -> Option<Self> {
        let keys = config.http.api_keys.as_deref();
        let keys = keys.map(|path| keys_of(path, config)).transpose();
        let keys = findings.keep(keys);
        if keys.iter().flatten().any(ApiKeys::is_empty) {
            let note = "http.api_keys: the file has no key, so all requests are answered 401: \
                        add the lines that `pennyblack-gateway --new-api-key NAME` prints";
            tracing::warn!("{note}");
            findings.note(note);
        }
        if config.gateway.role.signs() {
            note_unsigned(config, findings);
        }
        let trunks = Trunks::read(&config.trunk, identities, findings);
        Some(Self {
            access: Access {
                allow: config.http.allow.clone(),
                keys: keys?.map(Arc::new),
            },
            sip_signing: sip_access(config.sip.sign.as_ref()),
            sip_verification: sip_access(config.sip.verify.as_ref()),
            trunks: trunks?,
        })
    }
}

/// What is in force, and how it is read again.
pub struct Settings {
    started_with: Config,
    again: LoadAgain<Config>,
    identities: Arc<Identities>,
    current: ArcSwap<InForce>,
    /// Each configuration that was taken up.
    configs: watch::Sender<Arc<Config>>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// `first`, which was read of `config` with `identities`.
    #[must_use]
    pub fn new(
        config: &Config,
        again: LoadAgain<Config>,
        identities: Arc<Identities>,
        first: InForce,
    ) -> Self {
        gauge().set(0.0);
        Self {
            started_with: config.clone(),
            again,
            identities,
            current: ArcSwap::from_pointee(first),
            configs: watch::Sender::new(Arc::new(config.clone())),
        }
    }

    /// Those of `config`, which are read again as they are.
    #[cfg(test)]
    pub(crate) fn of(config: &Config) -> Self {
        let identities = Arc::new(Identities::new(Reload::new()));
        let mut findings = Findings::new();
        let first = InForce::read(config, &identities, &mut findings);
        let (first, again) = (findings.conclude(first).unwrap(), config.clone());
        Self::new(
            config,
            Arc::new(move || Ok(again.clone())),
            identities,
            first,
        )
    }

    /// What is in force now.
    #[must_use]
    pub fn current(&self) -> Arc<InForce> {
        self.current.load_full()
    }

    /// The configuration in force, and word of each new one.
    #[must_use]
    pub fn configs(&self) -> watch::Receiver<Arc<Config>> {
        self.configs.subscribe()
    }

    /// Reads all of it again at each request, until `shutdown`.
    pub async fn follow(self: Arc<Self>, reload: Reload, shutdown: Shutdown) {
        let mut requests = reload.requests();
        loop {
            tokio::select! {
                Ok(()) = requests.changed() => {}
                () = shutdown.requested() => return,
            }
            let settings = Arc::clone(&self);
            if let Err(error) = spawn_blocking(move || settings.reread()).await {
                tracing::error!(%error, "reading the configuration again broke off");
            }
        }
    }

    /// Takes up the configuration as it is now, if it can be used. Waits for the disk.
    pub(crate) fn reread(&self) {
        let config = (self.again)().map_err(|error| error.to_string());
        let read = config.and_then(|config| {
            let running = self.where_it_listens(&config);
            running.check().map_err(|error| error.to_string())?;
            let mut findings = Findings::new();
            let read = InForce::read(&running, &self.identities, &mut findings);
            let read = findings.conclude(read).map_err(|error| error.to_string());
            read.map(|read| (config, read))
        });
        match read {
            Ok((config, read)) => {
                self.current.store(Arc::new(read));
                gauge().set(0.0);
                tracing::info!("trunks, networks and API keys are in force as they were read");
                if self.has_other_changes(config.clone()) {
                    tracing::warn!(
                        "what else has changed in the configuration needs a restart of the gateway"
                    );
                }
                self.configs.send_replace(Arc::new(config));
            }
            Err(error) => {
                gauge().set(1.0);
                tracing::error!(
                    error,
                    "the configuration cannot be used: the old trunks stay in force"
                );
            }
        }
    }

    /// `config` with the addresses that are listened at since the start: who may ask must be
    /// right for those.
    fn where_it_listens(&self, config: &Config) -> Config {
        let (started_with, mut config) = (&self.started_with, config.clone());
        config.public.clone_from(&started_with.public);
        for (now, first) in [
            (&mut config.sip.sign, &started_with.sip.sign),
            (&mut config.sip.verify, &started_with.sip.verify),
        ] {
            match (now, first) {
                (Some(now), Some(first)) => now.listen.clone_from(&first.listen),
                (now, first) => now.clone_from(first),
            }
        }
        config
    }

    fn has_other_changes(&self, mut config: Config) -> bool {
        let started_with = &self.started_with;
        config.trunk.clone_from(&started_with.trunk);
        config.http.allow.clone_from(&started_with.http.allow);
        config.http.api_keys.clone_from(&started_with.http.api_keys);
        for (now, first) in [
            (&mut config.sip.sign, &started_with.sip.sign),
            (&mut config.sip.verify, &started_with.sip.verify),
        ] {
            if let (Some(now), Some(first)) = (now, first) {
                now.allow.clone_from(&first.allow);
            }
        }
        if let (Some(now), Some(first)) = (&mut config.verify, &started_with.verify) {
            now.mailboxes.clone_from(&first.mailboxes);
            now.cps.clone_from(&first.cps);
        }
        config != *started_with
    }
}

fn gauge() -> metrics::Gauge {
    metrics::gauge!("pennyblack_reload_failed", "what" => "trunks")
}

/// A trunk without a certificate is meant for calls that arrive, or one was forgotten.
fn note_unsigned(config: &Config, findings: &mut Findings) {
    for trunk in config.trunk.iter().filter(|one| one.certificate.is_none()) {
        let note = format!(
            "trunk {} has no certificate: its calls that come without an Identity are not signed",
            trunk.name
        );
        tracing::info!("{note}");
        findings.note(note);
    }
}

/// SIP has no API keys.
fn sip_access(side: Option<&SipSide>) -> Access {
    Access {
        allow: side.map(|side| side.allow.clone()).unwrap_or_default(),
        keys: None,
    }
}

/// The keys of a file, which has all that trunks name.
fn keys_of(path: &Path, config: &Config) -> Result<ApiKeys, StartError> {
    let keys = ApiKeys::read(path).context("http.api_keys")?;
    for trunk in &config.trunk {
        if let Some(name) = trunk.api_keys.iter().find(|name| !keys.has(name)) {
            let trunk = &trunk.name;
            let missing = format!(
                "trunk {trunk} names the API key {name}, which is not in {}",
                path.display()
            );
            return Err(StartError::new("trunk.api_keys", missing));
        }
    }
    Ok(keys)
}
