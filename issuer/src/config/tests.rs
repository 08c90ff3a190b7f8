use std::path::Path;

use pennyblack_runtime::config::example::{ExampleKeys, keys_of};
use pennyblack_runtime::config::{Sources, load};

use super::*;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/issuer.example.toml");

fn example_with(settings: &[&str]) -> Result<Config, String> {
    let settings: Vec<_> = settings.iter().map(|text| (*text).to_owned()).collect();
    let sources = Sources {
        file: Some(Path::new(EXAMPLE)),
        environment: &[],
        settings: &settings,
    };
    load(sources).map_err(|error| error.to_string())
}

#[test]
fn the_example_is_the_default_configuration() {
    let example = example_with(&[]).unwrap();
    let default = Config::local(
        "localhost:8701".parse().unwrap(),
        "issuer-data".into(),
        "issuer-data/roots".into(),
    );
    let expected = Config {
        public: PublicConfig {
            listen: "127.0.0.1:8701".parse().unwrap(),
            ..default.public
        },
        admin: AdminConfig {
            listen: "127.0.0.1:8702".parse().unwrap(),
            ..AdminConfig::default()
        },
        ..default
    };
    assert_eq!(example, expected);
}

#[test]
fn header_sections_may_be_larger_than_elsewhere_unless_it_is_said() {
    let limit = |settings: &[&str]| example_with(settings).unwrap().public.limits.header_bytes;
    assert_eq!(limit(&[]), 40_960);
    assert_eq!(limit(&["public.limits.idle=5s"]), 40_960);
    assert_eq!(limit(&["public.limits.header_bytes=9000"]), 9_000);
}

#[test]
fn every_key_that_the_example_explains_exists() {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| line.strip_prefix("#:").unwrap_or(line))
        .fold(String::new(), |all, line| all + line + "\n");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("all.toml");
    std::fs::write(&path, uncommented).unwrap();
    let sources = Sources {
        file: Some(&path),
        environment: &[],
        settings: &[],
    };
    let all: Config = load(sources).unwrap();
    let limits = all.allowance().of(&"spc:683G".parse().unwrap());
    assert_eq!(limits.tokens, 262_144);
    assert!(all.public.tls.is_some());
    assert!(all.trust.revocation_lists.is_some());
    assert_eq!(all.store.unwrap().replicas, 1);
}

#[test]
fn what_the_example_shows_as_defaults_are_the_defaults() {
    let required = [
        "store.url=redis://127.0.0.1:6379",
        "token_keys.wrapping_key=/etc/pennyblack/wrapping.key",
    ];
    let keys = keys_of::<Config>(Path::new(EXAMPLE), &required).unwrap();
    let without_default = [
        "public.tls.certificate",
        "public.tls.key",
        "signing.batch",
        "signing.queue",
        "signing.workers",
        "store.ca_file",
        "store.namespace",
        "store.password_file",
        "transparency_log.leader",
        "transparency_log.tls_roots",
        "trust.revocation_lists",
    ];
    assert_eq!(keys, ExampleKeys::all_default_but(without_default));
    // Which do have a default, by another way.
    assert_eq!(SigningConfig::default().batch(), 256);
}

/// What docs/redis.md tells operators to write.
#[test]
fn the_documented_store_is_taken() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/redis.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("## Several issuers").unwrap();
    let (_, block) = section.split_once("```toml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut key = String::new();
    let mut settings = Vec::new();
    for line in block.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('[') {
            Some(section) => key = section.trim_end_matches(']').to_owned(),
            None => settings.push(format!("{key}.{line}")),
        }
    }
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let config = example_with(&settings).unwrap();
    assert!(config.store.is_some() && config.token_keys.wrapping_key.is_some());
}

#[test]
fn epochs_are_no_shorter_than_a_log_has_room_for_keys() {
    let with = |announced: &str, epoch: &str| {
        let announced = format!("token_keys.announce_ahead={announced}");
        let epoch = format!("token_keys.epoch={epoch}");
        example_with(&["token_keys.directory_max_age=1s", &announced, &epoch])
    };
    with("20m", "21m").unwrap();
    let said = with("2s", "5m").unwrap_err();
    assert!(said.contains("20m or more"), "{said}");
    let said = with("20m", "5m").unwrap_err();
    assert!(said.contains("token_keys.epoch"), "{said}");
}

#[test]
fn lengths_that_contradict_each_other_are_refused_by_name() {
    for (setting, key) in [
        ("token_keys.announce_ahead=1h", "token_keys.announce_ahead"),
        ("token_keys.epoch=3h", "token_keys.epoch"),
        (
            "token_keys={directory_max_age=\"1m\", announce_ahead=\"19m\"}",
            "token_keys.announce_ahead",
        ),
        (
            "token_keys.directory_max_age=0s",
            "token_keys.directory_max_age",
        ),
        ("trust.reload=0s", "trust.reload"),
        (
            "quota.subject=[{name=\"683G\", tokens=1}]",
            "quota.subject.name",
        ),
        (
            "quota.subject=[{name=\"spc:683G\", tokens=1}, {name=\"spc:683g\", tokens=2}]",
            "quota.subject.name",
        ),
        ("signing.workers=0", "signing.workers"),
        ("issuer.authority=https://a", "issuer.authority"),
        ("store.url=redis://localhost", "token_keys.wrapping_key"),
        (
            "token_keys.wrapping_key=wrapping.key",
            "token_keys.wrapping_key",
        ),
    ] {
        let said = example_with(&[setting]).unwrap_err();
        assert!(said.contains(key), "{setting}: {said}");
    }
}
