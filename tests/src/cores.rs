//! A core for the services and another for those who ask them, so that what is
//! measured of a service is not the time that its clients take from it.

use std::thread;

use core_affinity::CoreId;
use tokio::runtime::{Builder, Handle};

use crate::process::{Process, Role};
use crate::world::World;

/// Which cores; none where there is only one.
#[derive(Debug, Clone, Copy)]
pub struct Cores(Option<(CoreId, CoreId)>);

impl Cores {
    /// The first for services, the last for clients.
    #[must_use]
    pub fn apart() -> Self {
        let all = core_affinity::get_core_ids().unwrap_or_default();
        Self(match all[..] {
            [services, .., clients] => Some((services, clients)),
            _ => None,
        })
    }

    /// Runs a test on the clients' core.
    pub fn run(self, test: impl AsyncFnOnce(Self) + Send) {
        let on_their_core = || {
            let here = self.0.map(|(_, clients)| clients);
            stay_on(here);
            let mut runtime = Builder::new_multi_thread();
            let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(test(self));
        };
        thread::scope(|scope| scope.spawn(on_their_core).join()).unwrap();
    }

    /// Starts a service on the services' core: a process begins where the thread
    /// is that starts it.
    ///
    /// # Panics
    /// Outside of [`Self::run`].
    #[must_use]
    pub fn start(self, program: &str, role: Role, world: &World) -> Process {
        let runtime = Handle::current();
        let on_its_core = || {
            stay_on(self.0.map(|(services, _)| services));
            runtime.block_on(Process::start(program, role, world))
        };
        thread::scope(|scope| scope.spawn(on_its_core).join()).unwrap()
    }
}

fn stay_on(core: Option<CoreId>) {
    // Where it is forbidden, the figures are worse and the test is as good.
    let _ = core.map(core_affinity::set_for_current);
}
