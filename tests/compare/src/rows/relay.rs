//! What a relay costs its operator: processor time of a request, and memory.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::StatusCode;
use pennyblack_ohttp::encapsulation::encapsulated_response_size;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::sealed::inner_get;
use reqwest::Client;

use crate::finding::{Finding, Goal, Unit};
use crate::floor_process::FloorProcess;
use crate::pairs::{Pairs, Spread};
use crate::pass_through;
use crate::relayed::{ANSWER, AT_ONCE, Relayed, Sealed, all, expect, http2, post};
use crate::report::number;
use crate::services::cpu_per_item;
use crate::setting::Setting;

/// Requests in one turn.
const REQUESTS: usize = 5_000;

/// Something that any CPS has. It is answered in as many bytes as a store.
const PATH: &str = "/log/key";

/// Clients after which memory is looked at.
const FEW: usize = 1_000;
const MANY: usize = 10_000;

/// How much more memory there may be then.
const GROWTH: f64 = 2.0 * 1024.0 * 1024.0;

fn sealed(scene: &Relayed) -> Sealed {
    scene.seal(inner_get(&scene.services.world, PATH))
}

/// The CPS remembers no requests, so one is sent again and again.
fn repeated(scene: &Relayed) -> Bytes {
    sealed(scene).into_bytes()
}

/// Bytes of each answer.
fn answer_size() -> usize {
    encapsulated_response_size(Kem::DhkemX25519, ANSWER.size())
}

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let requests = setting.scaled(REQUESTS);
    let scene = Relayed::start(setting.cores.load, setting.cores.service);
    let config = scene.config();
    let floor = FloorProcess::start(pass_through::ARGUMENT, setting.cores.service, [config]);
    let body = repeated(&scene);
    let send = |url: &str| {
        let sent = all(0..requests, async |number, _| {
            let answer = scene.post(number, url, body.clone()).await;
            assert_eq!(answer.content().len(), answer_size());
        });
        drop(scene.services.wait(sent));
    };
    let ours = || {
        expect(scene.exchange(vec![sealed(&scene)]), StatusCode::OK);
        cpu_per_item(|| scene.relay_time(), requests, || send(&scene.url()))
    };
    let through = format!("https://{}/", floor.address());
    let floor = || cpu_per_item(|| floor.cpu_time(), requests, || send(&through));
    let pairs = Pairs::measure(setting.pairs, ours, floor);
    let microseconds = |Spread { low, median, high }| Spread {
        low: low * 1e6,
        median: median * 1e6,
        high: high * 1e6,
    };
    vec![
        Finding::measured(
            "relay: processor time of a request",
            "nothing",
            Goal::AtMost(60.0),
            Unit::Microseconds,
            microseconds(pairs.ours()),
        )
        .note(format!(
            "{} bytes there and {} back, TLS and HTTP/2 on both sides, {AT_ONCE} at one time; {} \
             µs where bodies only pass by the same listener and the same connection, {} times \
             as much with the relay",
            body.len(),
            answer_size(),
            number(pairs.floor().median * 1e6),
            number(pairs.cost().median),
        )),
    ]
}

pub(super) fn memory(setting: &Setting) -> Vec<Finding> {
    let (few, many) = (setting.scaled(FEW), setting.scaled(MANY));
    let scene = Relayed::start_with(setting.cores.load, setting.cores.service, "");
    let body = repeated(&scene);
    let serve = |numbers: std::ops::Range<usize>| {
        let url = scene.url();
        let sent = all(numbers, async |_, number| {
            let client = nth_client(&scene, number);
            let answer = post(&client, &url, body.clone()).await.unwrap();
            assert_eq!(answer.content().len(), answer_size());
        });
        drop(scene.services.wait(sent));
        scene.relay_memory()
    };
    let at_start = scene.relay_memory();
    let after_few = serve(0..few);
    let after_many = serve(few..many);
    let megabytes = |bytes: f64| number(bytes / 1e6);
    vec![
        Finding::measured(
            format!("relay: growth of memory from {few} clients to {many}"),
            "nothing",
            Goal::AtMost(GROWTH),
            Unit::Bytes,
            Spread::once(after_many - after_few),
        )
        .note(format!(
            "{} MB at the start, {} MB after {few} clients, {} MB after {many}; each with an \
             address and a TLS connection of its own, and one request",
            megabytes(at_start),
            megabytes(after_few),
            megabytes(after_many),
        )),
    ]
}

/// A client at an address of its own; the next one is in another network.
fn nth_client(scene: &Relayed, number: usize) -> Client {
    let [high, low] = u16::try_from(number + 1).unwrap().to_be_bytes();
    let address = Ipv4Addr::from([127, 1, low, high]);
    let client = http2(&scene.services.world).local_address(Some(address.into()));
    client.build().unwrap()
}
