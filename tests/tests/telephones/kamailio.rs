//! Kamailio, with one of the configurations of `tests/sip/kamailio`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pennyblack_tests::port::free_port;

use super::program::Program;

/// The configurations.
const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sip/kamailio");

/// A Kamailio that runs.
pub(super) struct Kamailio {
    address: SocketAddr,
    log: PathBuf,
    _program: Program,
}

impl Kamailio {
    /// Starts it with these definitions and flags, and waits until it listens.
    pub(super) async fn start(
        folder: &Path,
        config: &str,
        texts: &[(&str, String)],
        flags: &[String],
    ) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let runs_in = folder.join(format!("{config}.run"));
        fs::create_dir(&runs_in).unwrap();
        let mut command = Command::new("kamailio");
        command
            .args(["-DD", "-E", "-m", "32", "-M", "4"])
            .arg("-f")
            .arg(format!("{CONFIGS}/{config}.cfg"))
            .args(["-l", &format!("udp:{address}")])
            .args(["-l", &format!("tcp:{address}")])
            .arg("-Y")
            .arg(&runs_in)
            .arg("-P")
            .arg(runs_in.join("pid"));
        for (name, text) in texts {
            command.arg("-A").arg(format!("{name}=\"{text}\""));
        }
        for flag in flags {
            command.args(["-A", flag]);
        }
        let mut program = Program::start(command, folder, config);
        program.until_it_has(address.port()).await;
        Self {
            address,
            log: folder.join(format!("{config}.log")),
            _program: program,
        }
    }

    /// Where it is called.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has written this.
    pub(super) fn has_written(&self, words: &str) -> bool {
        fs::read_to_string(&self.log).unwrap().contains(words)
    }

    /// The URI to send calls to.
    pub(super) fn uri(&self) -> String {
        format!("sip:{}", self.address)
    }
}
