//! How much a directory of a hundred thousand records of a hundred signers costs: by hand, with
//! optimised programs and nothing else on the machine (docs/growth.md).

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{KeyLookup, KeySource, OobAuthenticationService};
use pennyblack_client::directory::{Directory, MirroredKeys};
use pennyblack_http::RetryPolicy;
use pennyblack_pki::TnAuthEntry;
use pennyblack_protocol::key_record::{Coverage, KeyRecord};
use pennyblack_runtime::clock::Clock;

use super::scene::*;

const SIGNERS: usize = 100;
const RECORDS_OF_EACH: usize = 1_000;

/// `PENNYBLACK_PROGRAM` names the optimised program.
#[ignore = "by hand, with an optimised program"]
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_records_of_a_hundred_signers() {
    let program = std::env::var("PENNYBLACK_PROGRAM").unwrap();
    let now = Clock::system().now();
    let scene = Scene::set_at(1, now).await;
    let signers = (0..SIGNERS).map(|signer| {
        let numbers = format!("1212{signer:03}0000+{RECORDS_OF_EACH}");
        let name = format!("signer-{signer}");
        scene.holder_of(&name, TnAuthEntry::range(&numbers).unwrap())
    });
    let signers: Vec<_> = signers.collect();
    let records = (0..SIGNERS * RECORDS_OF_EACH).map(|place| {
        let (signer, number) = (place % SIGNERS, place / SIGNERS);
        let number = number_of(signer, number);
        let record = KeyRecord {
            iss: signers[signer].iss().to_owned(),
            ..scene.record(&key(), Coverage::Number(number), 0)
        };
        record.sign(signers[signer].certificate(), signers[signer].key())
    });
    let begin = Instant::now();
    scene.feeds[0].publish(records).await;
    println!("published in {:?}", begin.elapsed());
    sync_by(&program, &scene);
    let file = scene.federation.home().join("by-program.db");
    println!(
        "the file has {} MB",
        fs::metadata(&file).unwrap().len() >> 20
    );
    let directory = Directory::existing(&file).unwrap();
    look_up(&directory, now);
    call(&scene, directory, now).await;
}

fn number_of(signer: usize, place: usize) -> pennyblack_stir::telephone_number::TelephoneNumber {
    number(&format!("1212{signer:03}{place:04}"))
}

/// The program in a process of its own, whose memory is measured while it runs.
fn sync_by(program: &str, scene: &Scene) {
    for round in ["first", "second"] {
        let begin = Instant::now();
        let mut child = Command::new(program)
            .args([
                "directory",
                "sync",
                "--rosters",
                "rosters",
                "--db",
                "by-program.db",
            ])
            .args(["--roots", "pki/roots", "--revocation", "pki/revocation"])
            .args([
                "--cps",
                &format!("cps-0.test=http://{}", scene.feeds[0].address()),
            ])
            .current_dir(scene.federation.home())
            .spawn()
            .unwrap();
        let (path, mut peak) = (format!("/proc/{}/status", child.id()), String::new());
        while child.try_wait().unwrap().is_none() {
            let status = fs::read_to_string(&path).unwrap_or_default();
            if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) {
                line.clone_into(&mut peak);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("{round} round: {:?}, {peak}", begin.elapsed());
        assert!(child.wait().unwrap().success());
    }
}

fn look_up(directory: &Directory, now: UnixTime) {
    const LOOKS: usize = 10_000;
    let begin = Instant::now();
    for look in 0..LOOKS {
        let number = number_of(look * 7 % SIGNERS, look * 13 % RECORDS_OF_EACH);
        let found = directory.records_of(&number, &[], now).unwrap();
        assert_eq!(found.records.len(), 1);
    }
    println!("a look-up in {:?}", begin.elapsed() / 10_000);
}

/// What `call --directory` adds to a call: opening the file, the look-up, and verifying.
async fn call(scene: &Scene, directory: Directory, now: UnixTime) {
    let begin = Instant::now();
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let opened = Directory::existing(directory.path()).unwrap();
    let caller = OobAuthenticationService {
        keys: KeySource::Directory(MirroredKeys::new(&opened, scene.cpss(&[]))),
        ..scene.federation.caller(nowhere, RetryPolicy::NONE).unwrap()
    };
    let found = caller
        .keys_of(&number_of(7, 13), KeyLookup::Number, now)
        .await;
    let found = found.unwrap();
    assert_eq!((found.keys.len(), found.refused.count), (1, 0));
    println!("opened, looked up and verified in {:?}", begin.elapsed());
}
