use std::fs;

use pennyblack_redis::RedisOptions;

use super::*;
use crate::config::tests::example_with;

/// What a node that has joined a Redis remembers; or one that has only looked for it.
fn fence(store: Option<&str>) -> String {
    let seen = vec![serde_json::json!({"own": 0, "total": 0}); 256];
    let node = "11".repeat(16);
    serde_json::json!({"node": node, "store": store, "seen": seen}).to_string()
}

#[derive(Debug, Clone, Copy)]
enum Level {
    Directory,
    Redis,
    NeverTwice,
}

/// What a start at a level says over a directory with these files.
fn start(level: Level, files: &[(&str, &str)]) -> String {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut config = example_with(&[]).unwrap();
    config.cps.data_directory = home.path().to_owned();
    if !matches!(level, Level::Directory) {
        let url = "redis://127.0.0.1:6379".parse().unwrap();
        config.store = Some(RedisOptions::new(url));
    }
    if matches!(level, Level::NeverTwice) {
        config.never_twice = Some(crate::config::NeverTwiceConfig {
            nodes: vec!["http://127.0.0.1:1".to_owned()],
            node: 0,
            tls_roots: None,
        });
    }
    let allowed = EarlierSpends::of(&config).and_then(|earlier| earlier.allow(&config));
    allowed.map_or_else(|error| error.to_string(), |()| "carries on".to_owned())
}

#[test]
fn a_store_begins_only_where_no_spends_are_elsewhere() {
    use Level::{Directory, NeverTwice, Redis};
    let joined = fence(Some(&"22".repeat(16)));
    let looked = fence(None);
    let embedded = ("store/journal", "");
    let in_redis = ("redis/fence.json", joined.as_str());
    let asked = ("redis/fence.json", looked.as_str());
    let aside = ("store-moved-to-redis/journal", "");
    let marked = ("store/moved-to-redis", "");
    let journal = ("never-twice/nodes.json", "");
    let good = "carries on";
    let put_back = "Set [store] to that Redis, as it was";
    let move_rest = "move the rest with";
    let other = "[never_twice] was set";
    let cases: &[(Level, &[_], &str)] = &[
        (Directory, &[], good),
        (Directory, &[embedded], good),
        // The Redis was never reached.
        (Directory, &[embedded, asked], good),
        (Directory, &[asked], good),
        (Directory, &[in_redis], put_back),
        (Directory, &[in_redis, aside], put_back),
        (Directory, &[aside], put_back),
        // Renamed back, or a move that broke off.
        (Directory, &[in_redis, embedded], move_rest),
        (Directory, &[aside, embedded], move_rest),
        (Directory, &[marked, embedded], move_rest),
        (Directory, &[journal], other),
        (Redis, &[], good),
        (Redis, &[in_redis, aside], good),
        (Redis, &[embedded], "--move-store-to-redis"),
        (Redis, &[in_redis, embedded], move_rest),
        (Redis, &[marked, embedded], move_rest),
        (Redis, &[journal], other),
        (NeverTwice, &[], good),
        (NeverTwice, &[journal], good),
        (NeverTwice, &[asked], good),
        (NeverTwice, &[embedded], other),
        (NeverTwice, &[in_redis], other),
        (Directory, &[("redis/fence.json", "{}")], "fence.json"),
    ];
    for (level, files, expected) in cases {
        let said = start(*level, files);
        assert!(said.contains(expected), "{level:?} {files:?}: {said}");
    }
}
