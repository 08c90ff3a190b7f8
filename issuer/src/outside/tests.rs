use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use pennyblack_redis::RedisOptions;
use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_storage::atomic_file;
use tempfile::TempDir;

use super::*;
use crate::Issuer;

/// A configuration that an issuer would start with, and its files.
struct Scene {
    home: TempDir,
    config: Config,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let authority = "issuer.example".parse().unwrap();
        let (data, roots) = (home.path().join("data"), home.path().join("roots"));
        let mut config = Config::local(authority, data, roots);
        config.token_keys.token_type = crate::signer::KeyType::VoprfRistretto255;
        Self { home, config }
    }

    fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.home.path().join(name);
        atomic_file::write_private(&path, contents.as_bytes()).unwrap();
        path
    }

    fn share(&mut self, port: u16) {
        let url = format!("redis://127.0.0.1:{port}").parse().unwrap();
        self.config.store = Some(RedisOptions::new(url));
        let key = self.file("wrapping.key", &"5e".repeat(32));
        self.config.token_keys.wrapping_key = Some(key);
    }

    /// The faults that are found, a line each; a start names them all.
    async fn faults(&self) -> Vec<String> {
        let findings = check(&self.config, &Clock::system()).await;
        let lines: Vec<_> = findings.lines().collect();
        let faults = lines.iter().filter_map(|line| line.strip_prefix("error: "));
        let faults: Vec<_> = faults.map(str::to_owned).collect();
        let started = Issuer::start(self.config.clone(), Clock::system()).await;
        match started {
            Ok(running) => {
                running.stop().await;
                assert_eq!(faults, Vec::<String>::new());
            }
            Err(refused) => {
                let refused = refused.to_string();
                assert!(!faults.is_empty(), "{refused}");
                let is_named = |fault: &String| refused.contains(fault.as_str());
                assert!(faults.iter().all(is_named), "{refused}: {faults:?}");
            }
        }
        faults
    }
}

#[tokio::test]
async fn a_start_and_the_check_refuse_the_same_key_files() {
    let scene = Scene::new();
    assert_eq!(scene.faults().await, Vec::<String>::new());
    let keys = fs::read_dir(scene.config.key_directory()).unwrap();
    let keys: Vec<_> = keys.map(|entry| entry.unwrap().path()).collect();
    let key = keys.first().unwrap();
    fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap();
    let faults = scene.faults().await;
    assert!(
        faults.iter().any(|fault| fault.contains("chmod 600")),
        "{faults:?}"
    );
    atomic_file::write_private(key, b"no key").unwrap();
    let faults = scene.faults().await;
    let name = key.file_name().unwrap().to_str().unwrap();
    assert!(
        faults.iter().any(|fault| fault.contains(name)),
        "{faults:?}"
    );
}

#[tokio::test]
async fn a_start_and_the_check_refuse_the_same_of_what_nodes_share() {
    let mut scene = Scene::new();
    scene.share(1);
    let wrapping = scene.config.token_keys.wrapping_key.clone().unwrap();
    fs::set_permissions(&wrapping, Permissions::from_mode(0o640)).unwrap();
    let faults = scene.faults().await;
    for part in ["store.url", "chmod 600"] {
        assert!(
            faults.iter().any(|fault| fault.contains(part)),
            "{part}: {faults:?}"
        );
    }

    let server = RedisServer::start(Options::in_memory()).await;
    let mut scene = Scene::new();
    scene.share(server.address().port());
    let faults = scene.faults().await;
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains("CONFIG SET appendonly yes")),
        "{faults:?}"
    );
    scene.config.store.as_mut().unwrap().durability = pennyblack_redis::Durability::BestEffort;
    let keys: i64 = server.command("DBSIZE").await;
    let findings = check(&scene.config, &Clock::system()).await;
    assert!(!findings.lines().any(|line| line.starts_with("error")));
    let after: i64 = server.command("DBSIZE").await;
    assert_eq!(keys, after);
}
