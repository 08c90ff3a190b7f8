use std::path::Path;

use pennyblack_evidence::key_log_view::Demand;
use pennyblack_runtime::config::example::{ExampleKeys, keys_of};
use pennyblack_runtime::config::{Sources, load};
use pennyblack_service::known_clients::SpkiDigest;

use super::*;

const FEDERATION: &str = "federation={roster_directory=\"/etc/pennyblack/rosters\"}";
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cps.example.toml");

pub(crate) fn example_with(settings: &[&str]) -> Result<Config, String> {
    let settings: Vec<_> = settings.iter().map(|text| (*text).to_owned()).collect();
    let sources = Sources {
        file: Some(Path::new(EXAMPLE)),
        environment: &[],
        settings: &settings,
    };
    load(sources).map_err(|error| error.to_string())
}

#[test]
fn the_example_is_the_default_configuration_next_to_the_issuers_example() {
    let issuer = IssuerConfig {
        authority: "localhost:8701".parse().unwrap(),
        url: Some("http://localhost:8701".to_owned()),
        tls_roots: None,
        voprf_keys: None,
        log: Demand::Published,
        log_key: None,
        tokens: AcceptedTokens::Own,
    };
    let expected = Config {
        public: PublicConfig::plain("127.0.0.1:8711".parse().unwrap()),
        admin: AdminConfig {
            listen: "127.0.0.1:8712".parse().unwrap(),
            ..AdminConfig::default()
        },
        ..Config::local(
            "localhost:8711".parse().unwrap(),
            "cps-data".into(),
            "cps-data/roots".into(),
            issuer,
        )
    };
    assert_eq!(example_with(&[]).unwrap(), expected);
}

#[test]
fn every_key_that_the_example_explains_exists() {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let uncommented: String = text
        .lines()
        // Not with [store].
        .filter(|line| !line.starts_with("#:numbering_service"))
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
    assert!(all.key_records.numbering_table.is_some());
    assert!(all.trust.revocation_lists.is_some());
    assert!(all.store.is_some());
    assert!(all.never_twice.is_some());
    assert!(all.federation.is_some());
    let relay = RelayConfig {
        name: "relay-c".to_owned(),
        spki: RelayKey(SpkiDigest([0; 32])),
    };
    assert_eq!(
        all.oblivious,
        Some(ObliviousConfig {
            seed: Some("cps-data/oblivious-seed".into()),
            relay: vec![relay],
            ..ObliviousConfig::default()
        })
    );
}

#[test]
fn what_the_example_shows_as_defaults_are_the_defaults() {
    let nodes =
        "never_twice={nodes=[\"https://cps-1.example\", \"https://cps-2.example\"], node=0}";
    let required = [
        "store.url=redis://127.0.0.1:6379",
        nodes,
        "oblivious={}",
        FEDERATION,
    ];
    let keys = keys_of::<Config>(Path::new(EXAMPLE), &required).unwrap();
    let without_default = [
        "key_records.numbering_service",
        "key_records.numbering_table",
        "never_twice.tls_roots",
        "oblivious.seed",
        "public.tls.certificate",
        "public.tls.key",
        "store.ca_file",
        "store.namespace",
        "store.password_file",
        "transparency_log.leader",
        "transparency_log.tls_roots",
        "trust.revocation_lists",
    ];
    assert_eq!(keys, ExampleKeys::all_default_but(without_default));
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    for (setting, key) in [
        ("entries.lifetime=61s", "entries.lifetime"),
        ("entries.lifetime=4s", "entries.lifetime"),
        ("entries.mailbox_capacity=0", "entries.mailbox_capacity"),
        ("retrieval.answer_delay=0s", "retrieval.answer_delay"),
        ("retrieval.answer_delay=2s", "retrieval.answer_delay"),
        ("issuer=[]", "issuer"),
        (
            "issuer=[{authority=\"a.example\", url=\"http://a.example\"}]",
            "issuer.url",
        ),
        (
            "issuer=[{authority=\"a.example\", tokens=\"federation\", voprf_keys=\"keys\"}]",
            "issuer.tokens",
        ),
        (
            "issuer=[{authority=\"a.example\", tokens=\"both\", voprf_keys=\"keys\"}]",
            "issuer.tokens",
        ),
        ("cps.authority=https://a", "cps.authority"),
        ("store.url=http://localhost", "redis://"),
        (
            "never_twice={nodes=[\"http://127.0.0.1:1\"], node=0}",
            "[store]",
        ),
        ("oblivious.kems=[]", "oblivious.kems"),
        ("oblivious.kems=[\"x25519\",\"x25519\"]", "oblivious.kems"),
        ("oblivious.epoch=239m", "oblivious.epoch"),
        ("oblivious.epoch=91days", "oblivious.epoch"),
        ("oblivious.epoch=4h 1ms", "oblivious.epoch"),
        ("admin.listen=127.0.0.1:8711", "admin.listen"),
        (
            "witness=[{url=\"http://w.example/a\", key=\"k\"}]",
            "witness.url",
        ),
        (
            "witness=[{url=\"https://w.example/a\", key=\"k\"}]",
            "witness.key",
        ),
    ] {
        let said = example_with(&[setting]).unwrap_err();
        assert!(said.contains(key), "{setting}: {said}");
    }
}

