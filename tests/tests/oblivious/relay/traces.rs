//! What is left of requests: nothing that tells whose they were, what was in them, or when.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pennyblack_base::problem::ProblemType;
use pennyblack_tests::needles::{Needles, all_files};

use super::requests::raw;
use super::scene::{REQUEST, Scene};
use crate::SERVICE;

/// The address of a client that stands out.
const ADDRESS: [u8; 4] = [127, 77, 66, 55];

/// In each body, and in header fields.
const SECRET: &str = "c0ffee5ca1ab1e0ddba11f00d5eed";

/// What must be found nowhere.
fn needles() -> Needles {
    let mut needles = Needles::default();
    let number = u32::from_be_bytes(ADDRESS).to_string();
    for text in ["127.77.66.55", "7f4d4237", "127, 77, 66, 55", &number] {
        needles.add_whole("the client's address", text.as_bytes());
    }
    needles.add("what the client sent", SECRET.as_bytes());
    needles
}

/// One request of each outcome.
async fn every_outcome(scene: &Scene) {
    let client = scene.client(ADDRESS);
    for (what, status) in [
        ("hello", 200),
        ("key 400", 400),
        ("status 503", 503),
        ("status 500", 502),
        ("long", 502),
        ("end", 502),
        ("silence", 504),
    ] {
        let answer = scene.ask(&client, &format!("{what}\n{SECRET}")).await;
        assert_eq!(answer.status, status, "{what}");
    }
    let large = SECRET.repeat(1_000);
    for (path, media, body, status) in [
        ("cps-a", REQUEST, large.as_str(), 413),
        ("cps-a", SECRET, SECRET, 415),
        (SECRET, REQUEST, SECRET, 404),
    ] {
        let url = format!("http://{}/{path}", scene.relay.addresses().public);
        let request = client.post(url).header("content-type", media);
        let request = request.header("x-secret", SECRET).body(body.to_owned());
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    let many = (0..200).map(|_| scene.ask(&client, SECRET));
    let many = futures_util::future::join_all(many).await;
    assert!(many.iter().any(|answer| answer.status == 429));
    let relay = scene.relay.addresses().public;
    for odd in ["CONNECT", "\u{16}\u{3}\u{1}"] {
        raw(
            relay,
            format!("{odd} {SECRET}:443 HTTP/1.1\r\n\r\n").as_bytes(),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_of_requests_at_any_level() {
    let scene = Scene::open(&["log.level=debug", "forward.deadline=2s"]).await;
    let before = scene.said();
    every_outcome(&scene).await;
    let metrics = scene.admin("/metrics").await;
    // Not even that there was one: a line has a time.
    let said = scene.said();
    assert_eq!(
        String::from_utf8_lossy(&said),
        String::from_utf8_lossy(&before)
    );
    let Scene { world, relay, .. } = scene;
    relay.stop().await;
    let left = all_files(&world.path(""));
    let text = String::from_utf8_lossy(&left);
    assert!(text.contains("some answers were not passed on"), "{text}");
    for haystack in [metrics.as_bytes(), &left] {
        assert!(needles().found_in(haystack).is_empty());
    }
}

#[test]
fn the_search_finds_what_is_planted() {
    for planted in [
        "client=127.77.66.55 asked".to_owned(),
        format!(r#"{{"body": "{}"}}"#, &SECRET[4..20]),
        hex::encode(ADDRESS),
    ] {
        let found = needles().found_in(planted.as_bytes());
        assert_eq!(found.len(), 1, "{planted}");
    }
}

/// The files that a process has open for writing.
fn written_by(process: &str) -> BTreeSet<PathBuf> {
    let process = Path::new("/proc").join(process);
    let mut written = BTreeSet::new();
    for entry in fs::read_dir(process.join("fd")).unwrap() {
        let name = entry.unwrap().file_name();
        let Ok(target) = fs::read_link(process.join("fd").join(&name)) else {
            continue;
        };
        let info = fs::read_to_string(process.join("fdinfo").join(&name)).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        // O_WRONLY, O_RDWR.
        if flags & 3 != 0 && target.is_absolute() && !target.starts_with("/dev") {
            written.insert(target);
        }
    }
    written
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_is_written() {
    let empty = tempfile::tempdir().unwrap();
    let mut command = Command::new(SERVICE);
    command.current_dir(empty.path());
    for variable in ["HOME", "TMPDIR", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
        command.env(variable, empty.path());
    }
    let scene = Scene::open_with(command, &["forward.deadline=2s"]).await;
    every_outcome(&scene).await;
    // Not what it has from this test, nor where its standard output and standard error go.
    let mut written = written_by(&scene.relay.id().to_string());
    for given in written_by("self") {
        written.remove(&given);
    }
    let names: Vec<_> = written.iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(names, ["relay.err", "relay.out"]);
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_gateway_of_no_name_says_no_more_than_that() {
    let scene = Scene::open(&[]).await;
    let url = format!("http://{}/{SECRET}", scene.relay.addresses().public);
    let request = scene.world.client.post(url).header("content-type", REQUEST);
    let answer = pennyblack_tests::answer::Answer::to(request).await.unwrap();
    assert_eq!(answer.problem(), ProblemType::NotFound);
    assert!(!String::from_utf8(answer.body).unwrap().contains(SECRET));
}
