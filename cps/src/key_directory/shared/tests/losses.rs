//! What Redis loses comes back within a turn of a node that knows it, whatever was lost
//! or written just before or since. All records here lie in one shard.

use pennyblack_redis::testing::until;

use super::holder::{Holder, NOW};
use super::*;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);
const LATER: UnixTime = UnixTime(NOW.0 + 100);

/// What outlives a node, and one that shares the records in a server.
struct Node {
    shared: SharedRecords,
    home: tempfile::TempDir,
}

impl Node {
    async fn start(server: &RedisServer, holder: &Holder) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = RedisOptions::new(server.url().parse().unwrap());
        let lifetime = Duration::from_secs(120);
        let store = RedisStore::open(&options, LIMITS, lifetime, home.path()).unwrap();
        store.examine().await;
        let shared = SharedRecords::new(holder.directory(home.path()), store);
        Self { shared, home }
    }

    fn at_work(&self) -> AtWork<'_> {
        AtWork {
            node: self,
            reader: Reader::new(&self.shared),
            reconciliation: Reconciliation::new(&self.shared),
        }
    }
}

/// A node's two tasks, taken by hand.
struct AtWork<'a> {
    node: &'a Node,
    reader: Reader<'a>,
    reconciliation: Reconciliation<'a>,
}

impl AtWork<'_> {
    /// What both tasks do in a second, in the order that is worse.
    async fn turn(&mut self, now: UnixTime) {
        self.read(now).await;
        self.compare(now).await;
    }

    /// Connections from before a restart of Redis are gone, and noticed.
    async fn read(&mut self, now: UnixTime) {
        let nothing = self.node.home.path().join("keys");
        until("key records to be read", PATIENCE, async || {
            self.reader.catch_up(&nothing, now).await.ok()
        })
        .await;
    }

    async fn compare(&mut self, now: UnixTime) {
        until("key records to be compared", PATIENCE, async || {
            self.reconciliation.turn(now).await.ok()
        })
        .await;
    }

    /// As if it had not read for a minute.
    fn has_been_away(&self) {
        *self.node.shared.read_at.lock().unwrap() =
            Instant::now().checked_sub(READ_WITHIN).unwrap();
    }

    async fn register(&self, token: &str) {
        let registered = register(&self.node.shared, token, NOW).await;
        assert_eq!(registered.unwrap(), Registered::Stored);
    }

    /// What it lists.
    fn listed(&self) -> Vec<String> {
        let all = self.node.shared.directory.all();
        let mut all: Vec<_> = all
            .iter()
            .map(|record| record.as_str().to_owned())
            .collect();
        all.sort();
        all
    }

    /// The records in Redis.
    async fn stored(&self) -> Vec<String> {
        let first = RecordShard::all().next().unwrap();
        let page = self.node.shared.shards.page(first, 0).await.unwrap();
        let mut all: Vec<_> = page
            .records
            .into_iter()
            .map(|record| record.token)
            .collect();
        all.sort();
        all
    }
}

fn sorted<const N: usize>(mut tokens: [String; N]) -> [String; N] {
    tokens.sort();
    tokens
}

async fn empty(server: &RedisServer) {
    server.command::<()>("FLUSHALL").await;
}

#[tokio::test]
async fn a_loss_just_after_one_that_was_mended_is_mended_too() {
    let (server, holder) = (server().await, Holder::new());
    let node = Node::start(&server, &holder).await;
    let mut node = node.at_work();
    node.turn(NOW).await;
    let record = holder.sign(&holder.record());
    node.register(&record).await;
    node.turn(NOW).await;
    for _ in 0..3 {
        empty(&server).await;
        node.turn(NOW).await;
        assert_eq!(node.stored().await, std::slice::from_ref(&record));
    }
    // Also between its two halves.
    for _ in 0..2 {
        empty(&server).await;
        node.read(NOW).await;
        empty(&server).await;
        node.compare(NOW).await;
        assert_eq!(node.stored().await, std::slice::from_ref(&record));
        empty(&server).await;
        node.compare(NOW).await;
        assert_eq!(node.stored().await, std::slice::from_ref(&record));
    }
}

#[tokio::test]
async fn a_record_that_is_lost_before_its_node_has_read_anything_comes_back() {
    let (server, holder) = (server().await, Holder::new());
    let node = Node::start(&server, &holder).await;
    let mut node = node.at_work();
    node.turn(NOW).await;
    let record = holder.sign(&holder.record());
    node.register(&record).await;
    empty(&server).await;
    node.turn(NOW).await;
    assert_eq!(node.stored().await, [record]);
}

