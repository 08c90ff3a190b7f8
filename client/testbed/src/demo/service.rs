//! A service as a process of its own. Not here: which services there are (`services`,
//! `gateways`).

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pennyblack_http::{HttpClient, HttpOptions, Request, RetryPolicy};
use pennyblack_runtime::config::{Configuration, to_toml};
use pennyblack_service::server::Addresses;

use super::{DemoError, WhileDoing as _};

/// How long a service may take to become ready.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked whether something has happened.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(25);

/// One service process.
pub(super) struct Service {
    /// Which program it is.
    program: &'static str,
    /// What it is called, and its files.
    name: &'static str,
    config: PathBuf,
    ready_file: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    admin: Option<SocketAddr>,
}

impl Service {
    pub(super) fn new<C: Configuration>(
        program: &'static str,
        name: &'static str,
        directory: &Path,
        config: &C,
    ) -> Result<Self, DemoError> {
        let this = Self {
            program,
            name,
            config: directory.join(format!("{name}.toml")),
            ready_file: directory.join(format!("{name}.ready")),
            log: directory.join(format!("{name}.log")),
            child: None,
            admin: None,
        };
        let text = to_toml(config).during("writing a configuration")?;
        fs::write(&this.config, text).during("writing a configuration")?;
        Ok(this)
    }

    /// Starts the process and waits until it says that it is ready.
    pub(super) async fn start(&mut self) -> Result<(), DemoError> {
        let _ = fs::remove_file(&self.ready_file);
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .during("opening a log")?;
        let program = std::env::current_exe().during("finding this program")?;
        let child = Command::new(program)
            .args(["service", self.program, "--config"])
            .arg(&self.config)
            .arg("--ready-file")
            .arg(&self.ready_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .during("starting a service")?;
        self.child = Some(child);
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if let Ok(text) = fs::read_to_string(&self.ready_file) {
                let addresses: Addresses =
                    serde_json::from_str(&text).during("reading a service's addresses")?;
                self.admin = Some(addresses.admin);
                if self.admin_page("/readyz").await.is_ok() {
                    return Ok(());
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(DemoError::NotReady {
            service: self.name,
            log: fs::read_to_string(&self.log).unwrap_or_default(),
        })
    }

    /// What it shows its operator at `path`.
    pub(super) async fn admin_page(&self, path: &str) -> Result<String, DemoError> {
        let admin = self.admin.ok_or(DemoError::Never("the start"))?;
        let client = client()?;
        let request = Request::get(format!("http://{admin}{path}"), 1 << 20);
        let answer = client.send(&request, RetryPolicy::NONE).await;
        let answer = answer.during("asking a service's admin page")?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// SIGKILL: no goodbye, no flush.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have died by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(super) fn client() -> Result<HttpClient, DemoError> {
    HttpOptions::default()
        .client()
        .during("making an HTTP client")
}

/// Where a service of this machine can listen.
pub(super) fn free_address() -> Result<SocketAddr, DemoError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).during("finding a free port")?;
    listener.local_addr().during("finding a free port")
}
