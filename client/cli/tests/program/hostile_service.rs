//! The program `pennyblack` before a hostile service: a command ends at its
//! deadline, holds little, and says little, whatever is sent.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pennyblack_base::time::UnixTime;
use pennyblack_client::wallet::Wallet;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_protocol::key_record::{KEY_RECORD_LIST_MEDIA_TYPE, MAX_LIST_SIZE};
use tempfile::TempDir;

use super::audit_limits::ended::Ended;

const NUMBER: &str = "12155550100";

/// What the commands below are given in all.
const DEADLINE: Duration = Duration::from_secs(3);

/// How much later a process may end, on a machine that has other things to do.
const SLACK: Duration = Duration::from_secs(3);

/// Most memory of a command. Without an answer it is 20 MB.
const MAX_RESIDENT_KB: u64 = 60_000;

/// Most bytes that a command says of what a service sent.
const MAX_OUTPUT: usize = 4_096;

/// Between two bytes of an answer that never ends.
const PACE: Duration = Duration::from_millis(50);

/// Sends the same to all who ask, or, if it dribbles, the first part and then a byte at a
/// time without end.
struct Hostile {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Hostile {
    fn serve(head: String, body: String, dribbles: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let this = Self {
            url,
            asked: Arc::clone(&asked),
        };
        let answer = Arc::new((head, body));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                let stream = stream.unwrap();
                thread::spawn(move || converse(&stream, &answer, dribbles, &asked));
            }
        });
        this
    }

    /// A whole answer to a look-up of key records.
    fn with_list(json: String) -> Self {
        let length = json.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {KEY_RECORD_LIST_MEDIA_TYPE}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        Self::serve(head, json, false)
    }

    /// An answer that is always about to come.
    fn dribbling() -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_owned();
        Self::serve(head, String::new(), true)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Answers until the client has had enough.
fn converse(stream: &TcpStream, answer: &(String, String), dribbles: bool, asked: &AtomicUsize) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    if lines.next().is_none() {
        return;
    }
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    asked.fetch_add(1, Ordering::SeqCst);
    let mut stream = stream;
    let (head, body) = answer;
    let sent = stream.write_all(head.as_bytes());
    if sent
        .and_then(|()| stream.write_all(body.as_bytes()))
        .is_err()
        || !dribbles
    {
        return;
    }
    stream.set_read_timeout(Some(PACE)).unwrap();
    while stream.write_all(b"x").is_ok() {
        // Nothing comes but the end.
        if stream.read(&mut [0]).is_ok() {
            return;
        }
    }
}

/// A directory with a development PKI, a certificate, a wallet and a mailbox key.
fn home() -> &'static TempDir {
    static HOME: OnceLock<TempDir> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let now = UnixTime(Timestamp::now().as_second().try_into().unwrap());
        let (names, day) = (CaNames::default(), Duration::from_secs(86_400));
        let mut pki = PkiDirectory::init(&home.path().join("pki"), &names, day, now).unwrap();
        let request = LeafRequest::new(vec![TnAuthEntry::one(NUMBER).unwrap()]);
        pki.issue("office", &request, None, now).unwrap();
        drop(Wallet::open(&home.path().join("wallet.db")).unwrap());
        let made = Command::new(env!("CARGO_BIN_EXE_pennyblack"))
            .args(["mailbox", "create", "--mailbox-key=box"])
            .current_dir(home.path())
            .output();
        assert!(made.unwrap().status.success());
        home
    })
}

/// Runs a command against a service, and says how long it took.
fn run(service: &Hostile, arguments: &str) -> (Ended, Duration) {
    run_alone(&format!("{arguments} --cps={}", service.url))
}

/// The same for a command that names its service itself.
fn run_alone(arguments: &str) -> (Ended, Duration) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pennyblack"));
    command.current_dir(home().path());
    command.args(arguments.split_whitespace());
    command.arg(match arguments.starts_with("load ") {
        true => "--prepare-within=3",
        false => "--deadline=3",
    });
    let begin = Instant::now();
    let ended = Ended::of(command);
    let took = begin.elapsed();
    eprintln!(
        "{arguments}: {took:.1?}, {} kB resident, {} bytes said, exit {}",
        ended.resident_kb,
        ended.said.len(),
        ended.code
    );
    assert!(
        ended.resident_kb < MAX_RESIDENT_KB,
        "{} kB",
        ended.resident_kb
    );
    assert!(ended.said.len() < MAX_OUTPUT, "{} bytes", ended.said.len());
    assert!(!ended.said.contains('\u{1b}'), "{}", ended.said);
    (ended, took)
}

