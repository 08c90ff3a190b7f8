use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use pennyblack_redis::RedisOptions;
use pennyblack_runtime::config::TlsConfig;
use pennyblack_storage::atomic_file;
use pennyblack_storage::disk::RealDisk;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::Cps;
use crate::config::WitnessConfig;
use crate::config::tests::example_with;

/// A configuration that a CPS would start with, and be ready, and its files.
struct Scene {
    home: TempDir,
    config: Config,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut config =
            example_with(&["public.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0"]).unwrap();
        config.cps.data_directory = home.path().join("data");
        config.trust.roots = home.path().join("roots");
        fs::create_dir(&config.trust.roots).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        fs::write(config.trust.roots.join("root.pem"), root.pem()).unwrap();
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

    /// Certificate and key of TLS.
    fn tls(&self) -> TlsConfig {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        TlsConfig {
            certificate: self.file("chain.pem", &made.cert.pem()),
            key: self.file("key.pem", &made.signing_key.serialize_pem()),
        }
    }

    fn redis(&self) -> RedisOptions {
        // Nobody listens there.
        RedisOptions::new("redis://127.0.0.1:1".parse().unwrap())
    }

    /// What is found, a line each.
    async fn check(&self) -> Vec<String> {
        let findings = check(&self.config, &Clock::system()).await;
        findings.lines().collect()
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut directories = vec![self.home.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path.clone());
                }
                found.insert(path);
            }
        }
        found
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
                ..scene.tls()
            });
        },
        &["public.tls.certificate", "none.pem"],
    ),
    (
        |scene| {
            scene.config.public.tls = Some(TlsConfig {
                key: scene.file("half.pem", "-----BEGIN PRIVATE KEY-----\nMC4"),
                ..scene.tls()
            });
        },
        &["public.tls.key", "half.pem"],
    ),
    (
        |scene| {
            let tls = scene.tls();
            fs::set_permissions(&tls.key, Permissions::from_mode(0o644)).unwrap();
            scene.config.public.tls = Some(tls);
        },
        &["public.tls.key", "key.pem", "chmod 640"],
    ),
    (
        |scene| {
            let other = scene.tls().key;
            fs::rename(&other, scene.missing("other.pem")).unwrap();
            scene.config.public.tls = Some(TlsConfig {
                key: scene.missing("other.pem"),
                ..scene.tls()
            });
        },
        &["public.tls", "check that the key belongs to"],
    ),
    (
        |scene| {
            scene.config.key_records.numbering_table = Some(scene.missing("none.csv"));
        },
        &["key_records.numbering_table", "none.csv"],
    ),
    (
        |scene| {
            let table = scene.file("table.csv", "spc,first,count\n683G,+1,one\n");
            scene.config.key_records.numbering_table = Some(table);
        },
        &["key_records.numbering_table", "table.csv", "line 2"],
    ),
    (
        |scene| {
            let issuer = scene.config.issuer.first_mut().unwrap();
            issuer.tls_roots = Some(scene.home.path().join("none.pem"));
        },
        &["issuer.tls_roots", "none.pem"],
    ),
    (
        |scene| {
            let mut redis = scene.redis();
            redis.password_file = Some(scene.missing("password"));
            scene.config.store = Some(redis);
        },
        &["store.password_file", "password"],
    ),
    (
        |scene| {
            let mut redis = RedisOptions::new("rediss://127.0.0.1:1".parse().unwrap());
            redis.ca_file = Some(scene.file("ca.pem", "no certificate"));
            scene.config.store = Some(redis);
        },
        &["store.ca_file", "ca.pem"],
    ),
    (
        |scene| {
            scene.config.store = Some(scene.redis());
            scene.config.transparency_log.leader = Some("https://cps-1.example".to_owned());
            scene.config.transparency_log.tls_roots = Some(scene.missing("nodes.pem"));
        },
        &["transparency_log.tls_roots", "nodes.pem"],
    ),
    (
        |scene| {
            scene.config.store = Some(scene.redis());
            fs::create_dir_all(scene.config.embedded_directory()).unwrap();
        },
        &["--move-store-to-redis"],
    ),
    (
        |scene| {
            let file = scene.file("file", "");
            scene.config.cps.data_directory = file.join("data");
        },
        &["file"],
    ),
    (
        |scene| {
            let file = scene.file("file", "");
            scene.config.trust.revocation_lists = Some(file);
        },
        &["[trust]", "file"],
    ),
    (
        |scene| {
            let key = "witness.example+25db40ab+BFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhY";
            scene.config.witness.push(WitnessConfig {
                url: "https://witness.example".to_owned(),
                key: key.to_owned(),
                tls_roots: Some(scene.home.path().join("none.pem")),
            });
        },
        &["witness.tls_roots", "none.pem"],
    ),
];

