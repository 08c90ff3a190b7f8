//! A Lua script, known to the server by its digest.

/// A script that runs atomically in one hash slot.
#[derive(Debug)]
pub struct Script {
    source: &'static str,
    inner: redis::Script,
}

impl Script {
    /// A script of this source. It must name every key that it touches by `KEYS`,
    /// or derive it from one without leaving the hash tag.
    #[must_use]
    pub fn new(source: &'static str) -> Self {
        Self {
            source,
            inner: redis::Script::new(source),
        }
    }

    pub(super) fn by_digest(&self, keys: &[&[u8]], arguments: &[&[u8]]) -> redis::Cmd {
        command("EVALSHA", self.inner.get_hash(), keys, arguments)
    }

    /// Which leaves the script known to the server.
    pub(super) fn by_source(&self, keys: &[&[u8]], arguments: &[&[u8]]) -> redis::Cmd {
        command("EVAL", self.source, keys, arguments)
    }
}

fn command(name: &str, script: &str, keys: &[&[u8]], arguments: &[&[u8]]) -> redis::Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len());
    for part in keys.iter().chain(arguments) {
        command.arg(*part);
    }
    command
}