#[test]
fn more_witnesses_than_a_checkpoint_has_lines_are_refused() {
    let witness = "{url=\"https://w.example\", key=\"witness.example+25db40ab+BFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhY\"}";
    let witnesses = |number| format!("witness=[{}]", vec![witness; number].join(","));
    example_with(&[&witnesses(32)]).unwrap();
    let said = example_with(&[&witnesses(33)]).unwrap_err();
    assert!(said.contains("33 witnesses"), "{said}");
}

#[test]
fn relays_that_cannot_be_known_are_refused_by_name() {
    let tls = "public.tls={certificate=\"c\", key=\"k\"}";
    let relay =
        |name: &str, digit: &str| format!("{{name=\"{name}\", spki=\"{}\"}}", digit.repeat(64));
    let relays = |relays: &[String]| format!("oblivious={{relay=[{}]}}", relays.join(","));
    let one = relays(&[relay("relay-c", "9")]);
    let known = example_with(&[tls, &one]).unwrap().oblivious.unwrap().relay;
    assert_eq!(known[0].spki, RelayKey(SpkiDigest([0x99; 32])));
    let digits = (0..17).map(|nth| format!("{{name=\"r{nth}\", spki=\"{nth:064x}\"}}"));
    let many: Vec<_> = digits.collect();
    for (setting, expected) in [
        (relays(&[relay("", "9")]), "oblivious.relay.name"),
        (relays(&[relay("a b", "9")]), "oblivious.relay.name"),
        (relays(&[relay("a", "9"), relay("a", "8")]), "twice"),
        (relays(&[relay("a", "9"), relay("b", "9")]), "twice"),
        (relays(&[relay("a", "x")]), "64 hexadecimal digits"),
        (relays(&[relay("a", "99")]), "64 hexadecimal digits"),
        (relays(&many), "at most 16"),
    ] {
        let said = example_with(&[tls, &setting]).unwrap_err();
        assert!(said.contains(expected), "{setting}: {said}");
    }
    example_with(&[tls, &relays(&many[..16])]).unwrap();
    let said = example_with(&[&one]).unwrap_err();
    assert!(said.contains("[public.tls]"), "{said}");
}

/// As many issuers, each with a name of this length.
fn issuers(number: usize, length: usize) -> String {
    let all = (0..number).map(|nth| {
        let name = format!("i{nth:02}.{}", "x".repeat(length - 4));
        format!("{{authority=\"{name}\"}}")
    });
    format!("issuer=[{}]", all.collect::<Vec<_>>().join(","))
}

#[test]
fn a_gateway_has_as_many_issuers_as_a_refused_store_can_name() {
    let (gateway, most) = ("oblivious={}", issuers(14, 20));
    let config = example_with(&[gateway, &most]).unwrap();
    assert_eq!(config.issuer.len(), 14);
    for many in [issuers(15, 20), issuers(14, 60)] {
        let said = example_with(&[gateway, &many]).unwrap_err();
        assert!(said.contains("issuer") && said.contains("8192"), "{said}");
        example_with(&[&many]).unwrap();
    }
}

#[test]
fn nodes_that_cannot_decide_are_refused_by_name() {
    let redis = "store.url=redis://127.0.0.1";
    for (nodes, said) in [
        ("{nodes=[], node=0}", "never_twice.node"),
        (
            "{nodes=[\"https://a.example\"], node=1}",
            "never_twice.node",
        ),
        (
            "{nodes=[\"https://a.example\", \"https://a.example\"], node=0}",
            "twice",
        ),
        ("{nodes=[\"http://a.example\"], node=0}", "https"),
    ] {
        let setting = format!("never_twice={nodes}");
        let refused = example_with(&[redis, &setting]).unwrap_err();
        assert!(refused.contains(said), "{nodes}: {refused}");
    }
    let good = "never_twice={nodes=[\"https://a.example\", \"http://127.0.0.1:1\"], node=1}";
    assert!(example_with(&[redis, good]).is_ok());
}

#[test]
fn a_numbering_service_does_not_go_with_several_nodes() {
    let asked = "key_records.numbering_service=http://localhost:8080";
    assert!(example_with(&[asked]).is_ok());
    let said = example_with(&[asked, "store.url=redis://127.0.0.1"]).unwrap_err();
    assert!(said.contains("key_records.numbering_service"), "{said}");
    assert!(said.contains("numbering import"), "{said}");
}
