use std::path::Path;
use std::time::Duration;

use pennyblack_runtime::config::example::{ExampleKeys, keys_of};
use pennyblack_runtime::config::{Sources, load};

use super::*;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway.example.toml");

const LISTEN: &str = "sip.sign.listen=[\"udp:127.0.0.1:5060\"]";

/// The example with these settings.
pub(crate) fn example_with(settings: &[&str]) -> Result<Config, String> {
    let settings: Vec<_> = settings.iter().map(|text| (*text).to_owned()).collect();
    let sources = Sources {
        file: Some(Path::new(EXAMPLE)),
        environment: &[],
        settings: &settings,
    };
    load(sources).map_err(|error| error.to_string())
}

/// The example with all that it shows commented out, or with its values as they are without.
fn everything() -> Config {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let lines = text.lines();
    let uncommented = lines.map(|line| line.strip_prefix("#:").unwrap_or(line));
    let uncommented: Vec<_> = uncommented.collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("all.toml");
    std::fs::write(&path, uncommented.join("\n")).unwrap();
    let sources = Sources {
        file: Some(&path),
        environment: &[],
        settings: &[],
    };
    load(sources).unwrap()
}

#[test]
fn every_key_that_the_example_explains_exists_and_its_defaults_are_true() {
    let all = everything();
    let example = example_with(&[]).unwrap();
    assert_eq!(all.signing, example.signing);
    assert_eq!(all.public.limits, example.public.limits);
    let (verify, by_default) = (all.verify.unwrap(), example.verify.unwrap());
    assert_eq!(verify.engine(), by_default.engine());
    let (store, by_default) = (all.store.unwrap(), example.store.unwrap());
    assert_eq!(store.engine(), by_default.engine());
    assert_eq!(all.calls.numbers, Numbers::Never);
    let [trunk, default] = [&all.trunk[0], &example.trunk[0]];
    assert_eq!(
        (&trunk.orig_from, trunk.trust_pai, trunk.attest),
        (&default.orig_from, default.trust_pai, default.attest)
    );
    assert!(trunk.certificate.is_some() && all.http.api_keys.is_some());
}

#[test]
fn what_the_example_shows_as_defaults_are_the_defaults() {
    // As they are in the example.
    let required = [
        "sip.sign.listen=[\"udp:127.0.0.1:5060\", \"tcp:127.0.0.1:5060\"]",
        "sip.verify.listen=[\"udp:127.0.0.1:5062\", \"tcp:127.0.0.1:5062\"]",
    ];
    let keys = keys_of::<Config>(Path::new(EXAMPLE), &required).unwrap();
    let without_default = [
        "calls.file",
        "http.allow",
        "http.api_keys",
        "network.ca_file",
        "network.proxy",
        "oblivious.log_keys",
        "oblivious.relays",
        "oblivious.rosters",
        "oblivious.witnesses",
        "oblivious.witnesses_needed",
        "public.tls.certificate",
        "public.tls.key",
        "sip.sign.allow",
        "sip.sign.next_hop",
        "sip.verify.allow",
        "sip.verify.next_hop",
        "store.directory",
        "store.records_file",
        "store.rosters",
        "trust.certificate_hosts",
        "trust.certificates",
        "trust.numbering",
        "trust.revocation_lists",
        "verify.cps",
    ];
    assert_eq!(keys, ExampleKeys::all_default_but(without_default));
}

