use std::path::Path;

use pennyblack_runtime::config::example::{ExampleKeys, keys_of};
use pennyblack_runtime::config::{Sources, load};

use super::*;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/relay.example.toml");

/// The example with these settings.
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
fn what_the_example_shows_as_defaults_are_the_defaults() {
    let keys = keys_of::<Config>(Path::new(EXAMPLE), &[]).unwrap();
    let without_default = ["public.tls.certificate", "public.tls.key"];
    assert_eq!(keys, ExampleKeys::all_default_but(without_default));
}

#[test]
fn every_key_of_a_gateway_is_one() {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let (_, gateway) = text.split_once("[[gateway]]").unwrap();
    let gateway: GatewaySection = toml_of(gateway);
    assert!(gateway.tls_roots.is_some() && gateway.identity().is_some());
}

fn toml_of(section: &str) -> GatewaySection {
    let lines = section
        .lines()
        .filter(|line| line.starts_with("#:") || !line.starts_with('#'));
    let lines = lines.map(|line| line.strip_prefix("#:").unwrap_or(line));
    let pairs: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let setting = format!("gateway=[{{{}}}]", pairs.join(", "));
    example_with(&[&setting]).unwrap().gateway.remove(0)
}

#[test]
fn a_gateway_without_a_path_has_that_of_the_rfc() {
    for (url, path) in [
        ("https://cps.example", "/.well-known/ohttp-gateway"),
        ("https://cps.example/", "/.well-known/ohttp-gateway"),
        ("https://cps.example/a/b", "/a/b"),
    ] {
        let gateway = format!("gateway=[{{name=\"a\", url=\"{url}\"}}]");
        assert_eq!(example_with(&[&gateway]).unwrap().gateway[0].path(), path);
    }
}

#[test]
fn a_gateway_may_have_longer_connections_than_the_others() {
    const CPS: &str = "name=\"a\", url=\"https://cps.example\"";
    for (forward, own, most) in [
        ("122880", "", 122_880),
        ("8000", "", 8_000),
        ("8000", ", replace_after_bytes=16000", 16_000),
        ("8000", ", replace_after_bytes=\"never\"", u64::MAX),
        ("\"never\"", ", replace_after_bytes=16000", 16_000),
    ] {
        let forward = format!("forward.replace_after_bytes={forward}");
        let config = example_with(&[&forward, &format!("gateway=[{{{CPS}{own}}}]")]).unwrap();
        let kept = config.forward.kept(&config.gateway[0]);
        assert_eq!(kept.replace_after_bytes, most, "{forward}{own}");
    }
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    let gateway = |members: &str| format!("gateway=[{{{members}}}]");
    let two = "{name=\"a\", url=\"https://a.example\"}";
    for (setting, key) in [
        ("public.listen=192.0.2.1:80".to_owned(), "public.listen"),
        ("clients.at_once=0".to_owned(), "clients.at_once"),
        (
            "clients.requests_a_second=0".to_owned(),
            "clients.requests_a_second",
        ),
        (
            "clients.network_times=0".to_owned(),
            "clients.network_times",
        ),
        ("forward.streams=0".to_owned(), "forward.streams"),
        ("forward.deadline=10s".to_owned(), "forward.deadline"),
        ("forward.deadline=0s".to_owned(), "forward.deadline"),
        (
            "forward.answer_bytes=100000000".to_owned(),
            "forward.answer_bytes",
        ),
        ("forward.retries=1".to_owned(), "forward"),
        (
            "forward.replace_after_bytes=seldom".to_owned(),
            "expected a number of bytes, or \"never\"",
        ),
        ("gateway=[]".to_owned(), "gateway"),
        (format!("gateway=[{two}, {two}]"), "gateway.name"),
        (
            gateway("name=\"a/b\", url=\"https://a.example\""),
            "gateway.name",
        ),
        (
            gateway("name=\"\", url=\"https://a.example\""),
            "gateway.name",
        ),
        (gateway("name=\"a\", url=\"http://a.example\""), "url"),
        (gateway("name=\"a\", url=\"https://u@a.example\""), "url"),
        (gateway("name=\"a\", url=\"https://a.example/b?c\""), "url"),
        (
            gateway("name=\"a\", url=\"https://a.example\", client_key=\"k\""),
            "gateway.client_key",
        ),
    ] {
        let said = example_with(&[&setting]).unwrap_err();
        assert!(said.contains(key), "{setting}: {said}");
    }
}

#[test]
fn a_relay_is_not_its_own_gateway() {
    for (own, gateway, is_refused) in [
        ("relay.example", "https://relay.example", true),
        (
            "relay.example:8443",
            "https://Relay.example:9443/path",
            true,
        ),
        ("relay.example", "https://cps.example", false),
        ("localhost:8731", "http://localhost:8731", true),
        // Trials on one machine.
        ("localhost:8731", "http://localhost:8711", false),
    ] {
        let authority = format!("relay.authority={own}");
        let gateway = format!("gateway=[{{name=\"a\", url=\"{gateway}\"}}]");
        let read = example_with(&[&authority, &gateway]);
        assert_eq!(read.is_err(), is_refused, "{own} {gateway}: {read:?}");
    }
}
