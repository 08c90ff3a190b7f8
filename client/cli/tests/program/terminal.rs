//! What the program `pennyblack` says when something is wrong: the file, the option
//! or the clock, and what would be right; and with which exit code.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use pennyblack_base::time::UnixTime;
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::wallet::Wallet;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_privacypass::directory;
use pennyblack_protocol::key_record::{
    Coverage, KEY_RECORD_LIST_MEDIA_TYPE, KeyRecord, KeyRecordList, Placement,
};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use tempfile::TempDir;

pub(crate) const FAILED: i32 = 1;
pub(crate) const NETWORK: i32 = 5;
pub(crate) const NO_KEY: i32 = 8;
pub(crate) const CALLED: &str = "12155550100";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A directory with a development PKI, a certificate for a number, and a wallet.
pub(crate) struct Scene {
    pub(crate) home: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(86_400);
        let names = CaNames::default();
        let mut pki = PkiDirectory::init(&home.path().join("pki"), &names, day, now()).unwrap();
        let request = LeafRequest::new(vec![TnAuthEntry::one(CALLED).unwrap()]);
        pki.issue("office", &request, None, now()).unwrap();
        drop(Wallet::open(&home.path().join("wallet.db")).unwrap());
        Self { home }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    /// A key record of the office that was made at this time, for a day.
    fn record(&self, made_at: UnixTime, cps: &str) -> String {
        self.record_by("office", made_at, cps)
    }

    /// One that the holder of this certificate made.
    pub(crate) fn record_by(&self, name: &str, made_at: UnixTime, cps: &str) -> String {
        record_in(self.home.path(), name, made_at, cps)
    }

    /// Calls the office through this CPS.
    pub(crate) fn call(&self, cps: &str) -> Said {
        self.call_with(cps, &[])
    }

    pub(crate) fn call_with(&self, cps: &str, more: &[&str]) -> Said {
        let (wallet, roots) = (self.path("wallet.db"), self.path("pki/roots"));
        let (cert, key) = ("pki/issued/office.pem", "pki/issued/office.key");
        let call = [
            "call", "--cps", cps, "--wallet", &wallet, "--roots", &roots, "--orig", CALLED,
            "--dest", CALLED, "--cert", cert, "--key", key,
        ];
        run(self.home.path(), &[&call, more].concat())
    }
}

/// A key record of [`CALLED`] that the holder of a certificate in this directory made.
pub(crate) fn record_in(home: &Path, name: &str, made_at: UnixTime, cps: &str) -> String {
    let coverage = Coverage::Number(CALLED.parse().unwrap());
    record_for(coverage, home, (name, made_at), cps)
}

/// The same of other numbers.
pub(crate) fn record_for(
    coverage: Coverage,
    home: &Path,
    (name, made_at): (&str, UnixTime),
    cps: &str,
) -> String {
    let file = |end| home.join(format!("pki/issued/{name}.{end}"));
    let identity = StirIdentity::load(&file("pem"), &file("key"), None).unwrap();
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    let record = KeyRecord {
        iat: made_at,
        exp: made_at.plus(24 * HOUR),
        iss: identity.iss().to_owned(),
        coverage,
        key: key.config().clone(),
        placement: Placement::at(cps.parse().unwrap()),
    };
    record.sign(identity.certificate(), identity.key())
}

pub(crate) fn now() -> UnixTime {
    UnixTime(Timestamp::now().as_second().try_into().unwrap())
}

/// Standard error, or with `--json` standard output, and the exit code.
pub(crate) struct Said {
    text: String,
    exit: i32,
}

impl Said {
    pub(crate) fn has(&self, words: &str) -> &Self {
        assert!(self.text.contains(words), "no {words:?} in: {}", self.text);
        self
    }

    pub(crate) fn exits_with(&self, code: i32) -> &Self {
        assert_eq!(self.exit, code, "{}", self.text);
        self
    }
}

pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_pennyblack"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    Said {
        text: String::from_utf8(output.stderr).unwrap(),
        exit: output.status.code().unwrap(),
    }
}

/// What stands at this time in the header field `Date`.
fn date(time: UnixTime) -> String {
    let time = Timestamp::from_second(time.0.try_into().unwrap()).unwrap();
    format!("date: {}\r\n", time.strftime("%a, %d %b %Y %H:%M:%S GMT"))
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

/// A service on this machine that answers by path, and its URL.
pub(crate) fn serve(answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let own = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut seen = [0; 8192];
            let size = stream.read(&mut seen).unwrap_or(0);
            let head = String::from_utf8_lossy(&seen[..size]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let _ = stream.write_all(answer(path, &own).as_bytes());
        }
    });
    url
}

/// A CPS by whose clock it is `theirs`, with these records of every number.
pub(crate) fn cps_with(theirs: UnixTime, records: Vec<String>) -> String {
    let answer = record_list(theirs, records);
    serve(move |_, _| answer.clone())
}

/// The answer to a look-up of keys.
pub(crate) fn record_list(theirs: UnixTime, records: Vec<String>) -> String {
    let list = serde_json::to_string(&KeyRecordList {
        records,
        next: None,
    });
    let headers = format!(
        "content-type: {KEY_RECORD_LIST_MEDIA_TYPE}\r\n{}",
        date(theirs)
    );
    answer("200 OK", &headers, &list.unwrap())
}

