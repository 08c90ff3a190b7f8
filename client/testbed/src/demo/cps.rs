//! One of the three CPSs: its names, its process, and the door before it. Not here: what came
//! through the door (`sight`).

use std::net::SocketAddr;
use std::path::Path;

use pennyblack_base::authority::Authority;
use pennyblack_cps::{Config, IssuerConfig, ObliviousConfig};
use pennyblack_http::ServiceAddress;
use pennyblack_pki::PkiDirectory;

use super::network::{Door, Host, Kept, Network};
use super::service::{Service, free_address};
use super::{DemoError, WhileDoing as _};

pub(super) const NAMING: &str = "naming a service";

/// What one CPS is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CpsNames {
    /// Its files, and the relay's name for it.
    pub(super) short: &'static str,
    /// Its authority.
    authority: &'static str,
    /// Who runs it.
    pub(super) operator: &'static str,
}

/// The three. Whatever needs one alone has the first.
pub(super) const CPSS: [CpsNames; 3] = [
    FIRST,
    KILLED,
    CpsNames {
        short: "cps-c",
        authority: "cps-c.example",
        operator: "operator-c",
    },
];

/// The first.
pub(super) const FIRST: CpsNames = CpsNames {
    short: "cps-a",
    authority: "cps-a.example",
    operator: "operator-a",
};

/// The one that is killed.
pub(super) const KILLED: CpsNames = CpsNames {
    short: "cps-b",
    authority: "cps-b.example",
    operator: "operator-b",
};

impl CpsNames {
    /// By what others know it.
    pub(super) fn authority(&self) -> Result<Authority, DemoError> {
        self.authority.parse().during(NAMING)
    }

    /// It, at this address.
    fn at(&self, address: SocketAddr) -> Result<ServiceAddress, DemoError> {
        let address = format!("{}=http://{address}", self.authority);
        address.parse().during(NAMING)
    }
}

/// A CPS.
pub(super) struct Cps {
    pub(super) names: &'static CpsNames,
    pub(super) door: Door,
    service: Service,
}

impl Cps {
    /// Writes its configuration. It takes the tokens of `issuer`.
    pub(super) async fn prepare(
        names: &'static CpsNames,
        directory: &Path,
        pki: &PkiDirectory,
        issuer: IssuerConfig,
        network: &Network,
    ) -> Result<Self, DemoError> {
        let listen = free_address()?;
        let (data, roots) = (directory.join(names.short), pki.roots_path());
        let mut config = Config::local(names.authority()?, data, roots, issuer);
        config.public.listen = listen;
        config.trust.revocation_lists = Some(pki.revocation_path());
        config.oblivious = Some(ObliviousConfig::default());
        Ok(Self {
            names,
            door: network.door(listen, Kept::Requests).await?,
            service: Service::new("cps", names.short, directory, &config)?,
        })
    }

    /// It, as it is reached from `host`.
    pub(super) async fn from(
        &self,
        host: Host,
        network: &Network,
    ) -> Result<ServiceAddress, DemoError> {
        self.names.at(network.line(host, self.door.address).await?)
    }

    /// Starts it, on what its disk holds.
    pub(super) async fn start(&mut self) -> Result<(), DemoError> {
        self.service.start().await
    }

    /// Kills it in the middle of whatever it does.
    pub(super) fn kill(&mut self) {
        self.service.kill();
    }

    /// What it shows its operator.
    pub(super) async fn shown(&self) -> Result<Shown, DemoError> {
        let metrics = self.service.admin_page("/metrics").await?;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("pennyblack_cps_stored_total"));
        let value = line.and_then(|line| line.rsplit(' ').next());
        let spent = value.and_then(|value| value.parse().ok()).unwrap_or(0);
        let mut pages = vec![metrics.into_bytes()];
        for path in ["/", "/status.json", "/double-spends.json"] {
            pages.push(self.service.admin_page(path).await?.into_bytes());
        }
        Ok(Shown { spent, pages })
    }
}

/// What a CPS shows its operator.
pub(super) struct Shown {
    /// Tokens that it took since it was last started, by its own metrics.
    pub(super) spent: u64,
    pub(super) pages: Vec<Vec<u8>>,
}
