//! Whether the services speak TLS, and how they are reached then.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pennyblack_http::{HttpOptions, TrustRoots};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::TlsConfig;

use super::{World, client};

impl World {
    /// One whose services speak TLS.
    #[must_use]
    pub fn with_tls(clock: Clock) -> Self {
        let mut world = Self::new(clock);
        let (tls, authority) = certificate(world.home.path());
        world.issuer.public.tls = Some(tls.clone());
        world.cps.public.tls = Some(tls);
        for issuer in &mut world.cps.issuer {
            issuer.url = Some(format!("https://{}", issuer.authority));
            issuer.tls_roots = Some(authority.clone());
        }
        let pem = fs::read(&authority).unwrap();
        let trusted = reqwest::Certificate::from_pem(&pem).unwrap();
        world.client = client().add_root_certificate(trusted).build().unwrap();
        world.authority = Some(authority);
        world
    }

    /// The certification authority of the services, if they speak TLS.
    #[must_use]
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// How the services are reached.
    #[must_use]
    pub fn http_options(&self) -> HttpOptions {
        HttpOptions {
            trust_roots: TrustRoots::system_and(self.authority.clone()),
            ..HttpOptions::default()
        }
    }

    /// The URL of the service with this name.
    #[must_use]
    pub fn url_of(&self, name: &str) -> String {
        match self.authority {
            Some(_) => format!("https://{name}"),
            None => format!("http://{name}"),
        }
    }
}

/// A certificate for services of this machine, which vouches for itself.
fn certificate(home: &Path) -> (TlsConfig, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (home.join("tls.pem"), home.join("tls.key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let tls = TlsConfig {
        certificate: certificate.clone(),
        key,
    };
    (tls, certificate)
}
