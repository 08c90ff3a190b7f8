//! The calling side: SIPp for each case, and how long its calls took to ring.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tokio::task::spawn_blocking;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sip/sipp/caller.xml");

/// Calls that one SIPp makes.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    /// Where to.
    pub(super) proxy: SocketAddr,
    /// What their Call-IDs begin with, before a full stop.
    pub(super) call_id: String,
    /// User parts.
    pub(super) from: String,
    pub(super) to: String,
    /// A header line.
    pub(super) extra: String,
    /// How many, and how many in a second.
    pub(super) count: u32,
    pub(super) rate: u32,
}

impl Calls {
    /// Makes them. Returns the milliseconds from INVITE to 180 of each, or what SIPp says of a
    /// call that did not end well.
    pub(super) async fn make(self, folder: &Path) -> Result<Vec<u64>, String> {
        let folder = folder.join(&self.call_id);
        fs::create_dir(&folder).unwrap();
        let mut command = Command::new("sipp");
        command
            .args(["-nostdin", "-sf", SCENARIO, "-i", "127.0.0.1"])
            .arg(self.proxy.to_string())
            .args(["-m", &self.count.to_string()])
            .args(["-r", &self.rate.to_string(), "-l", "200"])
            .args(["-timeout", "40s", "-timeout_error"])
            .args(["-cid_str", &format!("{}.%u", self.call_id)])
            .args(["-key", "from", &self.from, "-key", "to", &self.to])
            .args(["-key", "extra", &self.extra])
            .args(["-trace_rtt", "-rtt_freq", "1", "-trace_err"])
            .current_dir(&folder);
        let output = spawn_blocking(move || command.output()).await.unwrap();
        let output = output.unwrap_or_else(|error| panic!("sipp does not start: {error}"));
        if !output.status.success() {
            return Err(format!(
                "SIPp ended with {}: {}",
                output.status,
                file_of(&folder, "errors.log")
            ));
        }
        let times = file_of(&folder, "rtt.csv");
        times.lines().skip(1).map(milliseconds).collect()
    }
}

/// The time of a line of SIPp: date, time and number of the timer.
fn milliseconds(line: &str) -> Result<u64, String> {
    let time = line.split(';').nth(1).unwrap_or_default();
    let whole = time.split('.').next();
    let time = whole.and_then(|whole| whole.parse().ok());
    time.ok_or_else(|| format!("{line} is no time of SIPp"))
}

/// The file in `folder` whose name ends like this.
fn file_of(folder: &Path, end: &str) -> String {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut named = files.filter(|file| file.to_string_lossy().ends_with(end));
    let file = named.next();
    file.map(|file| fs::read_to_string(file).unwrap())
        .unwrap_or_default()
}
