//! Messages get lost: of SIP in both directions, and answers of the CPS to stores. Each is
//! sent again, and nothing is paid for twice.

use std::collections::HashSet;

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_load::Books;
use pennyblack_tests::gateway_scene::{CALLED, WALLET};
use pennyblack_tests::lossy_path::{Loss, LossyPath};
use pennyblack_tests::lossy_proxy::LossyProxy;
use pennyblack_tests::sip_caller;
use pennyblack_tests::world::World;

use super::Extent;
use super::asking::{by_timetable, caller};
use super::scene::{Running, Wanted, runtime};
use crate::finding::{Finding, Goal, Unit};
use crate::pairs::Spread;

/// So many of a hundred are lost.
const LOST: u32 = 5;

const CALLS: usize = 1_000;

/// Keys of the called number: copies of each PASSporT.
const KEYS: usize = 2;

pub(super) fn measure(extent: &Extent) -> Vec<Finding> {
    let calls = extent.of(CALLS);
    let mut world = World::new(Clock::system());
    let outside = runtime();
    let proxy = outside.block_on(LossyProxy::before_cps(&mut world));
    let proxy = proxy.unwrap();
    let tokens = calls * KEYS + 64;
    let wanted = Wanted {
        tokens,
        more_mailboxes: KEYS - 1,
        ..Wanted::default()
    };
    let running = Running::start_in(world, extent, wanted);
    let path = running.wait(LossyPath::start(running.sip.sign)).unwrap();
    path.lose(Loss::Percent(LOST));
    proxy.lose_percent(LOST);
    let gateway = path.address();
    let answers = running.wait(by_timetable(calls, |number, _| async move {
        sip_caller::sign(gateway, &caller(number), CALLED).await
    }));
    let passports: HashSet<_> = answers.iter().flatten().collect();
    let passports = passports.len();
    let books = running.wait(Books::settled(&running.scene, &[WALLET], tokens));

    let off = |what, value: usize| {
        let value = Spread::once(value as f64);
        Finding::measured(what, "alive", Goal::AtMost(0.0), Unit::Count, value)
    };
    vec![
        off(
            "tokens spent more or less than PASSporTs × keys",
            books.spent.abs_diff(passports * KEYS),
        )
        .note(format!(
            "{passports} PASSporTs for {calls} calls; {KEYS} keys; {} tokens spent, {} copies at the CPS; {} SIP messages and {} answers \
             of the CPS were lost",
            books.spent,
            books.stored,
            path.lost(),
            proxy.lost(),
        )),
        off(
            "PASSporTs more or less than calls",
            passports.abs_diff(calls),
        ),
        off("tokens spent twice", books.double_spends),
    ]
}