#[test]
fn a_clock_that_is_behind_is_told_so_and_not_that_there_is_no_key() {
    let scene = Scene::new();
    let theirs = now().plus(2 * HOUR);
    let record = scene.record(theirs, "https://cps.example");
    let said = scene.call(&cps_with(theirs, vec![record]));
    said.exits_with(FAILED)
        .has("2 hours behind the CPS's")
        .has("set the clock");
}

#[test]
fn a_number_without_a_key_is_told_so_whatever_the_clocks_say() {
    let scene = Scene::new();
    for theirs in [now(), now().plus(2 * HOUR)] {
        let said = scene.call(&cps_with(theirs, Vec::new()));
        said.exits_with(NO_KEY)
            .has("nobody has published a key for 12155550100")
            .has("pennyblack mailbox register");
    }
}

#[test]
fn an_issuer_in_place_of_a_cps_is_recognised() {
    let media_type = format!("content-type: {}\r\n", directory::MEDIA_TYPE);
    let issuer = serve(move |path, _| match path {
        directory::WELL_KNOWN_PATH => answer("200 OK", &media_type, "{}"),
        _ => answer("404 Not Found", "", ""),
    });
    let address = issuer.strip_prefix("http://").unwrap();
    let expected = format!("{address} answers, but it is an issuer, not a CPS");
    Scene::new().call(&issuer).exits_with(FAILED).has(&expected);
}

#[test]
fn a_port_at_which_nothing_listens_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let said = Scene::new().call(&url);
    said.exits_with(NETWORK)
        .has(&url)
        .has("nothing listens there");
}

#[test]
fn a_passport_that_does_not_fit_is_told_of_x5u() {
    let scene = Scene::new();
    let cps = serve_own_record(&scene);
    let said = run_call_with_whole_certificate(&scene, &cps);
    assert!(said.contains("--x5u URL"), "{said}");
}

/// A CPS whose one record names the CPS itself.
fn serve_own_record(scene: &Scene) -> String {
    let home = scene.home.path().to_owned();
    serve(move |_, own| record_list(now(), vec![record_in(&home, "office", now(), own)]))
}

/// Standard output of a call that signs without `--x5u`.
fn run_call_with_whole_certificate(scene: &Scene, cps: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pennyblack"))
        .args([
            "call",
            "--cps",
            cps,
            "--wallet",
            "wallet.db",
            "--roots",
            "pki/roots",
        ])
        .args(["--orig", CALLED, "--dest", CALLED])
        .args([
            "--cert",
            "pki/issued/office.pem",
            "--key",
            "pki/issued/office.key",
        ])
        .current_dir(scene.home.path())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_file_that_is_not_there_is_named_with_its_option_and_what_makes_it() {
    let scene = Scene::new();
    let made = run(
        scene.home.path(),
        &["mailbox", "create", "--mailbox-key=box"],
    );
    made.exits_with(0);
    let call = [
        "call",
        "--cps=http://localhost:1",
        "--roots=pki/roots",
        "--orig",
        CALLED,
    ];
    let call = [&call[..], &["--dest", CALLED]].concat();
    let with = |more: &[&'static str]| [&call[..], more].concat();
    let office = "--cert=pki/issued/office.pem";
    for (arguments, option, file, maker) in [
        (
            with(&["--wallet=none.db", office, "--key=pki/issued/office.key"]),
            "--wallet",
            "none.db",
            "pennyblack carrier run",
        ),
        (
            vec!["mailbox", "show", "--mailbox-key=none.mailbox"],
            "--mailbox-key",
            "none.mailbox",
            "pennyblack mailbox create",
        ),
        (
            vec![
                "mailbox",
                "register",
                "--mailbox-key=box",
                "--cps=http://localhost:1",
                "--tn",
                CALLED,
                "--cert=none.pem",
                "--key=none.key",
            ],
            "--cert",
            "none.pem",
            "pennyblack pki issue",
        ),
        (
            vec![
                "mailbox",
                "register",
                "--mailbox-key=box",
                "--cps=http://localhost:1",
                "--tn",
                CALLED,
                office,
                "--key=none.key",
            ],
            "--key",
            "none.key",
            "pennyblack pki issue",
        ),
        (
            vec![
                "verify",
                "--cps=http://localhost:1",
                "--mailbox-key=box",
                "--roots=none",
                "--orig",
                CALLED,
                "--dest",
                CALLED,
            ],
            "--roots",
            "none",
            "pennyblack pki init",
        ),
    ] {
        let said = run(scene.home.path(), &arguments);
        said.exits_with(FAILED).has(option).has(file).has(maker);
    }
}

#[test]
fn a_wrong_setting_is_named_with_its_file_line_and_values() {
    let scene = Scene::new();
    let config = "[carrier]\nissuer = \"http://localhost:1\"\ncps = [\"cps.example\"]\n\
                  certificate = \"a.pem\"\nkey = \"a.key\"\nwallet = \"w.db\"\n\n\
                  [log]\nlevel = \"verbose\"\n";
    fs::write(scene.home.path().join("carrier.toml"), config).unwrap();
    let said = run(
        scene.home.path(),
        &["carrier", "run", "--config=carrier.toml"],
    );
    said.exits_with(FAILED)
        .has("log.level")
        .has("carrier.toml, line 9")
        .has("off, error, warn, info, debug");
    let set = [
        "carrier",
        "run",
        "--config=carrier.toml",
        "--set",
        "schedule.epoch=5",
    ];
    let set = run(
        scene.home.path(),
        &[&set[..], &["--set", "log.level=info"]].concat(),
    );
    set.exits_with(FAILED)
        .has("(--set schedule.epoch=5)")
        .has("\"30s\"");
}
