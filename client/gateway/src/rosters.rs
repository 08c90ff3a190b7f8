//! Rosters that are read again while a gateway runs, and the CPSs to which the keys of a directory
//! may lead by the one in force. Not here: which relays it allows (`oblivious`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::directory::{Directory, MirroredKeys};
use pennyblack_client::rosters::{RosterCpss, RosterUse, RosterUseError};
use pennyblack_http::ServiceAddress;
use pennyblack_roster::{Chain, KeptRosters};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::{FromFiles, Reload, Reread};
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_service::start_error::{StartContext as _, StartError};

use crate::config::StoreSection;

const ROSTERS: &str = "store.rosters";

/// How soon it is noticed that a roster has ended, or begun.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The rosters of a directory, which the configuration key `what` names. **A fork, or a file
/// that is none, stops a start; while a gateway runs, it goes on by the rosters of before.**
pub(crate) fn kept_rosters(
    what: &'static str,
    directory: PathBuf,
    reload: &Reload,
) -> Result<Arc<FromFiles<Chain>>, StartError> {
    let rosters = FromFiles::open(what, move || {
        KeptRosters::chain_in(&directory).context(what)
    })?;
    reload.add(Arc::<FromFiles<Chain>>::clone(&rosters) as Arc<dyn Reread>);
    Ok(rosters)
}

/// The keys of a directory, which lead to the CPSs of the roster in force alone. Clones share both.
#[derive(Clone)]
pub(crate) struct RosterBoundKeys {
    keys: MirroredKeys,
    rosters: Arc<FromFiles<Chain>>,
    /// How one of the CPSs is reached, if not by its own URL.
    cps: Option<ServiceAddress>,
}

impl RosterBoundKeys {
    /// As it is configured; nothing without a directory. Its file must be there, and a roster that
    /// is good for storing.
    pub(crate) fn read(
        store: &StoreSection,
        (reload, clock): (&Reload, &Clock),
    ) -> Result<Option<Self>, StartError> {
        let Some((file, rosters)) = store.mirror() else {
            return Ok(None);
        };
        let rosters = kept_rosters(ROSTERS, rosters.to_owned(), reload)?;
        let cpss = cpss_in_force(&rosters.current(), clock.now());
        let cpss = cpss.context(ROSTERS)?.reached_at(store.cps.as_slice());
        let directory = Directory::existing(file).context("store.directory")?;
        Ok(Some(Self {
            keys: MirroredKeys::new(&directory, cpss),
            rosters,
            cps: store.cps.clone(),
        }))
    }

    /// The keys.
    pub(crate) const fn keys(&self) -> &MirroredKeys {
        &self.keys
    }

    /// Goes by each newer roster once it begins, until `shutdown`.
    pub(crate) async fn follow(self, readiness: Readiness, clock: Clock, shutdown: Shutdown) {
        let mut changes = self.rosters.changes();
        loop {
            match self.take_up(clock.now()) {
                Ok(()) => readiness.has(ROSTERS),
                Err(error) => readiness.lacks(ROSTERS, error.to_string()),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Ok(()) = changes.changed() => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// **By a roster that is not even good for storing nothing is sent any more.**
    fn take_up(&self, now: UnixTime) -> Result<(), RosterUseError> {
        match cpss_in_force(&self.rosters.current(), now) {
            Ok(cpss) => self.keys.set_cpss(cpss.reached_at(self.cps.as_slice())),
            Err(error) => {
                self.keys.set_cpss(self.keys.cpss().emptied());
                return Err(error);
            }
        }
        Ok(())
    }
}

fn cpss_in_force(rosters: &Chain, now: UnixTime) -> Result<RosterCpss, RosterUseError> {
    RosterCpss::of(rosters.in_force(now).roster(), RosterUse::Storing, now)
}
