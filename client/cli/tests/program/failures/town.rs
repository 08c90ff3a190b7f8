//! Everything that the rows name: services that work, services that do not, and files that
//! are in order or not.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pennyblack_client::wallet::Wallet;
use pennyblack_cps::config::IssuerConfig as TakenIssuer;
use pennyblack_cps::{AcceptedTokens, Config as CpsConfig, Cps};
use pennyblack_evidence::key_log_view::Demand;
use pennyblack_http::{HttpOptions, Request, RetryPolicy};
use pennyblack_issuer::{Config as IssuerConfig, Issuer};
use pennyblack_logserver::TransparencyLog;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, RevocationReason, TnAuthEntry};
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::TlsConfig;
use pennyblack_service::start::RunningService;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{Cosigner, NoteSigner};
use rusqlite::Connection;

use super::run;
use crate::terminal::{CALLED, HOUR, Scene, answer, cps_with, now, record_in, record_list, serve};

/// Tokens that the issuer gives to a subject.
const QUOTA: u64 = 64;
const CPS: &str = "cps.test";
const ISSUER: &str = "issuer.test";
const DAY: Duration = Duration::from_secs(86_400);

/// The scene of all rows.
pub(super) struct Town {
    scene: Scene,
    names: BTreeMap<&'static str, String>,
    services: Vec<RunningService>,
    /// Takes connections, and never answers.
    _silent: TcpListener,
}

impl Town {
    pub(super) async fn build() -> Self {
        let scene = Scene::new();
        let home = scene.home.path().to_owned();
        make_files(&scene);
        let issuer = start_issuer(&home, "issuer").await;
        let twin = start_issuer(&home, "twin").await;
        let cps = start_cps(&home, "cps", &issuer, None).await;
        let tls = TlsConfig {
            certificate: home.join("pki/issued/office.pem"),
            key: home.join("pki/issued/office.key"),
        };
        let secure = start_cps(&home, "secure", &issuer, Some(tls)).await;
        let port = |service: &RunningService| service.addresses().public.port();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent_port = silent.local_addr().unwrap().port();
        let named = |name: &str, service| format!("{name}=http://127.0.0.1:{}", port(service));
        let full = full_cps(&scene);
        let names = BTreeMap::from([
            ("cps", named(CPS, &cps)),
            ("issuer", named(ISSUER, &issuer)),
            ("twin", named(ISSUER, &twin)),
            ("nobody", format!("http://localhost:{}", free_port())),
            ("silent", format!("http://localhost:{silent_port}")),
            ("tls", format!("https://localhost:{}", port(&secure))),
            ("untls", format!("http://localhost:{}", port(&secure))),
            ("plain", format!("https://127.0.0.1:{}", port(&cps))),
            ("ahead", cps_ahead(&scene)),
            ("full", full.clone()),
            ("fullname", full.replace("http://", "")),
            ("witness", witness_key()),
            ("provider", cps_of_a_provider(&scene)),
            ("log", home.join("cps/log/public").display().to_string()),
            ("logkey", log_key(port(&cps)).await),
            ("otherkey", log_key(port(&issuer)).await),
            (
                "twinlog",
                home.join("twin/log/public").display().to_string(),
            ),
            ("twinlogkey", log_key(port(&twin)).await),
            (
                "otherlog",
                home.join("other-log/public").display().to_string(),
            ),
            ("otherlogkey", make_log(&home.join("other-log"))),
            ("call", call()),
            ("verify", verify()),
            ("register", register()),
            ("draw", draw()),
        ]);
        let town = Self {
            scene,
            names,
            services: vec![issuer, twin, cps, secure],
            _silent: silent,
        };
        tokio::task::spawn_blocking(move || {
            town.fill();
            town
        })
        .await
        .unwrap()
    }

    pub(super) fn home(&self) -> &Path {
        self.scene.home.path()
    }

    /// A line of the table with these names filled in. Of an option that is given twice the
    /// last one counts.
    pub(super) fn filled(&self, line: &str) -> String {
        let names = self.names.iter();
        let line = names.fold(line.to_owned(), |line, (name, value)| {
            line.replace(&format!("{{{name}}}"), value)
        });
        last_of_each(&line)
    }

