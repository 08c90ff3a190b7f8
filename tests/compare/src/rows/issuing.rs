//! Blind RSA tokens: attested requests over kept-alive connections.

use std::ffi::OsStr;

use http::StatusCode;
use pennyblack_privacypass::issuance::BATCH_REQUEST_TYPE;
use pennyblack_tests::drawing::attestation;
use pennyblack_tests::process::Role;

use crate::finding::{Finding, Goal, Unit};
use crate::floors;
use crate::http_load::{CONNECTIONS, closed_loop, request};
use crate::machine::on_core;
use crate::pairs::Pairs;
use crate::peer::{Comparison, Peer};
use crate::report::number;
use crate::services::{Services, cpu_per_item};
use crate::setting::Setting;

/// Tokens in one turn.
const TOKENS: usize = 2_048;
/// Tokens of a request.
const BATCH: usize = 64;
/// Such requests in one turn against a peer.
const PEER_BATCHES: usize = 16;
/// Tokens in one turn of the peer, which is much slower.
const PEER_TOKENS: usize = 200;

/// Ready requests for `batch` tokens each.
pub(super) fn prepare(services: &Services, requests: usize, batch: usize) -> Vec<Vec<u8>> {
    let world = &services.world;
    let one = || {
        let body = services.wait(world.drawing(batch)).body();
        let now = world.clock.now();
        let jwt = attestation(&world.carrier, world.issuer_name(), &body, now);
        let bearer = format!("Bearer {jwt}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", BATCH_REQUEST_TYPE),
        ];
        request("POST", "/token-request", &headers, &body)
    };
    std::iter::repeat_with(one).take(requests).collect()
}

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let services = Services::on_its_core(setting);
    let line = |batch: usize, what: &str| {
        let count = setting.scaled(TOKENS / batch);
        let issuer = services.target(Role::Issuer, StatusCode::OK);
        let ours = || {
            // An attestation is good for a minute.
            let requests = prepare(&services, count, batch);
            let draw = || drop(services.wait(closed_loop(issuer, CONNECTIONS, &requests)));
            cpu_per_item(|| services.cpu_time(Role::Issuer), count * batch, draw)
        };
        let floor = || {
            on_core(setting.cores.service, || {
                floors::rsa_private_operation(setting.scaled(1_000))
            })
        };
        let pairs = Pairs::measure(setting.pairs, ours, floor);
        Finding::measured(
            what,
            "OpenSSL's RSA-2048 private operation, as `openssl speed` runs it",
            Goal::AtLeast(0.92),
            Unit::Times,
            pairs.speed(),
        )
        .note(format!(
            "{} tokens a second and core, the floor {}",
            number(1.0 / pairs.ours().median),
            number(1.0 / pairs.floor().median)
        ))
    };
    vec![
        line(
            BATCH,
            "blind RSA tokens over HTTP, attested, per core, 64 a request",
        ),
        line(1, "the same, one a request"),
    ]
}

/// The same work by another implementation.
pub(super) fn against_peer(setting: &Setting) -> Vec<Finding> {
    let peer = Peer::start(setting, setting.cores.service, &[OsStr::new("issuing")]);
    let services = Services::on_its_core(setting);
    let batches = setting.scaled(PEER_BATCHES);
    let issuer = services.target(Role::Issuer, StatusCode::OK);
    let ours = || {
        let requests = prepare(&services, batches, BATCH);
        let draw = || drop(services.wait(closed_loop(issuer, CONNECTIONS, &requests)));
        cpu_per_item(|| services.cpu_time(Role::Issuer), batches * BATCH, draw)
    };
    let comparison = Comparison {
        what: "blind RSA tokens over HTTP, attested, per core",
        against: "the `privacypass` crate's issuer, without HTTP or attestation",
        goal: 6.5,
    };
    let note = |pairs: &Pairs| {
        format!(
            "{} tokens a second and core, the peer {}",
            number(1.0 / pairs.ours().median),
            number(1.0 / pairs.floor().median)
        )
    };
    let tokens = setting.scaled(PEER_TOKENS);
    vec![comparison.by_turns(setting, peer, tokens, ours, note)]
}