fn call(more: &str) -> String {
    format!(
        "call --wallet=wallet.db --roots=pki/roots --orig={NUMBER} --dest={NUMBER} \
         --cert=pki/issued/office.pem --key=pki/issued/office.key {more}"
    )
}

#[test]
fn an_answer_that_dribbles_holds_no_command_beyond_its_deadline() {
    let service = Hostile::dribbling();
    let register = format!(
        "mailbox register --mailbox-key=box --cert=pki/issued/office.pem \
         --key=pki/issued/office.key --tn={NUMBER}"
    );
    let verify =
        format!("verify --mailbox-key=box --roots=pki/roots --orig={NUMBER} --dest={NUMBER}");
    // Two seconds of requests come before the deadline of `verify`.
    for (command, limit) in [
        (call(""), DEADLINE),
        (call("--block=7"), DEADLINE),
        (register, DEADLINE),
        (verify, DEADLINE + Duration::from_secs(2)),
    ] {
        let (ended, took) = run(&service, &command);
        assert_eq!(ended.code, 5, "{}", ended.said);
        assert!(took < limit + SLACK, "{took:?}: {}", ended.said);
    }
    let identity = "--cert=pki/issued/office.pem --key=pki/issued/office.key";
    let url = &service.url;
    for command in [
        format!("carrier draw --wallet=wallet.db {identity} --cps=cps.example --issuer={url}"),
        format!("load --mix=draw {identity} --cps={url} --issuer={url}"),
        format!(
            "load --mix=retrieve --cps={url} --tn={NUMBER} --holder-cert=pki/issued/office.pem \
                 --holder-key=pki/issued/office.key"
        ),
    ] {
        let (ended, took) = run_alone(&command);
        assert_eq!(ended.code, 5, "{}", ended.said);
        assert!(took < DEADLINE + SLACK, "{took:?}: {}", ended.said);
    }
}

#[test]
fn sixteen_mebibytes_of_empty_records_cost_little_memory_and_little_output() {
    let json = |size: usize| format!(r#"{{"records":["",{}""]}}"#, r#""","#.repeat(size / 3));
    for size in [16 * 1024 * 1024, MAX_LIST_SIZE - 64] {
        for more in ["", "--block=7", "--json"] {
            let service = Hostile::with_list(json(size));
            let (ended, _) = run(&service, &call(more));
            assert_eq!(ended.code, 1, "{}", ended.said);
        }
    }
}

#[test]
fn many_records_with_much_in_them_are_refused_with_a_count_and_a_few_examples() {
    let record = format!("\\u001b]0;{}.b.c", "x".repeat(900));
    let mut records = String::new();
    for number in 0..1_000 {
        write!(records, r#""{number}{record}","#).unwrap();
    }
    let service = Hostile::with_list(format!(r#"{{"records":[{records}""]}}"#));
    for more in ["", "--block=7", "--json"] {
        let (ended, _) = run(&service, &call(more));
        assert_eq!(ended.code, 8, "{}", ended.said);
        assert!(ended.said.contains("1,001 key records"), "{}", ended.said);
    }
}

#[test]
fn a_service_that_says_more_without_end_is_asked_a_limited_number_of_times() {
    let service = Hostile::with_list(r#"{"records":[],"next":"11-1215555"}"#.to_owned());
    let (ended, took) = run(&service, &call("--block=7"));
    assert_eq!(ended.code, 8, "{}", ended.said);
    assert!(service.asked() <= 128, "{} requests", service.asked());
    assert!(took < DEADLINE + SLACK, "{took:?}");
}

#[test]
fn json_that_is_nested_very_deeply_is_refused() {
    let deep = "[".repeat(1_000_000);
    for json in [
        format!(r#"{{"records":{deep}"#),
        format!(r#"{{"records":[],"x":{deep}"#),
        deep,
    ] {
        let service = Hostile::with_list(json);
        let (ended, _) = run(&service, &call(""));
        assert_eq!(ended.code, 1, "{}", ended.said);
    }
}
