//! The program itself: its example configuration, its ready line, its end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use pennyblack_service::server::Addresses;

use crate::scene::pki::Pki;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pennyblack-issuer");
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/issuer.example.toml");

/// The example, on free ports and in a directory of the test.
fn example(directory: &std::path::Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(directory)
        .args(["--config", EXAMPLE])
        .args([
            "--set",
            "public.listen=127.0.0.1:0",
            "--set",
            "admin.listen=127.0.0.1:0",
        ]);
    command
}

/// Ends the program even when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_example_runs_announces_itself_and_stops_on_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = example(directory.path());
    command
        .args(["--ready-file", "ready.json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let addresses: Addresses = serde_json::from_str(&line).unwrap();
    let file = std::fs::read_to_string(directory.path().join("ready.json")).unwrap();
    assert_eq!(file, line);

    let path = "/.well-known/private-token-issuer-directory";
    let answer = reqwest::get(format!("http://{}{path}", addresses.public))
        .await
        .unwrap();
    assert!(answer.status().is_success());
    let answer = reqwest::get(format!("http://{}/metrics", addresses.admin))
        .await
        .unwrap();
    assert!(answer.status().is_success());

    let stopped = Command::new("kill")
        .args(["-TERM", &running.0.id().to_string()])
        .status();
    assert!(stopped.unwrap().success());
    assert!(running.0.wait().unwrap().success());
    let mut log = String::new();
    running
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert!(
        log.contains("issuer started") && log.contains("SIGTERM"),
        "{log}"
    );
    assert!(!log.contains("127.0.0.1:0"), "{log}");
}

#[test]
fn a_second_issuer_on_the_same_data_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = example(directory.path());
    let mut running = Running(
        first
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let second = example(directory.path()).output().unwrap();
    assert!(!second.status.success());
    let text = String::from_utf8(second.stderr).unwrap();
    assert!(
        text.contains("issuer.data_directory") && text.contains("in use"),
        "{text}"
    );
}

#[test]
fn check_config_prints_every_key_and_runs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("issuer-data");
    Pki::new().install_root(&data.join("roots"));
    let output = example(directory.path())
        .args(["--check-config", "--set", "quota.tokens=7"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        text.contains("tokens = 7") && text.contains("announce_ahead = \"3h\""),
        "{text}"
    );
    assert_eq!(text_of(&output.stderr), "");
    // Nothing but the roots.
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
}

#[test]
fn check_config_tells_every_fault_and_that_the_service_itself_may_have_the_port() {
    let directory = tempfile::tempdir().unwrap();
    let faults = [
        "public.tls.certificate=none.pem",
        "public.tls.key=none.key",
        "token_keys.wrapping_key=none.hex",
        "store.url=redis://127.0.0.1:1",
    ];
    let mut command = example(directory.path());
    command.arg("--check-config");
    for fault in faults {
        command.args(["--set", fault]);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let said = text_of(&output.stderr);
    for part in [
        "none.pem",
        "token_keys.wrapping_key",
        "store.url",
        "no root certificate",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!directory.path().join("issuer-data").exists());

    Pki::new().install_root(&directory.path().join("issuer-data/roots"));
    let mut running = example(directory.path());
    running.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(running.spawn().unwrap());
    let mut line = String::new();
    let stdout = running.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let addresses: Addresses = serde_json::from_str(&line).unwrap();
    let own_port = format!("public.listen={}", addresses.public);
    let output = example(directory.path())
        .args(["--check-config", "--set", &own_port])
        .output()
        .unwrap();
    let said = text_of(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("note: public.listen") && said.contains("in use"),
        "{said}"
    );
}

fn text_of(output: &[u8]) -> &str {
    str::from_utf8(output).unwrap()
}

#[test]
fn a_wrong_configuration_is_explained_on_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let output = example(directory.path())
        .args(["--set", "token_keys.epoch=1h"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("token_keys.epoch") && text.contains("token_keys.announce_ahead"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}