#[test]
fn bodies_are_small_and_connections_stay_open_unless_it_is_said() {
    let limits = |settings: &[&str]| example_with(settings).unwrap().public.limits;
    assert_eq!(limits(&[]).body_bytes, 65_536);
    assert_eq!(limits(&[]).idle, Duration::from_secs(60));
    assert_eq!(limits(&["public.limits.idle=5s"]).body_bytes, 65_536);
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    for (settings, key) in [
        (&["public.listen=192.0.2.1:80"][..], "public.listen"),
        (
            &["public.listen=192.0.2.1:80", "public.behind_proxy=true"],
            "http.allow",
        ),
        (&["http.root=stir/"], "http.root"),
        (&["http.root=/a b"], "http.root"),
        (&["http.allow=[\"10.0.0.0/33\"]"], "http.allow"),
        (
            &["store.key_records.prefixes=[]"],
            "store.key_records.prefixes",
        ),
        (&["store.directory=a.db"], "store.rosters"),
        (&["store.rosters=kept"], "store.rosters"),
        (&["verify.mailboxes=[]"], "verify.mailboxes"),
        (&["verify.wait=1s"], "verify.deadline"),
        (&["signing.deadline=soon"], "signing.deadline"),
        (&["signing.deadline=0s"], "signing.deadline"),
        (&["signing.deadline=1000000000years"], "signing.deadline"),
        (&["signing.keep_trying=2m"], "signing.keep_trying"),
        (&["signing.max_stores=0"], "signing.max_stores"),
        (&["verify.deadline=1000000000years"], "verify.deadline"),
        (&["store.max_copies=0"], "store.max_copies"),
        (&["store.key_records.every=0s"], "store.key_records.every"),
        (
            &["store.key_records.max_records=0"],
            "store.key_records.max_records",
        ),
        (&["signing.dead_line=1s"], "signing"),
        (&["gateway.role=neither"], "gateway.role"),
        (&["trunk=[]"], "trunk"),
        (&["trunk=[{name=\"a\"}, {name=\"a\"}]"], "trunk.name"),
        (
            &["trunk=[{name=\"a\", api_keys=[\"b\"]}]"],
            "trunk.api_keys",
        ),
        (
            &["trunk=[{name=\"a\", certificate=\"b\"}]"],
            "trunk.certificate",
        ),
        (
            &["trunk=[{name=\"a\", certificate=\"b\", key=\"c\", x5u=\"http://d\"}]"],
            "trunk.x5u",
        ),
        (
            &["trunk=[{name=\"a\", country_code=\"+49\"}]"],
            "trunk.country_code",
        ),
        (&["trunk=[{name=\"a\", attest=\"D\"}]"], "attest"),
        (&["sip.sign.listen=[]"], "sip.sign.listen"),
        (
            &["sip.sign.listen=[\"udp:192.0.2.1:5060\"]"],
            "sip.sign.allow",
        ),
        (
            &["sip.verify.listen=[\"tcp:[::]:5060\"]"],
            "sip.verify.allow",
        ),
        (
            &["sip.sign.listen=[\"sctp:127.0.0.1:5060\"]"],
            "sip.sign.listen",
        ),
        (
            &["sip.sign.listen=[\"udp:localhost:5060\"]"],
            "sip.sign.listen",
        ),
        (&["sip.sign.answer=301", LISTEN], "sip.sign.answer"),
        (&["sip.sign.nothing=200", LISTEN], "sip.sign.nothing"),
        (&["sip.sign.carry=body", LISTEN], "sip.sign.carry"),
        (&["sip.sign.next_hop=\"a b\"", LISTEN], "sip.sign.next_hop"),
        (&["sip.limits.connections=0"], "sip.limits.connections"),
        (&["sip.limits.decisions=0"], "sip.limits.decisions"),
        (&["sip.limits.bytes=100000"], "at least 132608"),
        (&["verify.follow.every=1ms"], "verify.follow"),
    ] {
        let said = example_with(settings).unwrap_err();
        assert!(said.contains(key), "{settings:?}: {said}");
    }
}

#[test]
fn an_address_without_its_prefix_is_told_what_a_network_is() {
    for setting in ["http.allow=[\"192.0.2.7\"]", "http.allow=[\"sbc.example\"]"] {
        let said = example_with(&[setting]).unwrap_err().to_string();
        assert!(said.contains("\"192.0.2.7/32\""), "{said}");
    }
}

#[test]
fn a_role_needs_its_side_and_no_other() {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let (head, rest) = text.split_once("[store]").unwrap();
    let (_, verify) = rest.split_once("[verify]").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("verify.toml");
    std::fs::write(&path, format!("{head}[verify]{verify}")).unwrap();
    let with = |settings: &[&str]| -> Result<Config, String> {
        let settings: Vec<_> = settings.iter().map(|text| (*text).to_owned()).collect();
        let sources = Sources {
            file: Some(&path),
            environment: &[],
            settings: &settings,
        };
        load(sources).map_err(|error| error.to_string())
    };
    assert!(with(&[]).unwrap_err().contains("store"));
    let said = with(&["gateway.role=verify"]).unwrap_err();
    assert!(said.contains("verify.cps"), "{said}");
    with(&[
        "gateway.role=verify",
        "verify.cps=[\"https://cps.example\"]",
    ])
    .unwrap();
}
