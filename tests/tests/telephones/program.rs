//! Programs of others, running beside the test.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pennyblack_tests::wait::until;
use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for a start.
const START: Duration = Duration::from_secs(30);

/// A program that runs until it is dropped.
pub(super) struct Program(Child);

impl Program {
    /// Starts it. What it says goes to `name.log` in `folder`.
    pub(super) fn start(mut command: Command, folder: &Path, name: &str) -> Self {
        let log = File::create(folder.join(format!("{name}.log"))).unwrap();
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| {
            let program = command.get_program().display();
            panic!("{program} does not start, {error}; tests/run installs it")
        });
        Self(child)
    }

    /// Waits until it has the UDP port. What is sent from then on, it reads.
    pub(super) async fn until_it_has(&mut self, port: u16) {
        let listening = format!(":{port:04X} ");
        until("a program's UDP port", START, async || {
            if let Some(status) = self.0.try_wait().unwrap() {
                panic!("a program ended at its start, {status}; see its log");
            }
            let sockets = fs::read_to_string("/proc/net/udp").unwrap();
            let mut ours = sockets.lines().filter_map(|line| line.split_once(": "));
            let found = ours
                .any(|(_, socket)| socket.get(..16).is_some_and(|own| own.contains(&listening)));
            found.then_some(())
        })
        .await;
    }
}

impl Drop for Program {
    /// Kamailio ends its children when it is asked to end, and leaves them when it is killed.
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}
