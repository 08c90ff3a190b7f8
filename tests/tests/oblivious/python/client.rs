//! The Python programs of tests/python, in the environment that tests/run makes.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use http::{HeaderMap, HeaderName};
use pennyblack_base::service_paths::OHTTP_GATEWAY_PATH;
use pennyblack_ohttp::binary_http::Request;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::sealed::SealedAnswer;
use serde::Deserialize;
use serde_json::{Value, json};

/// The interpreter that has what `tests/python/requirements.txt` names.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/python");

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

/// What a program says when it is given this.
pub(super) async fn run(program: &str, arguments: &[&str], input: &Value) -> String {
    let mut command = Command::new(PYTHON);
    command
        .arg(format!("{PROGRAMS}/{program}"))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let input = input.to_string();
    let running = tokio::task::spawn_blocking(move || {
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{PYTHON}: {error}; tests/run makes it"));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    });
    let output = running.await.unwrap();
    assert!(output.status.success(), "{program}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A client, and where it sends.
pub(super) struct PythonClient {
    keys: String,
    relay: String,
}

/// One request and its answer.
pub(super) struct Exchange {
    /// Bytes of the sealed request.
    pub(super) request_size: usize,
    pub(super) answer: SealedAnswer,
}

/// As the client writes it.
#[derive(Deserialize)]
struct Line {
    status: u16,
    fields: Vec<(String, String)>,
    content: String,
    sealed_request: usize,
    sealed_answer: usize,
}

impl PythonClient {
    /// One that fetches its keys from the CPS and sends through the relay.
    pub(super) fn new(cps: &str, relay: SocketAddr) -> Self {
        Self {
            keys: format!("http://{cps}{OHTTP_GATEWAY_PATH}"),
            relay: format!("http://{relay}/cps"),
        }
    }

    /// One that does both at one URL.
    pub(super) fn of_url(url: &str) -> Self {
        Self {
            keys: url.to_owned(),
            relay: url.to_owned(),
        }
    }

    /// Seals a request and sends it.
    pub(super) async fn ask(&self, request: &Request, options: &[&str]) -> Vec<Exchange> {
        let ways = ["--keys", &self.keys, "--relay", &self.relay];
        let arguments = [&ways, options].concat();
        let said = run("client.py", &arguments, &as_json(request)).await;
        said.lines().map(exchange).collect()
    }
}

fn as_json(request: &Request) -> Value {
    let fields = request.fields.iter();
    let fields = fields.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    json!({
        "method": request.method.as_str(),
        "scheme": request.scheme.as_str(),
        "authority": request.authority.as_ref().unwrap().as_str(),
        "path": request.path.as_str(),
        "fields": fields.collect::<Vec<_>>(),
        "content": hex::encode(&request.content),
    })
}

fn exchange(line: &str) -> Exchange {
    let line: Line = serde_json::from_str(line).unwrap();
    let field = |(name, value): &(String, String)| {
        let name: HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    };
    Exchange {
        request_size: line.sealed_request,
        answer: SealedAnswer {
            size: line.sealed_answer,
            inner: Answer {
                status: line.status.try_into().unwrap(),
                headers: line.fields.iter().map(field).collect::<HeaderMap>(),
                body: hex::decode(&line.content).unwrap(),
            },
        },
    }
}
