//! Hints where the keys of numbers are: shown, made, and followed to CPSs of the roster alone.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::terminal::Scene;

const NO_KEY: i32 = 8;
const USAGE: i32 = 2;

/// Counts who connects, and answers nobody.
struct Listener {
    authority: String,
    connections: Arc<AtomicUsize>,
}

impl Listener {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                drop(stream);
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            authority,
            connections,
        }
    }
}

/// An office with a PKI, a wallet, and a roster that has this CPS.
fn office_with(cps: &str) -> Office {
    let office = Office(Scene::new().home);
    let day = (now(), now().plus(DAY));
    let roster = Council::new().with_cps(cps, "operator-r", (None, day), &[0, 1]);
    fs::create_dir(office.0.path().join("rosters")).unwrap();
    office.write("rosters/pin", &roster.pin().to_string());
    office.write("rosters/1.roster", &roster.to_string());
    office
}

fn call(office: &Office, more: &str) -> Ended {
    office.pennyblack(&format!(
        "call --wallet wallet.db --roots pki/roots --orig 12155550100 --dest 12155550100 \
         --cert pki/issued/office.pem --key pki/issued/office.key --deadline 5 {more}"
    ))
}

#[test]
fn a_hint_to_a_cps_outside_the_roster_makes_no_connection() {
    let listener = Listener::open();
    let stranger = office_with("https://cps.example");
    let hint = format!(
        "pki issue pki --name callee --range 12155550100+100 --cps-uri https://{}/oob/v1",
        listener.authority
    );
    stranger.pennyblack(&hint).exits_with(0);
    let hints = "--hints pki/issued/callee.pem --rosters rosters";
    call(&stranger, hints)
        .exits_with(NO_KEY)
        .has("names no CPS for 12155550100 that is in the roster of fed.example");
    let connections = || listener.connections.load(Ordering::SeqCst);
    assert_eq!(connections(), 0);

    // The same hint, once the roster has that CPS: it is asked, at the roster's address.
    let member = office_with(&format!("http://{}", listener.authority));
    member.pennyblack(&hint).exits_with(0);
    assert_ne!(call(&member, hints).exit, 0);
    assert!(connections() > 0, "the listener would have seen it");
}

#[test]
fn a_certificate_and_an_advertisement_say_where_keys_are() {
    let office = office_with("https://cps.example");
    let line = "pki issue pki --name callee --spc 683G --cps-uri https://CPS.example/oob \
                --cps-uri https://other.example --cps-uri-oid 1.3.6.1.4.1.32473.5";
    office.pennyblack(line).exits_with(0);
    let shown = office.pennyblack(
        "directory hints pki/issued/callee.pem --rosters rosters --cps-uri-oid 1.3.6.1.4.1.32473.5",
    );
    shown
        .exits_with(0)
        .has("SPC 683G https://CPS.example/oob of operator-c")
        .has("https://other.example not there");
    office
        .pennyblack("directory hints pki/issued/callee.pem")
        .exits_with(1)
        .has("the extension 1.3.6.1.4.1.32473.9888.1");

    let made = office.pennyblack(
        "mailbox advertise --cps https://other.example --spc 683G --range 12155550100+100 \
         --tn 12155550300",
    );
    made.exits_with(0);
    let expected = r#"{"0-683G":"https://other.example","1-12155550100-100":"https://other.example","2-12155550300":"https://other.example"}"#;
    assert_eq!(made.stdout.trim(), expected);
    office.write("advertisement.json", &made.stdout);
    let shown = office.pennyblack("directory hints advertisement.json --rosters rosters --json");
    let shown: serde_json::Value = serde_json::from_str(&shown.exits_with(0).stdout).unwrap();
    assert_eq!(shown["federation"], "fed.example");
    assert_eq!(shown["hints"].as_array().unwrap().len(), 3);
    assert_eq!(shown["hints"][1]["numbers"][0], "12155550100+100");
    let cps = &shown["hints"][1]["cpss"][0];
    assert_eq!(cps["uri"], "https://other.example");
    assert!(cps["member"].is_null());
    office
        .pennyblack("directory hints advertisement.json --rosters rosters")
        .exits_with(0)
        .has("the roster has none of them");
}

#[test]
fn options_that_do_nothing_alone_are_refused() {
    let office = office_with("https://cps.example");
    let cps = "--cps https://cps.example";
    for (line, said) in [
        (
            format!("{cps} --rosters rosters"),
            "name a relay, hints or a directory",
        ),
        (
            format!("{cps} --block-look-up b.db"),
            "name a relay with --relay",
        ),
        ("--hints x.pem".to_owned(), "--rosters"),
    ] {
        call(&office, &line).exits_with(USAGE).has(said);
    }
    call(&office, "--hints x.pem --rosters rosters")
        .exits_with(1)
        .has("x.pem");
}
