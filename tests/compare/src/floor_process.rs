//! A floor that serves: this program in a process of its own, on the core that is measured.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::cpu_time;

/// Such a process. Ends when it is dropped.
#[derive(Debug)]
pub struct FloorProcess {
    child: Child,
    address: SocketAddr,
}

impl FloorProcess {
    /// Starts the one that `role` makes of this program, and waits until it listens.
    #[must_use]
    pub fn start(
        role: &str,
        core: usize,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([role, &core.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap();
        Self { child, address }
    }

    /// Where it is asked.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The processor time that it has used.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        cpu_time::of_process(self.child.id())
    }
}

impl Drop for FloorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says where this process listens, which is such a one.
pub fn announce(address: SocketAddr) {
    println!("{address}");
    std::io::stdout().flush().unwrap();
}
