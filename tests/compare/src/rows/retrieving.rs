//! Polls: an envelope of sixteen slots, sealed afresh.

use http::StatusCode;
use pennyblack_sealing::envelope::Slots;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::process::Role;

use crate::finding::{Finding, Goal, Unit};
use crate::floors;
use crate::http_load::{CONNECTIONS, closed_loop, request};
use crate::machine::on_core;
use crate::no_op::NoOp;
use crate::pairs::Pairs;
use crate::report::number;
use crate::services::{Services, cpu_per_item};
use crate::setting::Setting;

/// Polls in one turn.
const POLLS: usize = 6_000;

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let polls = setting.scaled(POLLS);
    let services = Services::on_its_core(setting);
    let size = Slots::Sixteen.envelope_size(Kem::DhkemX25519);
    let no_op = NoOp::start(setting.cores.service, StatusCode::OK, size);
    let mailbox = services.wait(services.world.mailbox());
    let path = format!("/v1/mailboxes/{}?slots=16&after=0", mailbox.id());
    let requests = vec![request("GET", &path, &[], &[]); polls];
    let cps = services.target(Role::Cps, StatusCode::OK);
    let ours = || {
        let poll = || drop(services.wait(closed_loop(cps, CONNECTIONS, &requests)));
        cpu_per_item(|| services.cpu_time(Role::Cps), polls, poll)
    };
    let floor = || {
        let get = || drop(services.wait(closed_loop(no_op.target(), CONNECTIONS, &requests)));
        let get = cpu_per_item(|| no_op.cpu_time(), polls, get);
        let sealing = on_core(setting.cores.service, || {
            floors::hpke_seal(2_000) + floors::aes_gcm(size, 5_000)
        });
        get + sealing
    };
    let pairs = Pairs::measure(setting.pairs, ours, floor);
    vec![
        Finding::measured(
            "retrieval, envelope sealed afresh, 16 slots",
            "no-op GET + X25519 HPKE seal + AES-GCM of the page",
            Goal::AtLeast(0.8),
            Unit::Times,
            pairs.speed(),
        )
        .note(format!(
            "{} µs of processor time a poll, the floor {} µs",
            number(pairs.ours().median * 1e6),
            number(pairs.floor().median * 1e6)
        )),
    ]
}
