//! Anonymous stores: token verified, `K_temp` verified, spent, appended, durable.

use http::StatusCode;
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::process::Role;
use pennyblack_tests::world::World;

use super::transnexus;
use crate::finding::{Finding, Goal, Unit};
use crate::floors;
use crate::http_load::{CONNECTIONS, closed_loop, request};
use crate::machine::on_core;
use crate::no_op::NoOp;
use crate::pairs::Pairs;
use crate::report::number;
use crate::services::{Services, cpu_per_item};
use crate::setting::Setting;

/// Stores in one turn.
const STORES: usize = 4_000;
/// What the research peer's server takes for one publish, as its authors report.
const SIDECAR: f64 = 4.98e-3;

/// Ready requests to store in a mailbox, each with a token of its own.
pub(crate) async fn prepare(world: &World, mailbox: &Mailbox, count: usize) -> Vec<Vec<u8>> {
    let tokens = world.draw(count).await;
    let requests = tokens.iter().map(|token| {
        let signed = world.spend(token, mailbox, "a.passport.as.long.as.needed");
        let headers = signed.headers();
        request("POST", STORE_PATH, &headers, signed.body())
    });
    requests.collect()
}

fn against_transnexus(setting: &Setting, ours: &Pairs) -> Finding {
    let what = "the same, end to end";
    let peer = "TransNexus call-placement-service and its Redis, in memory";
    let goal = Goal::AtLeast(5.0);
    let Some(clone) = &setting.transnexus else {
        let why = "it is in no package registry: clone it and say --transnexus DIRECTORY";
        return Finding::not_measured(what, peer, goal, Unit::Times, why);
    };
    let theirs = transnexus::seconds_per_publish(setting, clone);
    let pairs = Pairs::of(
        theirs
            .iter()
            .map(|theirs| (ours.ours().median, *theirs))
            .collect(),
    );
    Finding::measured(what, peer, goal, Unit::Times, pairs.speed()).note(format!(
        "the peer takes {} µs of processor time a publish; who verifies the PASSporT for it \
         is not counted",
        number(pairs.floor().median * 1e6)
    ))
}

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let stores = setting.scaled(STORES);
    let services = Services::on_its_core(setting);
    let no_op = NoOp::start(setting.cores.service, StatusCode::CREATED, 0);
    let mailbox = services.wait(services.world.mailbox());
    let count = stores * (setting.pairs + 1);
    let requests = services.wait(prepare(&services.world, &mailbox, count));
    let cps = services.target(Role::Cps, StatusCode::CREATED);
    let mut turns = requests.chunks(stores);
    let ours = || {
        let turn = turns.next().unwrap();
        let store = || drop(services.wait(closed_loop(cps, CONNECTIONS, turn)));
        cpu_per_item(|| services.cpu_time(Role::Cps), stores, store)
    };
    let floor = || {
        let some = &requests[..stores];
        let post = || drop(services.wait(closed_loop(no_op.target(), CONNECTIONS, some)));
        let post = cpu_per_item(|| no_op.cpu_time(), stores, post);
        let checks = on_core(setting.cores.service, || {
            floors::rsa_verification(2_000) + floors::ed25519_verification(2_000)
        });
        post + checks
    };
    let pairs = Pairs::measure(setting.pairs, ours, floor);
    let microseconds = number(pairs.ours().median * 1e6);
    vec![
        Finding::measured(
            "anonymous store, durable, per core",
            "no-op POST + RSA verification + Ed25519 verification",
            Goal::AtLeast(0.8),
            Unit::Times,
            pairs.speed(),
        )
        .note(format!(
            "{microseconds} µs of processor time a store, the floor {} µs; {CONNECTIONS} \
             connections",
            number(pairs.floor().median * 1e6)
        )),
        Finding::measured(
            "the same, end to end",
            "Jodi/Sidecar: 4.98 ms of server time a publish, as reported; not run here",
            Goal::AtLeast(50.0),
            Unit::Times,
            Pairs::of(vec![(pairs.ours().median, SIDECAR)]).speed(),
        ),
        against_transnexus(setting, &pairs),
    ]
}
