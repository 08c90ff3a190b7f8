//! STIR certificates: a chain parsed and checked, and one that was before.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_client::trust::load_trust;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::{TrustPolicy, verify_chain};

use crate::cpu_time::seconds_per_call;
use crate::finding::{Finding, Goal, Unit};
use crate::floors;
use crate::machine::on_core;
use crate::pairs::{Pairs, Spread};
use crate::report::number;
use crate::setting::Setting;

const CALLS: usize = 2_000;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let home = tempfile::tempdir().unwrap();
    let now = Clock::system().now();
    let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), WEEK, now).unwrap();
    let request = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
    pki.issue("carrier", &request, None, now).unwrap();
    let chain = pki.credential("carrier").unwrap().path().to_vec();
    let trust = load_trust(&pki.roots_path(), None, now).unwrap();
    let anchors = Arc::new(trust.anchors().clone());
    let calls = setting.scaled(CALLS);
    let core = setting.cores.service;

    let fresh = || {
        on_core(core, || {
            seconds_per_call(calls, || {
                // A policy of its own remembers no chain.
                let trust = TrustPolicy::new(Arc::clone(&anchors));
                black_box(verify_chain(&chain, &trust, now).unwrap());
            })
        })
    };
    let floor = || on_core(core, || 2.0 * floors::es256_verification(calls));
    let pairs = Pairs::measure(setting.pairs, fresh, floor);

    let known = || {
        on_core(core, || {
            seconds_per_call(calls, || {
                black_box(verify_chain(&chain, &trust, now).unwrap());
            })
        })
    };
    known();
    let known = Spread::of((0..setting.pairs).map(|_| known() * 1e6));
    vec![
        Finding::measured(
            "STIR certificate: parse and check the chain",
            "two ES256 verifications",
            Goal::AtMost(1.15),
            Unit::Times,
            pairs.cost(),
        )
        .note(format!(
            "{} µs a chain, the floor {} µs",
            number(pairs.ours().median * 1e6),
            number(pairs.floor().median * 1e6)
        )),
        Finding::measured(
            "the same chain again",
            "nothing",
            Goal::AtMost(5.0),
            Unit::Microseconds,
            known,
        ),
    ]
}
