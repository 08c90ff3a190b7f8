//! Commands that go on until they are stopped: SIGHUP kills none, and has a renewed
//! certificate read.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use pennyblack_base::time::UnixTime;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use tempfile::TempDir;

const NUMBER: &str = "12155550100";
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
const TAKEN: &str = "new files are in force";
const REFUSED: &str = "the old ones stay in force";

/// Certificates for one number, of which one is in use.
struct Scene {
    home: TempDir,
    pki: PkiDirectory,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(86_400);
        let path = home.path().join("pki");
        let mut pki = PkiDirectory::init(&path, &CaNames::default(), day, now()).unwrap();
        for name in ["first", "second", "third"] {
            let request = LeafRequest::new(vec![TnAuthEntry::one(NUMBER).unwrap()]);
            pki.issue(name, &request, None, now()).unwrap();
        }
        let scene = Self { home, pki };
        scene.put_certificate("first");
        scene.put_key("first");
        scene
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    fn put_certificate(&self, name: &str) {
        fs::copy(self.pki.certificate_path(name), self.path("own.pem")).unwrap();
    }

    fn put_key(&self, name: &str) {
        fs::copy(self.pki.key_path(name), self.path("own.key")).unwrap();
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pennyblack"))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Running { child, said }
    }
}

fn now() -> UnixTime {
    UnixTime(Timestamp::now().as_second().try_into().unwrap())
}

/// A command at work; killed when dropped.
struct Running {
    child: Child,
    said: Receiver<String>,
}

impl Running {
    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", name, &self.child.id().to_string()]);
        assert!(sent.status().unwrap().success());
    }

    fn hears(&self, words: &str) {
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            if line
                .unwrap_or_else(|_| panic!("never: {words}"))
                .contains(words)
            {
                return;
            }
        }
    }

    fn stop(mut self) {
        self.signal("TERM");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A CPS that registers everything: its URL, and the bodies of requests.
fn cps() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, bodies) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap_or(0) <= 2 {
                    break;
                }
                let line = line.to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let answer = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if sender.send(String::from_utf8(body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, bodies)
}

/// The first part of a JWS has the certificates.
fn header(body: Result<String, impl std::fmt::Debug>) -> String {
    body.unwrap().split('.').next().unwrap().to_owned()
}

#[test]
fn a_mailbox_is_registered_again_with_a_renewed_certificate() {
    let scene = Scene::new();
    let (url, bodies) = cps();
    let mailbox = scene.path("own.mailbox");
    let create = ["mailbox", "create", "--mailbox-key", &mailbox];
    scene.start(&create).child.wait().unwrap();
    let (cert, key) = (scene.path("own.pem"), scene.path("own.key"));
    let running = scene.start(&[
        "mailbox",
        "register",
        "--keep",
        "--mailbox-key",
        &mailbox,
        "--cps",
        &url,
        "--cert",
        &cert,
        "--key",
        &key,
        "--tn",
        NUMBER,
    ]);
    // Once before it says that it goes on, and once when it does.
    let first = header(bodies.recv_timeout(PATIENCE));
    assert_eq!(header(bodies.recv_timeout(PATIENCE)), first);
    running.hears("registered");
    // A pair that is renewed by halves.
    scene.put_certificate("second");
    running.signal("HUP");
    running.hears(REFUSED);
    assert!(bodies.try_recv().is_err());
    scene.put_key("second");
    running.signal("HUP");
    running.hears(TAKEN);
    assert_ne!(header(bodies.recv_timeout(PATIENCE)), first);
    running.stop();
}

#[test]
fn a_carrier_survives_a_hangup_and_takes_up_its_new_certificate() {
    let scene = Scene::new();
    let set = |key: &str, name: &str| format!("{key}=\"{}\"", scene.path(name));
    let running = scene.start(&[
        "carrier",
        "run",
        "--config",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../carrier.example.toml"),
        "--set",
        "carrier.issuer=\"http://127.0.0.1:9\"",
        "--set",
        &set("carrier.certificate", "own.pem"),
        "--set",
        &set("carrier.key", "own.key"),
        "--set",
        &set("carrier.wallet", "wallet.db"),
    ]);
    running.hears("not all that is due was drawn");
    scene.put_key("third");
    running.signal("HUP");
    running.hears(REFUSED);
    scene.put_certificate("third");
    running.signal("HUP");
    running.hears(TAKEN);
    running.stop();
}
