//! A carrier whose certificate is revoked draws no tokens, whatever becomes of the files
//! by which the issuer knows: a name in another form, an older list put back, a broken
//! file beside the others. And a root that is taken away is gone.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_client::carrier::{Carrier, CarrierError};
use pennyblack_client::wallet::Wallet;
use pennyblack_http::{HttpError, HttpOptions, RetryPolicy};
use pennyblack_issuer::{Config, Issuer};
use pennyblack_pki::{PkiDirectory, RevocationReason};
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_service::start::RunningService;
use pennyblack_stir::test_lists::{IndirectList, in_another_form, issuer_and_serial, subject};
use pennyblack_tests::federation::{Federation, cps_name, issuer_name};

const NOW: UnixTime = UnixTime(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// How long the issuer may take to read its directories again once it is time.
const PATIENCE: Duration = Duration::from_secs(60);

const NO_RETRY: RetryPolicy = RetryPolicy {
    retries: 0,
    longest_pause: Duration::ZERO,
    within: None,
};

/// An issuer with directories of its own for roots and lists.
struct Scene {
    federation: Federation,
    hand: ClockHand,
    config: Config,
    running: Option<RunningService>,
}

impl Scene {
    async fn open() -> Self {
        let (clock, hand) = Clock::by_hand(NOW);
        let federation = Federation::found(clock).unwrap();
        let home = federation.home();
        let (data, roots) = (home.join("issuer"), home.join("roots"));
        let mut config = Config::local(issuer_name().unwrap(), data, roots);
        config.trust.revocation_lists = Some(home.join("lists"));
        config.quota.tokens = 100_000;
        let mut scene = Self {
            federation,
            hand,
            config,
            running: None,
        };
        for directory in ["roots", "lists"] {
            fs::create_dir(scene.path(directory)).unwrap();
        }
        let root = scene.federation.pki().join("roots/root.pem");
        fs::copy(root, scene.path("roots/root.pem")).unwrap();
        scene.put("lists/list.crl", &scene.published());
        scene.start().await;
        scene
    }

    async fn start(&mut self) {
        let clock = self.federation.clock().clone();
        let issuer = Issuer::start(self.config.clone(), clock).await;
        self.running = Some(issuer.unwrap());
    }

    async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.federation.home().join(name)
    }

    fn put(&self, name: &str, contents: &[u8]) {
        fs::write(self.path(name), contents).unwrap();
    }

    /// The list that the authority has published last.
    fn published(&self) -> Vec<u8> {
        fs::read(self.federation.pki().join("revocation/sti-pa.crl")).unwrap()
    }

    /// The authority revokes the carrier's certificate.
    fn revoke(&self) {
        let mut pki = PkiDirectory::open(&self.federation.pki()).unwrap();
        let reason = RevocationReason::KeyCompromise;
        pki.revoke("carrier", reason, WEEK, NOW).unwrap();
    }

    fn carrier(&self) -> Carrier {
        let address = self.running.as_ref().unwrap().addresses().public;
        self.federation.carrier(address, 1, NO_RETRY).unwrap()
    }

    async fn draw(&self) -> Result<(), ProblemType> {
        let wallet = Wallet::open(&self.path("wallet.db")).unwrap();
        let client = HttpOptions::default().client().unwrap();
        let drawn = self
            .carrier()
            .draw(&client, &wallet, &cps_name().unwrap(), NOW)
            .await;
        drawn.map(drop).map_err(|error| match &error {
            CarrierError::Http(HttpError::Refused(refused)) => refused.kind().unwrap(),
            _ => panic!("{error}"),
        })
    }

    /// Runs the issuer's program with `--accept-older-lists`; whether it succeeded, and
    /// what it said.
    fn accept_older_lists(&self) -> (bool, String) {
        let config = toml::to_string(&self.config).unwrap();
        self.put("issuer.toml", config.as_bytes());
        let mut command = Command::new(env!("CARGO_BIN_EXE_service"));
        command.args(["issuer", "--accept-older-lists", "--config"]);
        let output = command.arg(self.path("issuer.toml")).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.success(), said)
    }

    /// Lets the issuer read its directories again, and draws until that ends as wanted.
    async fn until(&self, wanted: Result<(), ProblemType>) {
        self.hand.advance(MINUTE);
        let drawn = async { while self.draw().await != wanted {} };
        let drawn = tokio::time::timeout(PATIENCE, drawn).await;
        assert!(drawn.is_ok(), "never {wanted:?}");
    }

    /// Lets the issuer read its directories again, and waits until it says so.
    async fn until_it_says(&self, wanted: &str) {
        self.hand.advance(MINUTE);
        let address = self.running.as_ref().unwrap().addresses().admin;
        let url = format!("http://{address}/readyz");
        let said = async {
            loop {
                let answer = reqwest::get(&url).await.unwrap().text().await.unwrap();
                if answer.contains(wanted) {
                    return;
                }
            }
        };
        let said = tokio::time::timeout(PATIENCE, said).await;
        assert!(said.is_ok(), "it never said {wanted:?}");
    }
}

