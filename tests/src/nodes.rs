//! Several processes of one CPS, to be killed and started again one by one.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pennyblack_runtime::config::PublicConfig;

use crate::answer::Answer;
use crate::port::free_port;
use crate::process::{Process, write_config_of};
use crate::wait::until;
use crate::world::World;

/// Longest wait until a node notices something.
const NOTICED: Duration = Duration::from_secs(60);

/// The nodes of a world's CPS.
#[derive(Debug)]
pub struct Nodes {
    program: &'static str,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    name: String,
    config: pennyblack_cps::Config,
    process: Option<Process>,
}

impl Nodes {
    /// Starts `count` of them: each with a data directory and ports of its own, and
    /// whatever `change` does to the configuration of the node at a place. The first one
    /// leads the log.
    pub async fn start(
        program: &'static str,
        world: &Arc<World>,
        count: usize,
        change: impl Fn(usize, &mut pennyblack_cps::Config),
    ) -> Self {
        Self::start_after(program, world, count, change, |_| ()).await
    }

    /// The same, after something was done with them while none runs.
    pub async fn start_after(
        program: &'static str,
        world: &Arc<World>,
        count: usize,
        change: impl Fn(usize, &mut pennyblack_cps::Config),
        before: impl FnOnce(&Self),
    ) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        for place in 0..count {
            let name = format!("cps-{place}");
            let mut config = world.cps.clone();
            let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
            config.public = PublicConfig::plain(address);
            config.cps.data_directory = world.path(&format!("{name}-data"));
            change(place, &mut config);
            let leader = nodes.first().map(|first| first.config.public.listen);
            config.transparency_log.leader = leader.map(|leader| format!("http://{leader}"));
            nodes.push(Node {
                name,
                config,
                process: None,
            });
        }
        let mut all = Self { program, nodes };
        before(&all);
        for place in 0..count {
            all.restart(place, world).await;
        }
        all
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Where they listen, also while they are dead.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let nodes = self.nodes.iter();
        nodes.map(|node| node.config.public.listen).collect()
    }

    /// Where the one at a place keeps what is its own.
    #[must_use]
    pub fn data_directory(&self, place: usize) -> &Path {
        &self.nodes[place].config.cps.data_directory
    }

    /// Runs the program of the one at a place with its configuration and one more
    /// argument, which makes it end by itself; whether it succeeded, and what it said.
    pub fn say(&self, place: usize, argument: &str, world: &World) -> (bool, String) {
        let node = &self.nodes[place];
        let config = write_config_of(&node.name, &node.config, world);
        let mut command = Command::new(self.program);
        command.arg("cps").arg("--config").arg(config).arg(argument);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.success(), said)
    }

    /// Ends the one at a place at this instant (SIGKILL).
    pub fn kill(&mut self, place: usize) {
        if let Some(process) = self.nodes[place].process.take() {
            process.kill();
        }
    }

    /// Restarts all of them, one after another: each is asked to end (SIGTERM), and
    /// ready again before the next one's turn.
    pub async fn roll(&mut self, world: &World) {
        for place in 0..self.count() {
            if let Some(process) = self.nodes[place].process.take() {
                process.stop().await;
            }
            self.restart(place, world).await;
        }
    }

    /// Waits until the one at a place says of itself that it is not ready, for the reason
    /// that has these words.
    pub async fn until_not_ready(&self, place: usize, why: &str, world: &World) {
        let process = self.nodes[place].process.as_ref().unwrap();
        let url = format!("http://{}/readyz", process.addresses().admin);
        until("a node that is not ready", NOTICED, async || {
            let answer = Answer::to(world.client.get(&url)).await.ok()?;
            let said = String::from_utf8_lossy(&answer.body);
            let is_unready = answer.status == StatusCode::SERVICE_UNAVAILABLE;
            (is_unready && said.contains(why)).then_some(())
        })
        .await;
    }

    /// Starts the one at a place, after ending it if it runs, and waits until it is
    /// ready.
    pub async fn restart(&mut self, place: usize, world: &World) {
        self.kill(place);
        let node = &mut self.nodes[place];
        let config = write_config_of(&node.name, &node.config, world);
        let mut command = Command::new(self.program);
        command.arg("cps").arg("--config").arg(config);
        let process = Process::start_named(command, &node.name, world).await;
        node.process = Some(process);
    }
}
