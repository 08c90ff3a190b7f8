//! Issuer and CPS as they are deployed: each a process of its own, here on the
//! core that is measured.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::StatusCode;
use pennyblack_runtime::clock::Clock;
use pennyblack_service::answer_times::AnswerTimes;
use pennyblack_tests::process::{Process, Role, write_config};
use pennyblack_tests::world::World;
use tokio::runtime::Runtime;

use crate::cpu_time;
use crate::http_load::Target;
use crate::machine;
use crate::setting::Setting;

/// The argument that makes this program a service.
pub const ARGUMENT: &str = "serve";

/// More than any row draws.
const QUOTA: u64 = 100_000_000;

/// Both services, running, and what speaks to them.
pub struct Services {
    /// Certificates, configurations and a client.
    pub world: World,
    issuer: Process,
    cps: Process,
    runtime: Runtime,
}

impl Services {
    /// Starts both on `core`, or wherever the system likes without one.
    #[must_use]
    pub fn start(core: Option<usize>) -> Self {
        Self::start_in(core, |_| {})
    }

    /// The same in a world that `change` has made other than usual.
    #[must_use]
    pub fn start_in(core: Option<usize>, change: impl FnOnce(&mut World)) -> Self {
        Self::start_in_world(core, World::new(Clock::system()), change)
    }

    /// The same where both speak TLS.
    #[must_use]
    pub fn start_with_tls(core: Option<usize>, change: impl FnOnce(&mut World)) -> Self {
        Self::start_in_world(core, World::with_tls(Clock::system()), change)
    }

    fn start_in_world(
        core: Option<usize>,
        mut world: World,
        change: impl FnOnce(&mut World),
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        world.issuer.quota.tokens = QUOTA;
        world.cps.entries.mailbox_capacity = 1 << 20;
        // What is measured of a poll is the work.
        world.cps.retrieval.answer_delay = AnswerTimes::SHORTEST;
        // Requests are prepared well before they are sent.
        world.cps.entries.oldest_signature = Duration::from_secs(3600);
        change(&mut world);
        let issuer = runtime.block_on(start(core, Role::Issuer, &world));
        let cps = runtime.block_on(start(core, Role::Cps, &world));
        Self {
            world,
            issuer,
            cps,
            runtime,
        }
    }

    /// Waits for `work`.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// One of the two, as a target of requests that are answered with `expected`.
    #[must_use]
    pub const fn target(&self, role: Role, expected: StatusCode) -> Target {
        Target {
            address: self.process(role).addresses().public,
            expected,
        }
    }

    /// The processor time that one of the two has used.
    #[must_use]
    pub fn cpu_time(&self, role: Role) -> Duration {
        cpu_time::of_process(self.process(role).id())
    }

    /// The memory that one of the two holds, in bytes.
    #[must_use]
    pub fn resident(&self, role: Role) -> f64 {
        machine::resident(self.process(role).id())
    }

    /// The process of one of the two.
    #[must_use]
    pub fn process_of(&self, role: Role) -> u32 {
        self.process(role).id()
    }

    /// Ends both; what they have written stays.
    #[must_use]
    pub fn killed(self) -> World {
        self.world
    }

    const fn process(&self, role: Role) -> &Process {
        match role {
            Role::Issuer => &self.issuer,
            Role::Cps => &self.cps,
        }
    }
}

async fn start(core: Option<usize>, role: Role, world: &World) -> Process {
    start_named(core, role.name(), &write_config(role, world), world).await
}

/// Starts the service of this name with the configuration in a file.
pub(crate) async fn start_named(
    core: Option<usize>,
    name: &str,
    config: &Path,
    world: &World,
) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .arg(ARGUMENT)
        .arg(core.map_or("any".to_owned(), |core| core.to_string()))
        .arg(name)
        .arg("--config")
        .arg(config);
    Process::start_named(command, name, world).await
}

/// Is one of the services. `arguments` are those after [`ARGUMENT`].
pub fn serve(arguments: &[String]) {
    let [core, service, rest @ ..] = arguments else {
        panic!("{ARGUMENT} CORE SERVICE ARGUMENTS");
    };
    match core.parse() {
        Ok(core) => machine::pin(core),
        Err(_) => machine::unpin(),
    }
    let arguments: Vec<OsString> = std::iter::once(service)
        .chain(rest)
        .map(Into::into)
        .collect();
    let run = match service.as_str() {
        "issuer" => pennyblack_issuer::run,
        "cps" => pennyblack_cps::run,
        "relay" => pennyblack_relay::run,
        unknown => panic!("{unknown} is none of issuer, cps and relay"),
    };
    let _ = run(arguments);
}

/// Processor time for one of `items` handled by `work`, in seconds.
pub fn cpu_per_item(cpu_time: impl Fn() -> Duration, items: usize, work: impl FnOnce()) -> f64 {
    let before = cpu_time();
    work();
    (cpu_time() - before).as_secs_f64() / items as f64
}

impl Services {
    /// Cores for a row in which one serves.
    #[must_use]
    pub fn on_its_core(setting: &Setting) -> Self {
        Self::start(Some(setting.cores.service))
    }
}
