//! What Redis is told of each node's journal, so that a second node in the same place, a
//! directory that was lost and a restored older one are found out. Redis may lose it:
//! then it is told again, and nothing was spent twice.

use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_redis::{Redis, RedisError, Script, cmd};

use super::membership::JournalId;
use super::owners::{NodeListId, Owners};

/// Why this node's journal is not the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Claim {
    #[error(
        "the node lists differ: Redis knows this node under another list of never_twice.nodes. Write \
         the same list, in the same order, at each node"
    )]
    OtherNodes,
    #[error(
        "another journal is at work as node {0}: two nodes have the same never_twice.node, or this \
         node's data directory was lost. Correct it or restore it, or accept this journal as it is \
         with \"pennyblack-cps --config FILE --accept-older-store\" (docs/redis.md), and start again"
    )]
    OtherJournal(usize),
    #[error(
        "the journal knows of fewer spends than Redis has seen of it: it is an older copy. Restore \
         it, or accept it as it is with \"pennyblack-cps --config FILE --accept-older-store\" (docs/redis.md), \
         and start again"
    )]
    Older,
}

/// Tells Redis, and asks it.
#[derive(Debug)]
pub(super) struct Claims {
    script: Script,
    spent: Script,
    namespace: String,
    own: usize,
    nodes: NodeListId,
}

impl Claims {
    pub(super) fn new(namespace: &str, own: usize, nodes: NodeListId) -> Self {
        Self {
            script: Script::new(include_str!("claim.lua")),
            spent: Script::new(include_str!("spent_at_others.lua")),
            namespace: namespace.to_owned(),
            own,
            nodes,
        }
    }

    /// Says what the journal knows. `None` when it is the one that counts.
    pub(super) async fn make(
        &self,
        redis: &Redis,
        journal: JournalId,
        counts: &[(TokenKeyId, u64)],
    ) -> Result<Option<Claim>, RedisError> {
        let (node, spends) = (self.node_key(), self.spends_key());
        let place = self.own.to_string();
        let counts: Vec<_> = counts
            .iter()
            .map(|(epoch, count)| (epoch.0, count.to_string()))
            .collect();
        let mut arguments: Vec<&[u8]> = vec![&journal.0, &self.nodes.0, place.as_bytes()];
        for (epoch, count) in &counts {
            arguments.extend([epoch.as_slice(), count.as_bytes()]);
        }
        let keys = [node.as_bytes(), spends.as_bytes()];
        let word: String = redis.write(&self.script, &keys, &arguments).await?;
        match word.as_str() {
            "ours" => Ok(None),
            "nodes" => Ok(Some(Claim::OtherNodes)),
            "journal" => Ok(Some(Claim::OtherJournal(self.own))),
            "older" => Ok(Some(Claim::Older)),
            _ => Err(RedisError::Form(format!("a claim: {word:?}"))),
        }
    }

    /// Takes an epoch out of what is known of this node's journal. The spends of it
    /// stay, for the other nodes to count.
    pub(super) async fn close(&self, redis: &Redis, epoch: TokenKeyId) -> Result<(), RedisError> {
        let key = self.node_key();
        let mut delete = cmd("HDEL");
        delete.arg(&key).arg(&epoch.0);
        redis.command::<u64>(delete, key.as_bytes()).await?;
        Ok(())
    }

    /// Forgets what is known of this node's journal.
    pub(super) async fn forget(&self, redis: &Redis) -> Result<(), RedisError> {
        let key = self.node_key();
        let mut delete = cmd("DEL");
        delete.arg(&key);
        redis.command::<u64>(delete, key.as_bytes()).await?;
        Ok(())
    }

    /// How many tokens of an epoch the other nodes have said to be spent; `None` when
    /// Redis has lost what one of them said, until that node repeats it.
    pub(super) async fn spent_at_others(
        &self,
        redis: &Redis,
        epoch: TokenKeyId,
        owners: &Owners,
    ) -> Result<Option<u64>, RedisError> {
        let others: Vec<_> = (0..owners.nodes().len())
            .filter(|node| *node != self.own)
            .collect();
        if others.is_empty() {
            return Ok(Some(0));
        }
        let fields: Vec<Vec<u8>> = others
            .iter()
            .map(|node| [epoch.0.as_slice(), node.to_string().as_bytes()].concat())
            .collect();
        let nodes = others.iter().map(|node| self.key_of(*node));
        let keys: Vec<_> = std::iter::once(self.spends_key()).chain(nodes).collect();
        let keys: Vec<_> = keys.iter().map(String::as_bytes).collect();
        let fields: Vec<_> = fields.iter().map(Vec::as_slice).collect();
        let answer: Vec<String> = redis.read(&self.spent, &keys, &fields).await?;
        let form = || RedisError::Form(format!("spends of other nodes: {} parts", answer.len()));
        match answer.split_first() {
            Some((word, [])) if word == "lost" => Ok(None),
            Some((word, counts)) if word == "counted" => {
                let counts = counts.iter().map(|count| count.parse::<u64>());
                let sum = counts.sum::<Result<u64, _>>();
                sum.map(Some).map_err(|_| form())
            }
            _ => Err(form()),
        }
    }

    fn key_of(&self, node: usize) -> String {
        format!("{}{{never-twice}}n{node}", self.namespace)
    }

    fn node_key(&self) -> String {
        self.key_of(self.own)
    }

    fn spends_key(&self) -> String {
        format!("{}{{never-twice}}s", self.namespace)
    }
}
