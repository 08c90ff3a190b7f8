//! The open CPS of today, TransNexus' call-placement-service: Node, Express and a
//! Redis that keeps everything in memory. It has another service verify each
//! PASSporT; here that one says yes at once and costs nothing.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use axum::{Json, Router};
use http::StatusCode;
use pennyblack_base::encoding::base64url;
use pennyblack_runtime::clock::Clock;
use serde_json::json;
use tempfile::TempDir;

use crate::cpu_time;
use crate::http_load::{CONNECTIONS, Target, closed_loop, request};
use crate::machine::on_core;
use crate::services::cpu_per_item;
use crate::setting::Setting;

/// Publishes in one turn.
const PUBLISHES: usize = 2_000;

/// What one publish takes, Redis included, turn by turn.
pub(super) fn seconds_per_publish(setting: &Setting, clone: &Path) -> Vec<f64> {
    let publishes = setting.scaled(PUBLISHES);
    let peer = Peer::start(setting, clone);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let turn = |_| {
        let requests: Vec<_> = (0..publishes).map(publish).collect();
        let send = closed_loop(peer.target, CONNECTIONS, &requests);
        cpu_per_item(
            || peer.cpu_time(),
            publishes,
            || drop(runtime.block_on(send)),
        )
    };
    // The first turn does not count: the compiler of the peer's language is at work.
    (0..=setting.pairs).map(turn).skip(1).collect()
}

/// A PASSporT of the usual size for a number of its own.
fn publish(number: usize) -> Vec<u8> {
    let (orig, dest) = ("12025550100", format!("1303{:07}", number));
    let part = |json: serde_json::Value| base64url(json.to_string().as_bytes());
    let header = json!({
        "alg": "ES256", "ppt": "shaken", "typ": "passport",
        "x5u": "https://certificates.example/shaken.pem",
    });
    let payload = json!({
        "attest": "A", "dest": {"tn": [dest]}, "iat": Clock::system().now().0,
        "orig": {"tn": orig}, "origid": "123e4567-e89b-12d3-a456-426655440000",
    });
    let signature = base64url(&[0; 64]);
    let passport = format!("{}.{}.{signature}", part(header), part(payload));
    let path = format!("/1234/{dest}/1234/{orig}");
    let headers = [("content-type", "application/passport")];
    request("POST", &path, &headers, passport.as_bytes())
}

/// The peer and its Redis on the core that serves. They end when it is dropped.
struct Peer {
    processes: Vec<Child>,
    target: Target,
    _home: TempDir,
}

impl Peer {
    fn start(setting: &Setting, clone: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (redis, port) = (free_port(), free_port());
        let verifier = start_verifier();
        let mut processes = Vec::new();
        on_core(setting.cores.service, || {
            let mut server = Command::new("redis-server");
            server.args(["--port", &redis.to_string(), "--save", ""]);
            processes.push(server.stdout(Stdio::null()).spawn().unwrap());
        });
        while TcpStream::connect((Ipv4Addr::LOCALHOST, redis)).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
        let clone = clone.canonicalize().unwrap();
        fs::copy(clone.join("index.js"), home.path().join("index.js")).unwrap();
        symlink(clone.join("node_modules"), home.path().join("node_modules")).unwrap();
        let config = json!({
            "port": port,
            "stiVsUrl": format!("http://{verifier}/stir/v1/verification"),
            "redis": {"port": redis},
        });
        fs::write(home.path().join("config.json"), config.to_string()).unwrap();
        on_core(setting.cores.service, || {
            let mut node = Command::new("node");
            let node = node.arg("index.js").current_dir(home.path());
            processes.push(node.stdout(Stdio::piped()).spawn().unwrap());
        });
        let output = processes.last_mut().unwrap().stdout.take().unwrap();
        BufReader::new(output)
            .read_line(&mut String::new())
            .unwrap();
        Self {
            processes,
            target: Target {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                expected: StatusCode::CREATED,
            },
            _home: home,
        }
    }

    fn cpu_time(&self) -> Duration {
        let times = self
            .processes
            .iter()
            .map(Child::id)
            .map(cpu_time::of_process);
        times.sum()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts the service that finds every PASSporT valid, on the core of this thread.
fn start_verifier() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let passed = json!({"verificationResponse": {"verstat": "TN-Validation-Passed"}});
            let router = Router::new().fallback(async || Json(passed));
            axum::serve(listener, router).await.unwrap();
        });
    });
    address
}
