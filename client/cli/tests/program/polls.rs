//! What a CPS sees of `pennyblack verify`: the same requests, whether or not there is a call.

#[path = "../../../src/follower/tests/two_samples.rs"]
mod two_samples;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::ShakenCall;
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::verification_service::{PolledCpss, create_mailbox_key};
use pennyblack_http::ServiceAddress;
use pennyblack_passport::Attestation;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_sealing::envelope::{self, Cursor, PageHeader, Slots, seal_envelope};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_sealing::sealed::seal_passport;
use tempfile::TempDir;
use two_samples::kolmogorov_smirnov;

pub(super) const CALLING: &str = "12155550100";
pub(super) const CALLED: &str = "12125550142";

fn now() -> UnixTime {
    UnixTime(Timestamp::now().as_second().try_into().unwrap())
}

pub(super) struct Scene {
    pub(super) home: TempDir,
    key: Arc<RecipientKey>,
}

impl Scene {
    pub(super) fn set() -> Self {
        let home = tempfile::tempdir().unwrap();
        let week = Duration::from_secs(7 * 86_400);
        let path = home.path().join("pki");
        let mut pki = PkiDirectory::init(&path, &CaNames::default(), week, now()).unwrap();
        let carrier = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
        pki.issue("carrier", &carrier, None, now()).unwrap();
        let key = create_mailbox_key(&home.path().join("box"), Kem::DhkemX25519).unwrap();
        Self {
            home,
            key: Arc::new(key),
        }
    }

    fn passport(&self) -> String {
        let issued = self.home.path().join("pki/issued");
        let file = |name: &str| issued.join(name);
        let identity = StirIdentity::load(&file("carrier.pem"), &file("carrier.key"), None);
        let call = ShakenCall {
            orig: CALLING.parse().unwrap(),
            dest: CALLED.parse().unwrap(),
            attest: Attestation::Full,
            x5u: Some("https://certs.example/carrier.pem".parse().unwrap()),
        };
        call.sign(&identity.unwrap(), now()).unwrap()
    }

    /// A CPS whose mailbox holds a call that comes with the tenth request, or never.
    pub(super) fn cps(&self, call: bool) -> Cps {
        self.cps_that_ends(call, None)
    }

    /// The same, which says `more` always and knows nothing of the mailbox from this
    /// request on.
    fn cps_that_ends(&self, call: bool, refuses_from: Option<usize>) -> Cps {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let address: ServiceAddress = url.parse().unwrap();
        let (key, passport) = (Arc::clone(&self.key), self.passport());
        let (asked, ended) = (Arc::default(), Arc::default());
        let content = Arc::new(Content {
            entry: seal_passport(
                key.config(),
                address.authority(),
                &passport,
                &mut rand::rng(),
            )
            .unwrap()
            .as_bytes()
            .to_vec(),
            key,
            address,
            call,
            refuses_from,
            asked: Arc::clone(&asked),
            ended: Arc::clone(&ended),
        });
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, content) = (stream.unwrap(), Arc::clone(&content));
                thread::spawn(move || content.serve(&stream));
            }
        });
        Cps { url, asked, ended }
    }
}

pub(super) struct Cps {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
    /// When connections ended by which it was asked.
    ended: Arc<Mutex<Vec<Instant>>>,
}

impl Cps {
    /// The lengths of the requests and the pauses between them, in milliseconds.
    fn seen(&self) -> (Vec<usize>, Vec<f64>) {
        let asked = self.asked.lock().unwrap();
        let lengths = asked.iter().map(|(_, line)| line.len()).collect();
        let pauses = asked.windows(2).map(|two| two[1].0 - two[0].0);
        let pauses = pauses.map(|pause| pause.as_secs_f64() * 1e3).collect();
        (lengths, pauses)
    }
}

struct Content {
    key: Arc<RecipientKey>,
    address: ServiceAddress,
    entry: Vec<u8>,
    call: bool,
    refuses_from: Option<usize>,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
    ended: Arc<Mutex<Vec<Instant>>>,
}

impl Content {
    fn serve(&self, stream: &TcpStream) {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let mut is_asked = false;
        while let Some(line) = lines.next() {
            let at = Instant::now();
            lines
                .by_ref()
                .take_while(|line| !line.is_empty())
                .for_each(drop);
            // As a proxy, it leads nowhere.
            if line.starts_with("CONNECT") {
                continue;
            }
            is_asked = true;
            let count = {
                let mut asked = self.asked.lock().unwrap();
                asked.push((at, line.clone()));
                asked.len()
            };
            let mut stream = stream;
            if self.refuses_from.is_some_and(|from| count >= from) {
                let refusal = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(refusal).unwrap();
                continue;
            }
            let is_new = !line.contains("after=00000000000000000001");
            let entries: &[Vec<u8>] = match self.call && count >= 10 && is_new {
                true => std::slice::from_ref(&self.entry),
                false => &[],
            };
            let header = PageHeader {
                more: self.refuses_from.is_some(),
                dropped: false,
                next: Cursor(u64::from(!entries.is_empty() || !is_new)),
                server_time: now(),
            };
            let (config, cps) = (self.key.config(), self.address.authority());
            let page = seal_envelope(
                config,
                cps,
                Slots::SixtyFour,
                entries,
                header,
                &mut rand::rng(),
            );
            let page = page.unwrap();
            let (media_type, length) = (envelope::MEDIA_TYPE, page.len());
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
            );
            if stream
                .write_all(&[head.into_bytes(), page].concat())
                .is_err()
            {
                return;
            }
        }
        if is_asked {
            self.ended.lock().unwrap().push(Instant::now());
        }
    }
}

fn verify(home: &Path, url: &str, wait: u32) -> Child {
    verify_with(home, url, wait, &[])
}

