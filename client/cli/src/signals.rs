//! Signals. Of a command that goes on until it is stopped: SIGINT and SIGTERM stop it, SIGHUP
//! has its files read again. Of one that has children: all three end it, and then them.

use pennyblack_runtime::reload::{Hangups, Reload};
use pennyblack_runtime::shutdown::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// What ends a command that has begun services of its own: they outlive a closed terminal.
pub(crate) struct Ends([Signal; 3]);

impl Ends {
    /// Early: until then each of them kills.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let ends = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let [interrupt, terminate, hangup] = ends.map(signal);
        let caught = || Ok::<_, std::io::Error>([interrupt?, terminate?, hangup?]);
        caught()
            .map(Self)
            .map_err(|error| Failure::new(Exit::Failed, error))
    }

    /// Waits for the first.
    pub(crate) async fn requested(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
