//! A service in a process of its own, to be killed and started again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::StatusCode;
use pennyblack_service::server::Addresses;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::answer::Answer;
use crate::wait::until;
use crate::world::World;

/// Longest wait for a start; the first one makes keys.
const START: Duration = Duration::from_secs(60);
/// Longest wait for an end that was asked for.
const END: Duration = Duration::from_secs(60);

/// Where the programs of the services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programs {
    /// One that is each of them, by its first argument: a test's `CARGO_BIN_EXE_service`.
    One(PathBuf),
    /// Those that are deployed, in this directory.
    Deployed(PathBuf),
}

impl From<&str> for Programs {
    fn from(service: &str) -> Self {
        Self::One(service.into())
    }
}

impl Programs {
    /// The command that is the service of this name.
    #[must_use]
    pub fn command(&self, service: &str) -> Command {
        match self {
            Self::One(program) => {
                let mut command = Command::new(program);
                command.arg(service);
                command
            }
            Self::Deployed(directory) => {
                Command::new(directory.join(format!("pennyblack-{service}")))
            }
        }
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The issuer.
    Issuer,
    /// The CPS.
    Cps,
}

impl Role {
    /// As a program's argument names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Cps => "cps",
        }
    }
}

/// A service, running. Killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    addresses: Addresses,
}

impl Process {
    /// Starts a service and waits until it is ready. What it says is appended to
    /// [`Self::output`].
    pub async fn start(programs: impl Into<Programs>, role: Role, world: &World) -> Self {
        let config = write_config(role, world);
        let mut command = programs.into().command(role.name());
        command.arg("--config").arg(config);
        Self::start_command(command, role, world).await
    }

    /// Starts a command that ends in the service with its configuration.
    pub async fn start_command(command: Command, role: Role, world: &World) -> Self {
        Self::start_named(command, role.name(), world).await
    }

    /// Starts one of several services of a role: its files have `name`.
    pub async fn start_named(mut command: Command, name: &str, world: &World) -> Self {
        let ready = world.path(&format!("{name}.ready"));
        let _ = fs::remove_file(&ready);
        let outputs = Self::output_of(name, world);
        let [out, err] = outputs.each_ref().map(|path| append_to(path));
        command
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        let mut child = command.spawn().unwrap();
        let addresses = until("the ready file", START, async || {
            if let Some(status) = child.try_wait().unwrap() {
                let said = fs::read_to_string(&outputs[1]).unwrap_or_default();
                panic!("{name} ended at its start, {status}: {said}");
            }
            let line = fs::read_to_string(&ready).ok()?;
            Some(serde_json::from_str::<Addresses>(&line).unwrap())
        })
        .await;
        let process = Self { child, addresses };
        process.until_ready(world).await;
        process
    }

    /// The files that standard output and standard error go to.
    #[must_use]
    pub fn output(role: Role, world: &World) -> [PathBuf; 2] {
        Self::output_of(role.name(), world)
    }

    /// The same of a service whose files have this name.
    #[must_use]
    pub fn output_of(name: &str, world: &World) -> [PathBuf; 2] {
        ["out", "err"].map(|end| world.path(&format!("{name}.{end}")))
    }

    /// Where it is reached.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Its number, by which the kernel accounts for it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at this instant (SIGKILL).
    pub fn kill(mut self) {
        self.end();
    }

    /// The same where it stands, for one that another takes the place of.
    pub fn kill_in_place(&mut self) {
        self.end();
    }

    /// Sends it SIGHUP.
    pub fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// Stops it where it is (SIGSTOP): connections to it are accepted, and nothing is said.
    pub fn freeze(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// When it ends with a failure.
    pub async fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = until("the end of a process that was asked to", END, async || {
            self.child.try_wait().unwrap()
        })
        .await;
        assert!(status.success(), "asked to end, it did with {status}");
    }

    async fn until_ready(&self, world: &World) {
        let url = format!("http://{}/readyz", self.addresses.admin);
        until("readiness", START, async || {
            let answer = Answer::to(world.client.get(&url)).await.ok()?;
            (answer.status == StatusCode::OK).then_some(())
        })
        .await;
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Writes the configuration of a service to a file.
#[must_use]
pub fn write_config(role: Role, world: &World) -> PathBuf {
    match role {
        Role::Issuer => write_config_of(role.name(), &world.issuer, world),
        Role::Cps => write_config_of(role.name(), &world.cps, world),
    }
}

/// Writes the configuration of one of several services of a role to a file.
#[must_use]
pub fn write_config_of(name: &str, config: &impl Serialize, world: &World) -> PathBuf {
    let path = world.path(&format!("{name}.toml"));
    fs::write(&path, toml::to_string(config).unwrap()).unwrap();
    path
}

fn append_to(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}
