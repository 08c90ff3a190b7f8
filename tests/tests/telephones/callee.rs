//! The called side: a SIPp that answers every call, and what it heard.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use pennyblack_tests::port::free_port;

use super::program::Program;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sip/sipp/callee.xml");

/// A SIPp that answers.
pub(super) struct Callee {
    address: SocketAddr,
    heard: PathBuf,
    _program: Program,
}

impl Callee {
    pub(super) async fn start(folder: &Path) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let heard = folder.join("callee.heard");
        let mut command = Command::new("sipp");
        command
            .args(["-sf", SCENARIO, "-nostdin", "-i", "127.0.0.1"])
            .args(["-p", &address.port().to_string()])
            .arg("-trace_logs")
            .arg("-log_file")
            .arg(&heard);
        let mut program = Program::start(command, folder, "callee");
        program.until_it_has(address.port()).await;
        Self {
            address,
            heard,
            _program: program,
        }
    }

    /// The URI to send calls to.
    pub(super) fn uri(&self) -> String {
        format!("sip:{}", self.address)
    }

    /// The INVITEs that came so far and whose Call-ID begins like this, before a full stop.
    pub(super) fn heard(&self, call: &str) -> Vec<Invite> {
        let text = fs::read_to_string(&self.heard).unwrap();
        let all = text.split("INVITE sip:").skip(1).map(Invite::new);
        all.filter(|invite| invite.call_id().split('.').next() == Some(call))
            .collect()
    }
}

/// The headers of an INVITE. Read here line by line, and not by the crate that the gateway
/// reads SIP with: its mistakes would not be seen.
#[derive(Debug, Clone)]
pub(super) struct Invite(String);

impl Invite {
    pub(super) fn new(text: &str) -> Self {
        let head = text.split_once("\r\n\r\n").map_or(text, |(head, _)| head);
        Self(head.to_owned())
    }

    /// The values of all headers with this name, in its long form.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.0.lines().filter_map(|line| line.split_once(':'));
        fields
            .filter(|(field, _)| field.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    fn call_id(&self) -> &str {
        self.all("Call-ID").next().unwrap_or_default()
    }
}
