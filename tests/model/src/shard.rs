//! One slot's server and its replica.

/// What one server holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Copy<T> {
    /// The data.
    pub value: T,
    /// How many writes made it, by all nodes.
    pub writes: u8,
    /// How many of them each node made.
    pub writes_of: [u8; 2],
    /// A node has found that this store is older than what it knew.
    pub halted: bool,
}

/// A primary, and the replica that takes its place when it dies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Shard<T> {
    /// Takes the commands.
    pub primary: Copy<T>,
    /// Has all that was replicated so far.
    pub replica: Copy<T>,
    /// How often the replica took over.
    pub reign: u8,
}

impl<T: Clone> Shard<T> {
    /// The replica gets everything.
    pub fn replicate(&mut self) {
        self.replica = self.primary.clone();
    }

    /// The primary dies; the replica takes over, with what it has.
    pub fn fail_over(&mut self) {
        self.primary = self.replica.clone();
        self.reign += 1;
    }

    /// One write, of a node.
    pub fn write(&mut self, node: usize, change: impl FnOnce(&mut T)) {
        change(&mut self.primary.value);
        self.primary.writes += 1;
        self.primary.writes_of[node] += 1;
    }
}
