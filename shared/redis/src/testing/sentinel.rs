//! A Sentinel, which replaces a primary that has died by its replica.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Client, Value};
use tempfile::TempDir;

use super::port::free_port;
use super::replicated::Replicated;
use super::wait::until;

/// The name under which the primary is known.
const NAME: &str = "store";
/// Longest wait until it knows both servers.
const SEEN: Duration = Duration::from_secs(30);

/// One Sentinel, which decides by itself. Killed when it is dropped.
#[derive(Debug)]
pub struct Sentinel {
    child: Child,
    port: u16,
    _home: TempDir,
}

impl Sentinel {
    /// Starts one and waits until it knows the primary and its replica.
    pub async fn start(watched: &Replicated) -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = free_port();
        let primary = watched.primary.address();
        let (ip, at) = (primary.ip(), primary.port());
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {NAME} {ip} {at} 1\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 5000\n",
            home.path().display()
        );
        let file = home.path().join("sentinel.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let sentinel = Self {
            child,
            port,
            _home: home,
        };
        until("the Sentinel to know the replica", SEEN, async || {
            let replicas = sentinel.replicas().await?;
            (replicas.len() == 1).then_some(())
        })
        .await;
        sentinel
    }

    /// `redis+sentinel://127.0.0.1:PORT/NAME`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{NAME}", self.port)
    }

    async fn replicas(&self) -> Option<Vec<Value>> {
        let client = Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let connection = client.get_multiplexed_async_connection().await;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("REPLICAS").arg(NAME);
        ask.query_async(&mut connection.ok()?).await.ok()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
