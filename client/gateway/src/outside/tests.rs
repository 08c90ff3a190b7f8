use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use pennyblack_client::verification_service::create_mailbox_key;
use pennyblack_runtime::config::TlsConfig;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_service::start::RunningService;
use pennyblack_service::start_error::StartError;
use pennyblack_storage::atomic_file;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::Gateway;
use crate::config::SpcTrust;
use crate::config::sip::SipSide;
use crate::config::tests::example_with;

/// A configuration that a gateway would start with, and be ready as far as a check looks,
/// and its files.
struct Scene {
    home: TempDir,
    config: Config,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let mut config = example_with(&[
            "public.listen=127.0.0.1:0",
            "admin.listen=127.0.0.1:0",
            "sip.sign.listen=[\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]",
        ])
        .unwrap();
        config.trust.roots = at("root.pem");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        fs::write(&config.trust.roots, root.pem()).unwrap();
        config.store.as_mut().unwrap().wallet = at("wallet.db");
        let verify = config.verify.as_mut().unwrap();
        verify.mailboxes = vec![at("office.mailbox")];
        verify.used = at("used");
        create_mailbox_key(&at("office.mailbox"), Kem::DhkemX25519).unwrap();
        config.calls.file = Some(at("calls.jsonl"));
        Self { home, config }
    }

    fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.home.path().join(name);
        atomic_file::write_private(&path, contents.as_bytes()).unwrap();
        path
    }

    fn missing(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn sign(&mut self) -> &mut SipSide {
        self.config.sip.sign.as_mut().unwrap()
    }

    /// What is found, a line each.
    async fn check(&self) -> Vec<String> {
        let findings = check(self.config.clone(), Clock::system()).await;
        findings.lines().collect()
    }

    async fn start(&self) -> Result<RunningService, StartError> {
        let again = self.config.clone();
        let again = Arc::new(move || Ok(again.clone()));
        Gateway::start(self.config.clone(), again, Clock::system()).await
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(self.home.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

fn is_told(lines: &[String], parts: &[&str]) -> bool {
    let holds_all = |line: &String| parts.iter().all(|part| line.contains(part));
    lines.iter().any(holds_all)
}

/// What can be wrong with the files of a configuration, and what is said of it.
type Fault = (fn(&mut Scene), &'static [&'static str]);

const FAULTS: [Fault; 14] = [
    (
        |scene| {
            scene.config.public.tls = Some(TlsConfig {
                certificate: scene.missing("none.pem"),
                key: scene.missing("none.key"),
            });
        },
        &["public.tls.certificate", "none.pem"],
    ),
    (
        |scene| scene.config.trust.roots = scene.missing("roots"),
        &["trust.roots:", "roots"],
    ),
    (
        |scene| scene.config.trust.revocation_lists = Some(scene.file("lists", "no list")),
        &["trust.revocation_lists:", "lists"],
    ),
    (
        |scene| {
            let table = scene.file("table.csv", "spc,first,count\n683G,+1,one\n");
            scene.config.trust.numbering = Some(table);
        },
        &["trust.numbering", "table.csv", "line 2"],
    ),
    (
        |scene| scene.config.verify.as_mut().unwrap().spc = SpcTrust::Table,
        &["verify.spc", "trust.numbering"],
    ),
    (
        |scene| {
            let keys = scene.missing("keys");
            scene.config.http.api_keys = Some(keys);
        },
        &["http.api_keys", "keys", "--new-api-key"],
    ),
    (
        |scene| {
            scene.config.http.api_keys = Some(scene.file("keys", ""));
            scene.config.trunk[0].api_keys = vec!["sbc-1".to_owned()];
        },
        &["trunk.api_keys", "sbc-1", "keys"],
    ),
    (
        |scene| {
            let trunk = &mut scene.config.trunk[0];
            trunk.certificate = Some("/none/chain.pem".into());
            trunk.key = Some("/none/key.pem".into());
            trunk.x5u = Some("https://certificates.example/chain.pem".to_owned());
        },
        &["[[trunk]]", "switch", "/none/chain.pem"],
    ),
    (
        |scene| {
            let numbers = scene.file("numbers", "12155550100\nnumber\n");
            scene.config.trunk[0].orig_numbers = Some(numbers);
        },
        &["[[trunk]]", "numbers", "line 2"],
    ),
    (
        |scene| {
            let more = scene.missing("more.mailbox");
            let verify = scene.config.verify.as_mut().unwrap();
            verify.mailboxes.push(more);
        },
        &["verify.mailboxes", "more.mailbox"],
    ),
    (
        |scene| {
            let wallet = scene.file("open.db", "");
            fs::set_permissions(&wallet, Permissions::from_mode(0o644)).unwrap();
            scene.config.store.as_mut().unwrap().wallet = wallet;
        },
        &["store.wallet", "open.db"],
    ),
    (
        |scene| {
            let used = scene.file("file", "").join("used");
            scene.config.verify.as_mut().unwrap().used = used;
        },
        &["verify.used", "file"],
    ),
    (
        |scene| scene.config.calls.file = Some(scene.missing("logs").join("calls.jsonl")),
        &["calls.file", "No such file"],
    ),
    (
        |scene| {
            scene.sign().listen = vec!["udp:192.0.2.1:5060".to_owned().try_into().unwrap()];
            scene.sign().allow = vec!["192.0.2.0/24".parse().unwrap()];
        },
        &[
            "sip.sign.listen",
            "udp:192.0.2.1:5060",
            "an address of this machine",
        ],
    ),
];

#[tokio::test]
async fn a_good_configuration_leaves_nothing_to_say_and_nothing_changed() {
    let scene = Scene::new();
    let before = scene.files();
    let unsigned = [
        "note: trunk switch has no certificate: its calls that come without an \
                     Identity are not signed",
    ];
    assert_eq!(scene.check().await, unsigned);
    assert_eq!(scene.files(), before);
    // Nor does it say anything of a start's own files.
    scene.start().await.unwrap().stop().await;
    let after = scene.files();
    assert!(after.len() > before.len(), "{after:?}");
    assert_eq!(scene.check().await, unsigned);
    assert_eq!(scene.files(), after);
}

#[tokio::test]
async fn a_file_without_an_api_key_is_a_note_for_it_lets_nobody_in() {
    let mut scene = Scene::new();
    scene.config.http.api_keys = Some(scene.file("keys", "# none yet\n"));
    let lines = scene.check().await;
    let told = ["note: ", "http.api_keys", "no key", "--new-api-key"];
    assert!(is_told(&lines, &told), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.contains("error: ")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn what_a_start_refuses_the_check_refuses_in_the_same_words() {
    for (spoil, parts) in FAULTS {
        let mut scene = Scene::new();
        spoil(&mut scene);
        let before = scene.files();
        let lines = scene.check().await;
        let told = [&["error: "], parts].concat();
        assert!(is_told(&lines, &told), "{parts:?}: {lines:?}");
        assert_eq!(scene.files(), before);
        let refused = [scene.start().await.unwrap_err().to_string()];
        assert!(is_told(&refused, parts), "{parts:?}: {refused:?}");
    }
}

#[tokio::test]
async fn every_fault_is_told_and_not_only_the_first() {
    let mut scene = Scene::new();
    let of_files = [
        FAULTS[1], FAULTS[3], FAULTS[5], FAULTS[8], FAULTS[9], FAULTS[13],
    ];
    for (spoil, _) in of_files {
        spoil(&mut scene);
    }
    let lines = scene.check().await;
    let refused = scene.start().await.unwrap_err().to_string();
    let refused: Vec<_> = refused.lines().map(str::to_owned).collect();
    for (_, parts) in of_files {
        assert!(is_told(&lines, parts), "{parts:?}: {lines:?}");
        assert!(is_told(&refused, parts), "{parts:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_a_note_for_it_may_be_the_gateways_own() {
    let mut scene = Scene::new();
    let public = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.config.public.listen = public.local_addr().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken: SocketAddr = udp.local_addr().unwrap();
    scene.sign().listen = vec![format!("udp:{taken}").try_into().unwrap()];
    let findings = check(scene.config.clone(), Clock::system()).await;
    let lines: Vec<_> = findings.lines().collect();
    assert!(findings.are_good(), "{lines:?}");
    for key in ["public.listen", "sip.sign.listen"] {
        assert!(is_told(&lines, &["note: ", key, "in use"]), "{lines:?}");
    }
    let refused = scene.start().await.unwrap_err().to_string();
    assert!(
        refused.contains("public.listen") && refused.contains("sip.sign.listen"),
        "{refused}"
    );
}
