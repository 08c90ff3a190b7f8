//! A wallet whose process is killed again and again: no token may be lost, none may sign two
//! requests for one CPS, and none may be used for two calls.
//!
//! The child runs in a process of its own (this test binary, started for the
//! one ignored test below). It writes what leaves the house, "issued" by the
//! issuer and "sent" to the CPS, into a journal that the parent judges.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use pennyblack_base::encoding::sha256;
use pennyblack_privacypass::token::{Token, TokenKeyId, TokenScope};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::scene::{NOW, URL, answer, copies, cps, issuer, new_draw_of, nonce_of, own, sign};
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
            .take(rand::random_range(1..24))
            .count();
        assert!(survived > 0, "the child did nothing at all");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    let life = Life::resume(home.path());
    let journal = Journal::read(home.path());
    for (nonce, requests) in &journal.sent {
        let cpss: HashSet<_> = requests.iter().map(|request| &request.url).collect();
        assert_eq!(requests.len(), cpss.len(), "{nonce} signed two for a CPS");
        let mailboxes: HashSet<_> = requests.iter().map(|request| &request.mailbox).collect();
        assert_eq!(mailboxes.len(), 1, "{nonce} paid for two calls");
    }
    let shared = journal.sent.values().filter(|requests| requests.len() > 1);
    assert!(shared.count() > KILLS / 4, "too few calls had two copies");
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
        life.draw(&own());
        life.draw(&TokenScope::Federation);
        for _ in 0..2 {
            life.spend();
            life.call();
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

    fn draw(&mut self, scope: &TokenScope) {
        let draw = new_draw_of(scope, 4, &mut self.rng);
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

    /// The copies of a call at three CPSs, for the first of which there are tokens of its own.
    /// Each is sent before the next is signed.
    fn call(&mut self) {
        let copies = copies();
        for name in ["cps.example", "b.example", "c.example"] {
            let copy = copies.seal(&name.parse().unwrap()).unwrap();
            let url = format!("https://{name}/v1/passports");
            let target = StoreTarget {
                url: &url,
                ways: AllowedWays::All,
            };
            let any = TokenChoice::Any;
            let paid = self
                .wallet
                .spend_copy(&copy, &any, Duration::ZERO, target, NOW);
            self.step();
            self.send(&paid.unwrap().entry);
        }
    }

    fn send(&mut self, entry: &OutboxEntry) {
        let OutboxEntry { call, .. } = entry;
        let request = format!("{:?}{:?}", call.headers, call.body);
        let nonce = hex::encode(nonce_of(entry).0);
        let digest = hex::encode(sha256(request.as_bytes()));
        let mailbox = hex::encode(&call.body[..32]);
        self.record(&format!("sent {nonce} {digest} {} {mailbox}", call.url));
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
    sent: HashMap<String, HashSet<Sent>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Sent {
    digest: String,
    url: String,
    mailbox: String,
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
                ["sent", nonce, digest, url, mailbox] => {
                    let requests = journal.sent.entry(nonce.to_owned()).or_default();
                    let [digest, url, mailbox] = [digest, url, mailbox].map(str::to_owned);
                    requests.insert(Sent {
                        digest,
                        url,
                        mailbox,
                    });
                }
                _ => panic!("a line of the journal is {line:?}"),
            }
        }
        journal
    }
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
    let counted = [own(), TokenScope::Federation].map(|scope| wallet.count(&issuer(), scope));
    let counted: u64 = counted.into_iter().map(Result::unwrap).sum();
    assert_eq!(counted, tokens.len() as u64);
    nonces
}