#[tokio::test]
async fn a_good_configuration_leaves_nothing_to_say_and_nothing_changed() {
    let mut scene = Scene::new();
    scene.config.public.tls = Some(scene.tls());
    let before = scene.files();
    assert_eq!(scene.check().await, Vec::<String>::new());
    assert_eq!(scene.files(), before);
    // Nor does it say anything of a start's own files.
    let running = Cps::start(scene.config.clone(), Clock::system()).await;
    running.unwrap().stop().await;
    let before = scene.files();
    assert_eq!(scene.check().await, Vec::<String>::new());
    assert_eq!(scene.files(), before);
}

#[tokio::test]
async fn what_a_start_refuses_the_check_refuses_in_the_same_words() {
    for (spoil, parts) in FAULTS {
        let mut scene = Scene::new();
        spoil(&mut scene);
        let before = scene.files();
        let lines = scene.check().await;
        assert!(
            is_told(&lines, &[&["error: "], parts].concat()),
            "{parts:?}: {lines:?}"
        );
        assert_eq!(scene.files(), before);
        let started = Cps::start(scene.config.clone(), Clock::system()).await;
        let refused = [started.unwrap_err().to_string()];
        assert!(is_told(&refused, parts), "{parts:?}: {refused:?}");
    }
}

#[tokio::test]
async fn every_fault_is_told_and_not_only_the_first() {
    let mut scene = Scene::new();
    let of_files = [FAULTS[0], FAULTS[5], FAULTS[6], FAULTS[9]];
    for (spoil, _) in of_files {
        spoil(&mut scene);
    }
    let lines = scene.check().await;
    for (_, parts) in of_files {
        assert!(is_told(&lines, parts), "{parts:?}: {lines:?}");
    }
    // Beside what a start would wait for.
    assert!(is_told(&lines, &["not ready: store.url"]), "{lines:?}");
    let started = Cps::start(scene.config.clone(), Clock::system()).await;
    let refused = [started.unwrap_err().to_string()];
    for (_, parts) in of_files {
        assert!(is_told(&refused, parts), "{parts:?}: {refused:?}");
    }
}

#[tokio::test]
async fn what_keeps_a_service_from_being_ready_is_told_as_such() {
    let mut scene = Scene::new();
    fs::remove_dir_all(&scene.config.trust.roots).unwrap();
    scene.config.trust.revocation_lists = Some(scene.missing("lists"));
    let before = scene.files();
    let lines = scene.check().await;
    assert!(
        is_told(&lines, &["not ready: trust", "no root certificate"]),
        "{lines:?}"
    );
    assert_eq!(scene.files(), before);

    let mut scene = Scene::new();
    let issuer = scene.config.issuer.first_mut().unwrap();
    issuer.voprf_keys = Some(scene.home.path().join("keys"));
    scene.config.trust.revocation_lists = Some(scene.missing("lists"));
    fs::create_dir(scene.missing("lists")).unwrap();
    fs::write(scene.missing("lists/odd.crl"), "no list").unwrap();
    let lines = scene.check().await;
    for parts in [
        ["not ready: trust", "no revocation list"],
        ["note: trust", "odd.crl"],
        ["not ready: issuer.voprf_keys", "keys"],
    ] {
        assert!(is_told(&lines, &parts), "{parts:?}: {lines:?}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_a_fault_unless_the_service_itself_runs() {
    let mut scene = Scene::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    scene.config.public.listen = taken.local_addr().unwrap();
    let lines = scene.check().await;
    assert!(
        is_told(&lines, &["error: ", "public.listen", "in use"]),
        "{lines:?}"
    );
    let refused = Cps::start(scene.config.clone(), Clock::system()).await;
    assert!(refused.unwrap_err().to_string().contains("public.listen"));

    let disk = RealDisk::open(&scene.config.embedded_directory()).unwrap();
    let findings = check(&scene.config, &Clock::system()).await;
    let lines: Vec<_> = findings.lines().collect();
    assert!(findings.are_good(), "{lines:?}");
    assert!(
        is_told(&lines, &["note: ", "public.listen", "in use"]),
        "{lines:?}"
    );
    assert!(is_told(&lines, &["note: ", "data", "in use"]), "{lines:?}");
    // Any other fault of an address is one all the same.
    scene.config.public.listen = "192.0.2.1:1".parse().unwrap();
    scene.config.public.behind_proxy = true;
    let lines = scene.check().await;
    assert!(is_told(
        &lines,
        &["error: ", "public.listen", "an address of this machine"]
    ));
    drop(disk);
}