const REVOKED: Result<(), ProblemType> = Err(ProblemType::CertificateRevoked);
const UNTRUSTED: Result<(), ProblemType> = Err(ProblemType::CertificateUntrusted);
const UNTOLD: Result<(), ProblemType> = Err(ProblemType::RevocationUnavailable);

#[tokio::test]
async fn a_list_that_writes_the_authoritys_name_in_another_form_revokes() {
    let mut scene = Scene::open().await;
    assert_eq!(scene.draw().await, Ok(()));
    let pki = scene.federation.pki();
    let credential = PkiDirectory::open(&pki).unwrap();
    let credential = credential.credential("carrier").unwrap();
    let (issuer, serial) = issuer_and_serial(&credential.path()[0]);
    let signer = fs::read(pki.join("crl-signer.pem")).unwrap();
    let signer_der = pennyblack_stir::certificates_of_file(&signer).unwrap();
    let list = IndirectList {
        issuer: subject(&signer_der[0]),
        this_update: NOW,
        number: 100,
        revoked: vec![(in_another_form(&issuer), serial)],
    };
    let list = list.sign(&fs::read_to_string(pki.join("crl-signer.key")).unwrap());
    // The signer's certificate is in the PEM file of a list, and this one is in DER.
    scene.put("roots/crl-signer.pem", &signer);
    scene.put("lists/list.crl", &list);
    scene.until(REVOKED).await;
    scene.stop().await;
}

#[tokio::test]
async fn an_older_list_that_is_put_back_lets_no_revoked_carrier_draw_again() {
    let mut scene = Scene::open().await;
    let before = scene.published();
    scene.revoke();
    scene.put("lists/list.crl", &scene.published());
    scene.until(REVOKED).await;
    scene.put("lists/list.crl", &before);
    scene.until_it_says("--accept-older-lists").await;
    assert_eq!(scene.draw().await, REVOKED);
    scene.restart().await;
    assert_eq!(scene.draw().await, UNTOLD);
    // The current one is fetched again.
    scene.put("lists/list.crl", &scene.published());
    scene.until(REVOKED).await;
    scene.stop().await;
}

#[tokio::test]
async fn the_operator_goes_back_to_an_older_list_while_the_service_is_down() {
    let mut scene = Scene::open().await;
    let before = scene.published();
    scene.revoke();
    scene.put("lists/list.crl", &scene.published());
    scene.until(REVOKED).await;
    scene.put("lists/list.crl", &before);
    let (accepted, said) = scene.accept_older_lists();
    assert!(
        !accepted && said.contains("in use by another process"),
        "{said}"
    );
    scene.stop().await;
    let (accepted, said) = scene.accept_older_lists();
    assert!(accepted, "{said}");
    scene.start().await;
    assert_eq!(scene.draw().await, Ok(()));
    scene.stop().await;
}

#[tokio::test]
async fn a_broken_file_keeps_neither_a_revocation_nor_the_removal_of_a_root_from_effect() {
    let mut scene = Scene::open().await;
    assert_eq!(scene.draw().await, Ok(()));
    scene.put("lists/broken.crl", b"-----BEGIN X509 CRL-----\ncut");
    scene.put("roots/broken.pem", b"-----BEGIN CERTIFICATE-----\ncut");
    scene.revoke();
    scene.put("lists/list.crl", &scene.published());
    scene.until(REVOKED).await;
    // Both were read by then, and stop nothing else.
    scene.until_it_says("ready\n").await;
    fs::remove_file(scene.path("roots/root.pem")).unwrap();
    scene.until(UNTRUSTED).await;
    scene.stop().await;
}
