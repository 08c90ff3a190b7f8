//! A wallet whose process is killed again and again: no token may be lost, and
//! none may sign two requests.
//!
//! The child runs in a process of its own (this test binary, started for the
//! one ignored test below). It writes what leaves the house, "issued" by the
//! issuer and "sent" to the CPS, into a journal that the parent judges.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use pennyblack_base::encoding::sha256;
use pennyblack_privacypass::token::{Nonce, Token, TokenKeyId};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::tests::{NOW, URL, answer, cps, issuer, new_draw, sign};
use super::*;

const HOME: &str = "PENNYBLACK_WALLET_KILL_TEST_HOME";
const CHILD: &str = "wallet::kill_tests::child_of_the_kill_test";
const KILLS: usize = 40;

#[test]
fn a_process_killed_at_any_point_loses_no_token_and_spends_none_twice() {
    let home = tempfile::tempdir().unwrap();
    for _ in 0..KILLS {
        let mut child = start(home.path());
        let steps = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed somewhere in the step after this many; which instruction is chance.
        let survived = steps
            .map_while(Result::ok)
            .filter(|line| line.contains("step"))
            .take(rand::random_range(1..12))
            .count();
        assert!(survived > 0, "the child did nothing at all");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    let life = Life::resume(home.path());
    let journal = Journal::read(home.path());
    for (nonce, requests) in &journal.sent {
        assert_eq!(
            requests.len(),
            1,
            "{nonce} signed {} requests",
            requests.len()
        );
    }
    let left = tokens_left(&life.wallet);
    for nonce in &journal.issued {
        let here = left.contains(nonce);
        let gone = journal.sent.contains_key(nonce);
        assert!(here || gone, "{nonce} was issued and is lost");
        assert!(
            !(here && gone),
            "{nonce} was sent and is still in the wallet"
        );
    }
    assert!(
        journal.sent.len() > KILLS,
        "too little happened to mean anything"
    );
}

#[test]
#[ignore = "the child process of the kill test, started by it"]
fn child_of_the_kill_test() {
    let home = std::env::var_os(HOME).expect("started by the kill test");
    let mut life = Life::resume(Path::new(&home));
    loop {
        life.draw();
        for _ in 0..3 {
            life.spend();
        }
    }
}

fn start(home: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env(HOME, home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a carrier and a caller do with a wallet, with the journal for a network.
struct Life {
    wallet: Wallet,
    journal: File,
    rng: StdRng,
}

impl Life {
    /// A start after a crash: pending draws are asked for again, the outbox is
    /// sent again.
    fn resume(home: &Path) -> Self {
        let wallet = Wallet::open(&home.join("wallet.db")).unwrap();
        let journal = File::options()
            .create(true)
            .append(true)
            .open(home.join("journal"))
            .unwrap();
        let mut life = Self {
            wallet,
            journal,
            rng: StdRng::seed_from_u64(rand::random()),
        };
        for pending in life.wallet.pending_draws().unwrap() {
            life.ask(pending.id, &pending.draw);
        }
        for entry in life.wallet.outbox().unwrap() {
            life.send(&entry);
        }
        life
    }

    fn draw(&mut self) {
        let draw = new_draw(4, &mut self.rng);
        let id = self.wallet.begin_draw(&draw, NOW).unwrap();
        self.step();
        self.ask(id, &draw);
    }

    fn ask(&mut self, id: DrawId, draw: &NewDraw) {
        for part in &draw.parts {
            self.record(&format!("issued {}", hex::encode(part.pending.nonce().0)));
        }
        let tokens = answer(draw, TokenKeyId([1; 32]));
        self.wallet.complete_draw(id, &tokens, NOW).unwrap();
        self.step();
    }

    fn spend(&mut self) {
        let entry = self
            .wallet
            .spend(&cps(), Duration::ZERO, URL, NOW, sign)
            .unwrap();
        self.step();
        self.send(&entry);
    }

    fn send(&mut self, entry: &OutboxEntry) {
        let nonce = nonce_of(entry);
        let request = format!("{:?}{:?}", entry.call.headers, entry.call.body);
        let digest = hex::encode(sha256(request.as_bytes()));
        self.record(&format!("sent {} {digest}", hex::encode(nonce.0)));
        self.wallet.settle(entry.id).unwrap();
        self.step();
    }

    /// One write, so that a kill leaves whole lines.
    fn record(&mut self, line: &str) {
        self.journal
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    fn step(&self) {
        println!("step");
    }
}

struct Journal {
    issued: HashSet<String>,
    sent: HashMap<String, HashSet<String>>,
}

impl Journal {
    fn read(home: &Path) -> Self {
        let text = fs::read_to_string(home.join("journal")).unwrap();
        let mut journal = Self {
            issued: HashSet::new(),
            sent: HashMap::new(),
        };
        for line in text.lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                ["issued", nonce] => {
                    journal.issued.insert(nonce.to_owned());
                }
                ["sent", nonce, digest] => {
                    let requests = journal.sent.entry(nonce.to_owned()).or_default();
                    requests.insert(digest.to_owned());
                }
                _ => panic!("a line of the journal is {line:?}"),
            }
        }
        journal
    }
}

fn nonce_of(entry: &OutboxEntry) -> Nonce {
    let (_, value) = entry
        .call
        .headers
        .iter()
        .find(|(name, _)| name == "authorization")
        .unwrap();
    Token::from_authorization(value).unwrap().nonce
}

fn tokens_left(wallet: &Wallet) -> HashSet<String> {
    let connection = wallet.lock();
    let mut statement = connection.prepare("SELECT token FROM token").unwrap();
    let tokens: Vec<Vec<u8>> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    drop(statement);
    drop(connection);
    let nonces: HashSet<_> = tokens
        .iter()
        .map(|token| Token::parse(token).unwrap().nonce)
        .map(|nonce| hex::encode(nonce.0))
        .collect();
    assert_eq!(nonces.len(), tokens.len(), "a token is there twice");
    // What piles say of their tokens is what is there.
    let counted = wallet.count(&issuer(), &cps()).unwrap();
    assert_eq!(counted, tokens.len() as u64);
    nonces
}