    /// Draws tokens, and registers the mailbox.
    fn fill(&self) {
        for line in [
            "{draw} --issuer={issuer} --wallet=wallet.db",
            "{draw} --issuer={issuer} --wallet=known.db",
            "{draw} --issuer={issuer} --wallet=more.db --cps={fullname}",
            "mailbox create --mailbox-key=office.mailbox",
            "mailbox create --mailbox-key=lonely.mailbox",
            "{register} --cps={cps}",
        ] {
            let output = run(self.home(), &self.filled(line), &[]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{line}: {said}");
        }
        // Beside this one nothing says where else the mailbox is.
        let [office, polled] = ["office", "polled"].map(|name| format!("{name}.mailbox"));
        fs::copy(self.home().join(office), self.home().join(polled)).unwrap();
    }

    pub(super) async fn end(self) {
        for service in self.services {
            service.stop().await;
        }
    }
}

/// clap refuses an option that is given twice, so only the last one is passed on.
fn last_of_each(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let name = |word: &str| {
        word.split_once('=')
            .map_or(word, |(name, _)| name)
            .to_owned()
    };
    let is_repeated = |at: usize, word: &&str| {
        let later = words.get(at + 1..).unwrap_or_default();
        word.starts_with("--") && later.iter().any(|next| name(next) == name(word))
    };
    let words = words.iter().enumerate();
    let words = words.filter(|(at, word)| !is_repeated(*at, word));
    words.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

const IDENTITY: &str = "--cert=pki/issued/office.pem --key=pki/issued/office.key";

fn call() -> String {
    format!(
        "call --wallet=wallet.db --roots=pki/roots --orig={CALLED} --dest={CALLED} {IDENTITY} \
         --x5u=https://certs.example/office.pem --minimum-age=0"
    )
}

fn verify() -> String {
    format!(
        "verify --mailbox-key=polled.mailbox --roots=pki/roots --certificates=pki/issued \
         --orig={CALLED} --dest={CALLED}"
    )
}

fn register() -> String {
    format!("mailbox register --mailbox-key=office.mailbox {IDENTITY} --tn={CALLED}")
}

fn draw() -> String {
    format!("carrier draw {IDENTITY} --cps={CPS} --batch=16")
}

fn make_files(scene: &Scene) {
    let at = |name: &str| scene.home.path().join(name);
    let (mut pki, names) = (PkiDirectory::open(&at("pki")).unwrap(), CaNames::default());
    let request = |entry| LeafRequest::new(vec![entry]);
    let number = request(TnAuthEntry::one(CALLED).unwrap());
    let long_ago = pennyblack_base::time::UnixTime(now().0 - 2 * 365 * DAY.as_secs());
    pki.issue("ended", &number, None, long_ago).unwrap();
    let provider = request(TnAuthEntry::spc("683G").unwrap());
    pki.issue("provider", &provider, None, now()).unwrap();
    pki.issue("withdrawn", &number, None, now()).unwrap();
    let reason = RevocationReason::KeyCompromise;
    pki.revoke("withdrawn", reason, DAY, now()).unwrap();
    PkiDirectory::init(&at("other"), &names, DAY, now()).unwrap();
    for wallet in ["empty.db", "open.db", "later.db"] {
        drop(Wallet::open(&at(wallet)).unwrap());
    }
    fs::set_permissions(at("open.db"), fs::Permissions::from_mode(0o644)).unwrap();
    let later = Connection::open(at("later.db")).unwrap();
    later.pragma_update(None, "user_version", 99).unwrap();
    let national = "spc,first,count\n683G,2155550100,10\n";
    fs::write(at("national.csv"), national).unwrap();
    let garbage = at("garbage");
    fs::write(&garbage, "this is something else\n".repeat(100)).unwrap();
    fs::set_permissions(&garbage, fs::Permissions::from_mode(0o600)).unwrap();
}

async fn start_issuer(home: &Path, name: &str) -> RunningService {
    let (data, roots) = (home.join(name), home.join("pki/roots"));
    let mut config = IssuerConfig::local(ISSUER.parse().unwrap(), data, roots);
    config.quota.tokens = QUOTA;
    Issuer::start(config, Clock::system()).await.unwrap()
}

async fn start_cps(
    home: &Path,
    name: &str,
    issuer: &RunningService,
    tls: Option<TlsConfig>,
) -> RunningService {
    let issuer = TakenIssuer {
        authority: ISSUER.parse().unwrap(),
        url: Some(format!("http://{}", issuer.addresses().public)),
        tls_roots: None,
        voprf_keys: None,
        log: Demand::Published,
        log_key: None,
        tokens: AcceptedTokens::Own,
    };
    let (data, roots): (PathBuf, PathBuf) = (home.join(name), home.join("pki/roots"));
    let mut config = CpsConfig::local(CPS.parse().unwrap(), data, roots, issuer);
    config.public.tls = tls;
    Cps::start(config, Clock::system()).await.unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

async fn log_key(port: u16) -> String {
    let client = HttpOptions::default().client().unwrap();
    let request = Request::get(format!("http://127.0.0.1:{port}/log/key"), 1024);
    let answer = client.send(&request, RetryPolicy::SHORT).await.unwrap();
    String::from_utf8_lossy(&answer.body).trim().to_owned()
}

/// The log of an issuer that this CPS has nothing to do with; its key.
fn make_log(directory: &Path) -> String {
    let name = "other.test/log".parse().unwrap();
    let log = TransparencyLog::open(directory, &name, |_, _| ()).unwrap();
    log.verifier().to_string()
}

/// The key of a witness that has cosigned nothing.
fn witness_key() -> String {
    let name = "witness.test".parse().unwrap();
    let signer = NoteSigner::generate(name, SignatureType::CosignatureV1, &mut rand::rng());
    Cosigner::new(signer).unwrap().verifier().to_string()
}

/// A CPS by whose clock it is two hours later.
fn cps_ahead(scene: &Scene) -> String {
    let theirs = now().plus(2 * HOUR);
    let record = scene.record_by("office", theirs, "https://cps.test");
    cps_with(theirs, vec![record])
}

/// A CPS with a key by a provider, whose numbers no table here names.
fn cps_of_a_provider(scene: &Scene) -> String {
    let record = scene.record_by("provider", now(), "https://cps.test");
    cps_with(now(), vec![record])
}

/// A CPS that takes no stores now.
fn full_cps(scene: &Scene) -> String {
    let home = scene.home.path().to_owned();
    serve(move |path, own| match path.starts_with("/v1/keys") {
        true => record_list(now(), vec![record_in(&home, "office", now(), own)]),
        false => answer(
            "429 Too Many Requests",
            "content-type: application/problem+json\r\n",
            r#"{"type":"urn:pennyblack:problem:overloaded","title":"Too many","status":429}"#,
        ),
    })
}
