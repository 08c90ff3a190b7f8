//! Schemathesis against the services: requests that it derives from the descriptions, good
//! ones and bad ones, and each answer held against them (tests/schemathesis).

use std::process::Command;

use pennyblack_protocol::key_record::{KEYS_PATH, KeyRecordList};
use pennyblack_tests::gateway_scene::CALLED;
use pennyblack_tests::record_feed::hash_of;
use serde_json::{Value, json};

use super::description::SERVICES;
use super::services::Services;

const HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis");

/// What `tests/schemathesis/run` installs.
const PROGRAM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/schemathesis/bin/schemathesis"
);

/// Values of parameters that exist, by the parameters' names.
async fn existing(services: &Services) -> Value {
    let answer = services.world.get(&format!("{KEYS_PATH}/{CALLED}")).await;
    let list: KeyRecordList = serde_json::from_slice(answer.content()).unwrap();
    let record = list.records[0].as_str();
    json!({
        "mailbox": services.mailbox.to_string(),
        "number": CALLED,
        "hash": hash_of(record),
        "gateway": "cps",
        "sequence": "1",
        "path": "0/000.p/1",
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Schemathesis, which tests/schemathesis/run installs"]
async fn no_answer_is_other_than_it_is_described() {
    let services = Services::start().await;
    let existing = existing(&services).await.to_string();
    let mut failed = Vec::new();
    for service in SERVICES {
        let mut command = Command::new(PROGRAM);
        command
            .current_dir(HOME)
            .arg("run")
            .arg(super::description::file_of(service))
            .args(["--url", &services.url_of(service)])
            .env("PENNYBLACK_EXISTING", &existing)
            .args(["--warnings", "off"])
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let status = tokio::task::spawn_blocking(move || command.status());
        let status = status.await.unwrap();
        let status = status.unwrap_or_else(|error| panic!("{PROGRAM}: {error}"));
        if !status.success() {
            failed.push(service);
        }
    }
    services.stop().await;
    assert!(failed.is_empty(), "{failed:?}");
}