#[tokio::test]
async fn a_loss_that_a_registration_at_another_node_hides_is_mended() {
    let (server, holder) = (server().await, Holder::new());
    let nodes = [
        Node::start(&server, &holder).await,
        Node::start(&server, &holder).await,
    ];
    let [mut one, mut two] = nodes.each_ref().map(Node::at_work);
    one.turn(NOW).await;
    two.turn(NOW).await;
    let [first, second] = [(); 2].map(|()| holder.sign(&holder.record()));
    one.register(&first).await;
    one.turn(NOW).await;
    empty(&server).await;
    // The shard's last version is above all that the first node has seen.
    two.register(&second).await;
    one.turn(NOW).await;
    two.turn(NOW).await;
    let both = sorted([first, second]);
    assert_eq!(one.stored().await, both);
    assert_eq!((one.listed(), two.listed()), (both.to_vec(), both.to_vec()));
}

#[tokio::test]
async fn what_an_older_dump_has_not_comes_back_although_somebody_wrote_since() {
    let (mut server, holder) = (server().await, Holder::new());
    let nodes = [
        Node::start(&server, &holder).await,
        Node::start(&server, &holder).await,
    ];
    let [mut one, mut two] = nodes.each_ref().map(Node::at_work);
    one.turn(NOW).await;
    two.turn(NOW).await;
    let record = holder.record();
    one.register(&holder.sign(&record)).await;
    let dump = server.back_up();
    // The same end, so that only the version tells the two apart.
    let newer = KeyRecord {
        iat: UnixTime(record.iat.0 + 1),
        ..record
    };
    let [newer, other, later] =
        [newer, holder.record(), holder.record()].map(|record| holder.sign(&record));
    one.register(&newer).await;
    one.register(&other).await;
    one.turn(NOW).await;
    server.restore(&dump).await;
    two.read(NOW).await;
    two.register(&later).await;
    one.turn(NOW).await;
    two.turn(NOW).await;
    let all = sorted([newer, other, later]);
    assert_eq!(one.stored().await, all);
    assert_eq!((one.listed(), two.listed()), (all.to_vec(), all.to_vec()));
}

#[tokio::test]
async fn a_loss_that_is_found_while_redis_is_full_is_mended_when_it_is_not() {
    let (server, holder) = (server().await, Holder::new());
    let node = Node::start(&server, &holder).await;
    let mut node = node.at_work();
    node.turn(NOW).await;
    let record = holder.sign(&holder.record());
    node.register(&record).await;
    node.turn(NOW).await;
    empty(&server).await;
    node.read(NOW).await;
    server.set_config("maxmemory", "1").await;
    node.reconciliation.turn(NOW).await.unwrap_err();
    server.set_config("maxmemory", "0").await;
    // All that is known by version is unknown by then.
    node.has_been_away();
    node.turn(NOW).await;
    assert_eq!(node.stored().await, [record]);
}

#[tokio::test]
async fn a_record_that_was_withdrawn_is_put_back_by_nobody() {
    let (server, holder) = (server().await, Holder::new());
    let nodes = [
        Node::start(&server, &holder).await,
        Node::start(&server, &holder).await,
    ];
    let [mut one, mut two] = nodes.each_ref().map(Node::at_work);
    one.turn(NOW).await;
    let record = holder.record();
    one.register(&holder.sign(&record)).await;
    two.turn(NOW).await;
    assert_eq!(two.listed().len(), 1);
    let end = KeyRecord {
        iat: UnixTime(record.iat.0 + 1),
        exp: UnixTime(record.iat.0 + 2),
        ..record.clone()
    };
    one.register(&holder.sign(&end)).await;
    // The other node reads that after its end.
    two.turn(LATER).await;
    assert!(two.listed().is_empty());
    for node in [&mut one, &mut two] {
        // What Redis has lost of it is put back, but not its text.
        empty(&server).await;
        node.turn(LATER).await;
        assert!(node.stored().await.is_empty());
    }
    // Nor by anybody who has kept it, though Redis knows of nothing any more.
    for node in [&one, &two] {
        let again = register(&node.node.shared, &holder.sign(&record), LATER).await;
        assert!(matches!(again, Err(Refusal::OlderRecord)), "{again:?}");
    }
    // Nor at a node that starts after the loss.
    let three = Node::start(&server, &holder).await;
    let mut three = three.at_work();
    three.turn(LATER).await;
    let again = register(&three.node.shared, &holder.sign(&record), LATER).await;
    assert!(matches!(again, Err(Refusal::OlderRecord)), "{again:?}");
    // It gives way to a newer one.
    let newer = KeyRecord {
        iat: UnixTime(record.iat.0 + 3),
        ..record
    };
    let newer = holder.sign(&newer);
    register(&three.node.shared, &newer, LATER).await.unwrap();
    for node in [&mut one, &mut two] {
        node.turn(LATER).await;
        assert_eq!(node.listed(), std::slice::from_ref(&newer));
    }
}