pub(super) fn verify_with(home: &Path, url: &str, wait: u32, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pennyblack"))
        .args(["--json", "verify", "--mailbox-key=box", "--roots=pki/roots"])
        .args(["--certificates=pki/issued", "--orig", CALLING])
        .args(["--dest", CALLED, "--every=25", "--cps", url, "--wait"])
        .arg(wait.to_string())
        .args(more)
        .current_dir(home)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The first line of the output, the rest, when the line came, and the exit code.
pub(super) fn end(mut child: Child) -> (String, Instant, Option<i32>) {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let told_at = Instant::now();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "more than one document");
    (line, told_at, child.wait().unwrap().code())
}

#[test]
fn a_wait_makes_the_same_requests_with_and_without_a_call() {
    let scene = Scene::set();
    let mut attempts = Vec::new();
    // A test at one in a hundred fails by chance at times, and not five times in a row. On a
    // busy machine any two programs differ: then a call must not tell more than that.
    for _ in 0..5 {
        let (with, without, other) = (scene.cps(true), scene.cps(false), scene.cps(false));
        // At the same time, so that the machine's load is the same.
        let all = [&with, &without, &other].map(|cps| verify(scene.home.path(), &cps.url, 4));
        let [(found, told_at, valid), (none, _, missing), _] = all.map(end);
        assert!(found.contains(r#""verdict":"valid""#), "{found}");
        assert!(none.contains(r#""verdict":"no-passport""#), "{none}");
        assert_eq!((valid, missing), (Some(0), Some(3)));
        // The verdict came while the program went on asking.
        let last = with.asked.lock().unwrap().last().unwrap().0;
        assert!(told_at < last, "the verdict came at the end");
        let (found, none, other) = (with.seen(), without.seen(), other.seen());
        assert_eq!(found.0.len(), 161);
        assert_eq!(found.0, none.0, "number or lengths differ");
        let alike = kolmogorov_smirnov(&found.1, &none.1);
        let control = kolmogorov_smirnov(&none.1, &other.1);
        if alike > 0.01 || alike >= control {
            return;
        }
        attempts.push((alike, control));
    }
    panic!("times tell whether there was a call: {attempts:?}");
}

#[test]
fn one_look_is_as_many_requests_as_read_a_full_mailbox() {
    let scene = Scene::set();
    for call in [true, false] {
        let cps = scene.cps(call);
        let (_, _, code) = end(verify(scene.home.path(), &cps.url, 0));
        assert_eq!(code, Some(if call { 0 } else { 3 }));
        assert_eq!(cps.asked.lock().unwrap().len(), 16);
    }
}

/// The mailbox is also at a CPS that is away, by an option or by what was written down when it
/// was registered there.
#[test]
fn while_a_cps_is_away_a_call_has_a_verdict_from_the_others_or_none() {
    const AWAY: &str = "http://127.0.0.1:1";
    let scene = Scene::set();
    let listed = Scene::set();
    let (key, away) = (listed.home.path().join("box"), AWAY.parse().unwrap());
    let exp = now().plus(Duration::from_secs(3600));
    PolledCpss::add(&key, &[away], exp, now()).unwrap();
    for (scene, options) in [(&scene, &["--cps", AWAY][..]), (&listed, &[])] {
        for (call, verdict, expected) in [(true, "valid", 0), (false, "incomplete", 5)] {
            let cps = scene.cps(call);
            let (told, _, code) = end(verify_with(scene.home.path(), &cps.url, 0, options));
            assert_eq!(code, Some(expected), "{told}");
            assert!(
                told.contains(&format!(r#""verdict":"{verdict}""#)),
                "{told}"
            );
            assert!(told.contains(r#""incomplete":["127.0.0.1:1"]"#), "{told}");
            assert_eq!(cps.asked.lock().unwrap().len(), 16);
        }
    }
}

/// What is asked to find out why there is no verdict would tell that there is none.
#[test]
fn a_cps_that_refuses_at_the_end_does_not_learn_whether_there_is_a_verdict() {
    let scene = Scene::set();
    for (call, expected) in [(true, 0), (false, 6)] {
        let cps = scene.cps_that_ends(call, Some(16));
        let (told, _, code) = end(verify(scene.home.path(), &cps.url, 0));
        assert_eq!(code, Some(expected), "{told}");
        assert_eq!(cps.asked.lock().unwrap().len(), 16, "{told}");
    }
}

/// The end of the connection would tell for how long something waits for its certificate.
#[test]
fn a_cps_does_not_learn_whether_certificates_are_waited_for() {
    let scene = Scene::set();
    let cps = scene.cps(true);
    let child = Command::new(env!("CARGO_BIN_EXE_pennyblack"))
        .args(["--json", "verify", "--mailbox-key=box", "--roots=pki/roots"])
        .args(["--certificate-host=certs.example", "--orig", CALLING])
        .args(["--dest", CALLED, "--every=25", "--cps", &cps.url])
        // The CPS stands for the proxy, too, and the repository is not to be had.
        .args(["--deadline=4", "--proxy", &cps.url])
        .current_dir(scene.home.path())
        .stdout(Stdio::piped())
        .spawn();
    let (told, _, code) = end(child.unwrap());
    let exit = Instant::now();
    assert_eq!(code, Some(4), "{told}");
    let last = cps.asked.lock().unwrap().last().unwrap().0;
    assert!(
        exit - last > Duration::from_secs(2),
        "it waited for nothing"
    );
    let ended = cps.ended.lock().unwrap().first().copied().unwrap();
    assert!(
        ended - last < exit - ended,
        "the connection ended {:?} after the last request, and {:?} before the program",
        ended - last,
        exit - ended
    );
}
