//! A primary and its replica.

use std::time::Duration;

use super::server::{Options, RedisServer};
use super::wait::until;

/// Longest wait for the replica.
const SYNC: Duration = Duration::from_secs(30);
/// A port of the system's own where no server of ours listens (tcpmux).
const NOBODY: u16 = 1;

/// Two servers; one follows the other.
#[derive(Debug)]
pub struct Replicated {
    /// Takes the writes. After a failover the one that was the replica before.
    pub primary: RedisServer,
    /// Follows. After a failover the old primary, dead.
    pub replica: RedisServer,
}

impl Replicated {
    /// Starts both and waits until the replica follows.
    pub async fn start(options: Options) -> Self {
        let primary = RedisServer::start(options.clone()).await;
        let replica = RedisServer::start(options).await;
        follow(&replica, &primary).await;
        let both = Self { primary, replica };
        both.until_in_sync().await;
        both
    }

    /// Waits until the replica has all that the primary has.
    pub async fn until_in_sync(&self) {
        until("the replica to have everything", SYNC, async || {
            let followed = self.replica.info("replication").await;
            if followed["master_link_status"] != "up" {
                return None;
            }
            let written = self.primary.info("replication").await;
            let same = written["master_repl_offset"] == followed["slave_repl_offset"];
            same.then_some(())
        })
        .await;
    }

    /// Cuts the link between the two: what the primary takes from now on, the
    /// replica does not have.
    pub async fn part(&self) {
        let nobody = format!("REPLICAOF 127.0.0.1 {NOBODY}");
        self.replica.command::<()>(&nobody).await;
    }

    /// Lets the replica follow again.
    pub async fn reunite(&self) {
        follow(&self.replica, &self.primary).await;
        self.until_in_sync().await;
    }

    /// Kills the primary and makes the replica one, with what it has. After
    /// [`Self::part`] that is less than the primary acknowledged.
    pub async fn fail_over(&mut self) {
        self.primary.kill();
        self.replica.command::<()>("REPLICAOF NO ONE").await;
        std::mem::swap(&mut self.primary, &mut self.replica);
    }

    /// Starts the dead former primary as the replica of the new one, whose data it
    /// takes over.
    pub async fn rejoin(&mut self) {
        self.replica.restart().await;
        self.reunite().await;
    }
}

async fn follow(replica: &RedisServer, primary: &RedisServer) {
    let address = primary.address();
    let command = format!("REPLICAOF {} {}", address.ip(), address.port());
    replica.command::<()>(&command).await;
}