#[tokio::test]
async fn a_node_that_was_away_takes_what_was_removed_meanwhile_for_no_loss() {
    let (server, holder) = (server().await, Holder::new());
    let node = Node::start(&server, &holder).await;
    let mut node = node.at_work();
    node.turn(NOW).await;
    let [record, other] = [(); 2].map(|()| holder.record());
    node.register(&holder.sign(&record)).await;
    node.register(&holder.sign(&other)).await;
    node.turn(NOW).await;
    // As if it had been replaced by one that has ended, which this node has not read.
    remove(&server, &record).await;
    node.has_been_away();
    node.turn(NOW).await;
    assert_eq!(node.stored().await, [holder.sign(&other)]);
    // One that was there all the time knows better.
    remove(&server, &other).await;
    node.turn(NOW).await;
    assert_eq!(node.stored().await, [holder.sign(&other)]);
}

#[tokio::test]
async fn a_node_that_was_away_writes_nothing_before_it_has_read() {
    let (server, holder) = (server().await, Holder::new());
    let node = Node::start(&server, &holder).await;
    let mut node = node.at_work();
    node.turn(NOW).await;
    let [known, new] = [(); 2].map(|()| holder.sign(&holder.record()));
    node.register(&known).await;
    node.turn(NOW).await;
    empty(&server).await;
    node.has_been_away();
    // Its version would be above all that this node has seen, and hide the loss.
    let early = register(&node.node.shared, &new, NOW).await;
    assert!(matches!(early, Err(Refusal::Storage(_))), "{early:?}");
    node.turn(NOW).await;
    node.register(&new).await;
    node.turn(NOW).await;
    assert_eq!(node.stored().await, sorted([known, new]));
}

/// Removes one record alone.
async fn remove(server: &RedisServer, record: &KeyRecord) {
    let id = RecordDigest::of(&(record.key.mailbox(), record.iss.clone()));
    let mut connection = server.connect().await.unwrap();
    for (command, key) in [("HDEL", "r"), ("ZREM", "v"), ("ZREM", "e")] {
        let mut command = pennyblack_redis::cmd(command);
        command.arg(format!("cps{{keys-0}}{key}")).arg(&id.0);
        let removed: u64 = command.query_async(&mut connection).await.unwrap();
        assert_eq!(removed, 1);
    }
}

#[tokio::test]
async fn every_shard_of_a_large_directory_is_compared_within_sixteen_turns() {
    let (server, holder) = (server().await, Holder::new());
    let node = Node::start(&server, &holder).await;
    for shard in 0..64 {
        for number in 0..1_100_u16 {
            let mut id = [shard; 32];
            id[1..3].copy_from_slice(&number.to_be_bytes());
            // Known, not there, and not listed: to be forgotten when that is found.
            node.shared.known.found(RecordDigest(id), 1);
        }
    }
    let left = || {
        let known = RecordShard::all().map(|shard| node.shared.known.of(shard).len());
        known.filter(|count| *count > 0).count()
    };
    let mut node_at_work = node.at_work();
    node_at_work.compare(NOW).await;
    assert_eq!(left(), 60);
    for _ in 1..16 {
        node_at_work.compare(NOW).await;
    }
    assert_eq!(left(), 0);
}

/// It starts while its Redis is emptied or half imported.
#[tokio::test]
async fn a_node_that_knows_nothing_reads_nothing_of_a_store_that_refuses() {
    let (server, holder) = (server().await, Holder::new());
    let home = tempfile::tempdir().unwrap();
    let options = RedisOptions::new(server.url().parse().unwrap());
    let open = || RedisStore::open(&options, LIMITS, Duration::from_secs(120), home.path());
    let before = open().unwrap();
    before.examine().await;
    before.save().await;
    drop(before);
    empty(&server).await;
    let store = open().unwrap();
    store.examine().await;
    assert!(store.refusing().is_some());
    let shared = SharedRecords::new(holder.directory(home.path()), store.clone());
    let (mut reader, nothing) = (Reader::new(&shared), home.path().join("keys"));
    let read = reader.catch_up(&nothing, NOW).await;
    assert!(matches!(read, Err(RecordTakeoverError::Refusing(_))));
    assert!(shared.directory.check_complete().is_err());
    // Once an operator has accepted it, what is there is all there is.
    let accepted = RedisStore::accept_older(&options, home.path()).await;
    accepted.unwrap();
    store.examine().await;
    reader.catch_up(&nothing, NOW).await.unwrap();
    assert!(shared.directory.check_complete().is_ok());
}
