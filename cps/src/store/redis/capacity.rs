//! What a spent token costs in the server's memory, and looking it up in its time,
//! for each layout that was considered: the figures of docs/capacity.md. With
//! `PENNYBLACK_TOKENS=1000000` and `--nocapture` it prints them.

use std::time::Duration;

use pennyblack_redis::testing::{Options, RedisServer};
use pennyblack_redis::{Redis, RedisOptions, Script};

/// Tokens that one run of the script records, so that it stays short.
const AT_ONCE: u64 = 10_000;

/// A way to record tokens. `tokens` is what an epoch would hold for a bucket to have
/// as many as it has here.
struct Layout {
    what: &'static str,
    kind: &'static str,
    /// Tokens in one bucket; 0 for one bucket in each shard.
    in_a_bucket: u64,
    /// The server's `hash-max-listpack-value`.
    listpack_value: &'static str,
}

const LAYOUTS: [Layout; 7] = [
    Layout {
        what: "a key for each token",
        kind: "key",
        in_a_bucket: 1,
        listpack_value: "64",
    },
    Layout {
        what: "one hash in each shard",
        kind: "bucket",
        in_a_bucket: 0,
        listpack_value: "64",
    },
    Layout {
        what: "buckets, server's defaults",
        kind: "bucket",
        in_a_bucket: 381,
        listpack_value: "64",
    },
    Layout {
        what: "compact buckets of 4",
        kind: "bucket",
        in_a_bucket: 4,
        listpack_value: "128",
    },
    Layout {
        what: "compact buckets of 38",
        kind: "bucket",
        in_a_bucket: 38,
        listpack_value: "128",
    },
    Layout {
        what: "compact buckets of 381",
        kind: "bucket",
        in_a_bucket: 381,
        listpack_value: "128",
    },
    Layout {
        what: "buckets of 760, too full",
        kind: "bucket",
        in_a_bucket: 760,
        listpack_value: "128",
    },
];

struct Cost {
    bytes: u64,
    /// Of the server's time, for each token.
    write: f64,
    look: f64,
}

async fn cost(layout: &Layout, tokens: u64) -> Cost {
    let options = Options::in_memory().with("hash-max-listpack-value", layout.listpack_value);
    let server = RedisServer::start(options).await;
    let mut options = RedisOptions::new(server.url().parse().unwrap());
    options.answer = Duration::from_secs(60);
    let redis = Redis::new(&options).unwrap();
    let script = Script::new(include_str!("capacity.lua"));
    let buckets = match layout.in_a_bucket {
        0 => 256,
        entries => (tokens / entries).max(1),
    };
    let run = async |what: &str| {
        let mut spent = 0;
        for first in (0..tokens).step_by(usize::try_from(AT_ONCE).unwrap()) {
            let last = (first + AT_ONCE).min(tokens) - 1;
            let numbers = [buckets, first, last].map(|number| number.to_string());
            let [buckets, first, last] = numbers.each_ref().map(String::as_bytes);
            let arguments = [
                layout.kind.as_bytes(),
                buckets,
                first,
                last,
                what.as_bytes(),
            ];
            // It makes its keys itself; this one says which server is asked.
            let keys = [layout.kind.as_bytes()];
            spent += redis.read::<u64>(&script, &keys, &arguments).await.unwrap();
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let each = spent as f64 / tokens as f64;
        each
    };
    run("look").await;
    let before = server.used_memory().await;
    let write = run("write").await;
    let bytes = (server.used_memory().await - before) / tokens;
    let look = run("look").await;
    Cost { bytes, write, look }
}

#[tokio::test]
async fn the_layout_that_is_used_is_the_one_that_needs_least_memory() {
    let tokens = std::env::var("PENNYBLACK_TOKENS");
    let tokens = tokens.map_or(30_000, |number| number.parse().unwrap());
    println!("| layout, {tokens} tokens | bytes a token | µs to record | µs to look up |");
    println!("| --- | --: | --: | --: |");
    let mut bytes = Vec::new();
    for layout in &LAYOUTS {
        let cost = cost(layout, tokens).await;
        let Cost {
            bytes: each,
            write,
            look,
        } = cost;
        println!("| {} | {each} | {write:.1} | {look:.1} |", layout.what);
        bytes.push(each);
    }
    let [own_key, one_hash, defaults, _, filling, full, _] = bytes[..] else {
        panic!("{bytes:?}");
    };
    for compact in [filling, full] {
        assert!(compact < 170, "{bytes:?}");
        assert!(
            compact < own_key && compact < one_hash && compact < defaults,
            "{bytes:?}"
        );
    }
}
