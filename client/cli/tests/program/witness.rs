//! The program `pennyblack audit witness`, which is killed at any instant: it never
//! cosigns two histories of one log.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pennyblack_tlog::cosignature::cosignature;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{
    AddCheckpoint, Checkpoint, Frontier, Hash, Node, NoteSigner, VerifierKey, prove_consistency,
};

const NAME: &str = "witness.example";
/// Times that the witness is killed.
const LIVES: usize = 12;
/// How much longer each life is than the one before.
const STEP: usize = 200;

/// The witness at work; killed when dropped.
struct Program {
    child: Child,
    key: VerifierKey,
    url: String,
}

impl Program {
    fn start(state: &Path, log: &VerifierKey) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pennyblack"));
        command
            .args(["audit", "witness", "--listen", "127.0.0.1:0"])
            .args(["--name", NAME, "--log", &log.to_string()])
            .arg("--state")
            .arg(state)
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().expect("a line of the witness").unwrap();
        let key = line().parse().unwrap();
        let address = line();
        let address = address.strip_prefix("listening at ").unwrap();
        Self {
            child,
            key,
            url: format!("http://{address}"),
        }
    }

    /// Asks for a cosignature: its status, or `None` if there is no answer. What is
    /// cosigned is verified.
    fn ask(&self, request: AddCheckpoint) -> impl Future<Output = Option<u16>> + use<> {
        let (url, key) = (format!("{}/add-checkpoint", self.url), self.key.clone());
        async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let post = client.post(url).body(request.to_string());
            let answer = post.send().await.ok()?;
            let status = answer.status().as_u16();
            let body = answer.text().await.ok()?;
            if status == 200 {
                let mut cosigned = request.checkpoint;
                cosigned.add(body.trim_end().parse().unwrap());
                assert!(cosignature(&cosigned, &key).unwrap().is_some());
            }
            Some(status)
        }
    }

    /// SIGKILL.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An operator who signs for two histories, which begin alike.
struct Operator {
    key: NoteSigner,
    /// To which history each of the first entries belongs, whichever goes on.
    settled: Vec<u64>,
}

impl Operator {
    fn settled(&self) -> u64 {
        self.settled.len() as u64
    }

    fn leaf(&self, history: u64, index: u64) -> Hash {
        let history = self.settled.get(index as usize).unwrap_or(&history);
        Hash::of_leaf(&[history.to_be_bytes(), index.to_be_bytes()].concat())
    }

    fn part(&self, history: u64, leaves: Range<u64>) -> Frontier {
        let mut frontier = Frontier::default();
        leaves.for_each(|index| frontier.push(self.leaf(history, index)));
        frontier
    }

    fn request(&self, history: u64, old: u64, new: u64) -> AddCheckpoint {
        let node = |node: Node| {
            let leaves = node.index << node.level..(node.index + 1) << node.level;
            Ok::<_, Infallible>(self.part(history, leaves).head().root)
        };
        let head = self.part(history, 0..new).head();
        let checkpoint = Checkpoint::new(self.key.verifier().name(), head);
        AddCheckpoint {
            old_size: old,
            proof: prove_consistency(old, new, node).unwrap(),
            checkpoint: checkpoint.sign(&self.key).unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_killed_at_any_instant_never_cosigns_two_histories() {
    let home = tempfile::tempdir().unwrap();
    let name = "log.example/log".parse().unwrap();
    let key = NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng());
    let log = key.verifier().clone();
    let mut operator = Operator {
        key,
        settled: Vec::new(),
    };
    let mut program = Program::start(home.path(), &log);
    let witness = program.key.clone();
    for life in 0..LIVES {
        let seen = operator.settled();
        // Both histories at once, and a kill while they are decided.
        let asking = [1, 2].map(|history| {
            let request = operator.request(history, seen, seen + 1);
            tokio::spawn(program.ask(request))
        });
        for _ in 0..life * STEP {
            tokio::task::yield_now().await;
        }
        program.kill();
        let [one, two] = asking;
        let answers = [one.await.unwrap(), two.await.unwrap()];
        let mut cosigned = answers.map(|status| status == Some(200));
        program = Program::start(home.path(), &log);
        assert_eq!(program.key, witness);
        // What it did not cosign then it may do now, if it contradicts nothing.
        for history in [2, 1] {
            let status = program.ask(operator.request(history, seen, seen + 1)).await;
            cosigned[history as usize - 1] |= status == Some(200);
        }
        assert_ne!(cosigned, [true, true], "life {life}");
        let back = program.ask(operator.request(1, seen, seen)).await;
        assert_eq!(back, Some(409), "life {life}");
        // It goes on with what it has seen, and with nothing else.
        let mut goes_on = Vec::new();
        for history in [1, 2] {
            let request = operator.request(history, seen + 1, seen + 2);
            match program.ask(request).await {
                Some(200) => goes_on.push(history),
                status => assert!(matches!(status, Some(409 | 422)), "{status:?}"),
            }
        }
        let [history] = goes_on[..] else {
            panic!("life {life}: {goes_on:?}");
        };
        // Whatever left it was of this history.
        assert!(!cosigned[2 - history as usize], "life {life}");
        operator.settled.extend([history; 2]);
    }
}
