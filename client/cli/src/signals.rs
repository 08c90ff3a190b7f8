//! Signals of a command that goes on until it is stopped: SIGINT and SIGTERM stop it, SIGHUP
//! has its files read again.

use pennyblack_runtime::reload::{Hangups, Reload};
use pennyblack_runtime::shutdown::Shutdown;

use super::outcome::{Exit, Failure};

/// SIGHUP, taken from the operating system. Early: until then it kills.
pub(crate) struct Signals(Hangups);

impl Signals {
    pub(crate) fn catch() -> Result<Self, Failure> {
        let hangups = Hangups::catch();
        Ok(Self(
            hangups.map_err(|error| Failure::new(Exit::Failed, error))?,
        ))
    }

    /// Has the files of `reload` read again from now on, until the request to stop, which
    /// this returns.
    pub(crate) fn heed(self, reload: &Reload) -> Result<Shutdown, Failure> {
        let shutdown = Shutdown::new();
        let signals = shutdown.on_signals();
        signals.map_err(|error| Failure::new(Exit::Failed, error))?;
        reload.on_hangups(self.0);
        tokio::spawn(reload.clone().run(shutdown.clone()));
        Ok(shutdown)
    }
}
