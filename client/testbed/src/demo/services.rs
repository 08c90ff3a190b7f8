//! Services as processes of their own, on free ports of this machine: issuer and CPS here,
//! telephone gateways in `gateways`.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pennyblack_evidence::key_log_view::Demand;
use pennyblack_issuer::signer::KeyType;
use pennyblack_runtime::config::{Configuration, to_toml};
use pennyblack_service::server::Addresses;

use super::{DemoError, WhileDoing as _};
use pennyblack_http::{HttpClient, HttpOptions, Request, RetryPolicy, ServiceAddress};
use pennyblack_pki::PkiDirectory;

/// The SPC that may draw few tokens, and how many.
pub(super) const SMALL_QUOTA: (&str, u64) = ("1000", 64);

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

    async fn admin_page(&self, path: &str) -> Result<String, DemoError> {
        let admin = self.admin.ok_or(DemoError::Never("the start"))?;
        let client = client()?;
        let request = Request::get(format!("http://{admin}{path}"), 1 << 20);
        let answer = client.send(&request, RetryPolicy::NONE).await;
        let answer = answer.during("asking a service's admin page")?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// SIGKILL: no goodbye, no flush.
    fn kill(&mut self) {
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

/// Issuer and CPS.
pub(super) struct Services {
    issuer: Service,
    cps: Service,
    pub(super) issuer_address: ServiceAddress,
    pub(super) cps_address: ServiceAddress,
}

impl Services {
    /// Starts the issuer and then the CPS.
    pub(super) async fn start(
        directory: &Path,
        tokens: KeyType,
        pki: &PkiDirectory,
    ) -> Result<Self, DemoError> {
        let (issuer_port, cps_port) = (free_port()?, free_port()?);
        let issuer_config = issuer_config(directory, tokens, pki, issuer_port)?;
        let cps_config = cps_config(directory, pki, cps_port, issuer_port)?;
        let mut services = Self {
            issuer: Service::new("issuer", "issuer", directory, &issuer_config)?,
            cps: Service::new("cps", "cps", directory, &cps_config)?,
            issuer_address: address(issuer_port)?,
            cps_address: address(cps_port)?,
        };
        services.issuer.start().await?;
        services.cps.start().await?;
        Ok(services)
    }

    /// Kills the CPS in the middle of whatever it does.
    pub(super) fn kill_cps(&mut self) {
        self.cps.kill();
    }

    /// Starts it again, on what its disk holds.
    pub(super) async fn restart_cps(&mut self) -> Result<(), DemoError> {
        self.cps.start().await
    }

    /// How many tokens the CPS took since it was last started, by its own metrics.
    pub(super) async fn spent(&self) -> Result<u64, DemoError> {
        let text = self.cps.admin_page("/metrics").await?;
        let line = text
            .lines()
            .find(|l| l.starts_with("pennyblack_cps_stored_total"));
        let value = line.and_then(|line| line.rsplit(' ').next());
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// Stops both.
    pub(super) fn stop(&mut self) {
        self.issuer.kill();
        self.cps.kill();
    }
}

pub(super) fn client() -> Result<HttpClient, DemoError> {
    HttpOptions::default()
        .client()
        .during("making an HTTP client")
}

fn address(port: u16) -> Result<ServiceAddress, DemoError> {
    format!("http://127.0.0.1:{port}")
        .parse()
        .during("naming a service")
}

fn free_port() -> Result<u16, DemoError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).during("finding a free port")?;
    let address = listener.local_addr().during("finding a free port")?;
    Ok(address.port())
}

/// Where the issuer keeps its token keys.
pub(super) fn issuer_keys(directory: &Path) -> PathBuf {
    directory.join("issuer").join("keys")
}

fn issuer_config(
    directory: &Path,
    tokens: KeyType,
    pki: &PkiDirectory,
    port: u16,
) -> Result<pennyblack_issuer::Config, DemoError> {
    let mut config = pennyblack_issuer::Config::local(
        authority(port)?,
        directory.join("issuer"),
        pki.roots_path(),
    );
    config.public.listen.set_port(port);
    config.token_keys.token_type = tokens;
    config.trust.revocation_lists = Some(pki.revocation_path());
    config.trust.reload = Duration::from_secs(1);
    let (spc, tokens) = SMALL_QUOTA;
    config
        .quota
        .subject
        .push(pennyblack_issuer::config::SubjectQuota {
            name: format!("spc:{spc}"),
            tokens,
        });
    Ok(config)
}

fn cps_config(
    directory: &Path,
    pki: &PkiDirectory,
    port: u16,
    issuer_port: u16,
) -> Result<pennyblack_cps::Config, DemoError> {
    let issuer = pennyblack_cps::IssuerConfig {
        authority: authority(issuer_port)?,
        url: Some(format!("http://127.0.0.1:{issuer_port}")),
        tls_roots: None,
        // One operator runs both here; of no use to blind RSA.
        voprf_keys: Some(issuer_keys(directory)),
        log: Demand::Required,
        log_key: None,
    };
    let mut config = pennyblack_cps::Config::local(
        authority(port)?,
        directory.join("cps"),
        pki.roots_path(),
        issuer,
    );
    config.public.listen.set_port(port);
    config.trust.revocation_lists = Some(pki.revocation_path());
    Ok(config)
}

fn authority(port: u16) -> Result<pennyblack_base::authority::Authority, DemoError> {
    format!("127.0.0.1:{port}")
        .parse()
        .during("naming a service")
}
