//! Entries in one mailbox: what a page of it costs, wherever it begins, and what one
//! more entry does.

use std::hint::black_box;
use std::time::{Duration, Instant};

use http::StatusCode;
use pennyblack_cps::store::Store as _;
use pennyblack_sealing::envelope::Cursor;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_tests::process::Role;

use super::curve::{Curve, Expectation, SLACK, Series, by_turns};
use super::{own_microseconds, sized};
use crate::cpu_time::seconds_per_call;
use crate::finding::Unit;
use crate::http_load::{CONNECTIONS, closed_loop, request};
use crate::rows::storing;
use crate::services::{Services, cpu_per_item};
use crate::setting::Setting;
use crate::store::{Filling, mailbox, spend, window};

/// Entries of the mailboxes, of which each is a multiple of a page.
const SIZES: [u64; 4] = [128, 1_280, 12_800, 128_000];
/// Entries of mailboxes that are filled by requests, within the minute they live.
const REQUESTED: [u64; 3] = [16, 160, 1_600];
/// Spends in a turn, and pages.
const TURN: u64 = 4_000;
const PAGES: usize = 5_000;
const POLLS: usize = 2_000;
/// Entries of a page: the most that there are.
const PAGE: usize = 64;
/// Bytes of an entry: this is about their number.
const ENTRY: usize = 256;

pub(super) fn measure(setting: &Setting) -> Vec<Curve> {
    let mut curves = in_the_store(setting);
    curves.push(over_http(setting));
    curves
}

/// One mailbox of the store that holds so many entries.
struct Filled {
    mailbox: MailboxId,
    /// In front of the first page, a page in the middle, and the last one.
    cursors: [Cursor; 3],
}

fn in_the_store(setting: &Setting) -> Vec<Curve> {
    let home = tempfile::tempdir().unwrap();
    let filling = Filling::open(home.path());
    let mut next = 0;
    let mut spend_in = |id: MailboxId, count: u64| {
        let first = next;
        next += count;
        filling.spend(count, |number| {
            let spend = spend(first + number, ENTRY, &filling.clock);
            spend.moved(Some(id), None)
        });
    };
    let mut scenes = SIZES.map(|size| {
        let id = mailbox(size);
        spend_in(id, size);
        (size as f64, filled(&filling, id, size))
    });
    let pages = setting.scaled(PAGES);
    let [first, middle, last] = by_turns(setting.pairs, &mut scenes, |scene| {
        scene
            .cursors
            .map(|cursor| read(&filling, scene.mailbox, cursor, pages))
    });
    let turn = sized(setting, TURN);
    let [stored] = by_turns(setting.pairs, &mut scenes, |scene| {
        [own_microseconds(turn, || spend_in(scene.mailbox, turn))]
    });
    let flat = |name: &str, samples| Series::new(name, Expectation::Flat(SLACK), samples);
    vec![
        Curve {
            name: "entries-retrieve",
            title: "Reading a page of 64 out of a mailbox",
            growing: "living entries of the mailbox",
            cost: "processor time of the store for one page",
            unit: Unit::Microseconds,
            series: vec![
                flat("the first page", first),
                flat("one in the middle", middle),
                flat("the last page", last),
            ],
        },
        Curve {
            name: "entries-store",
            title: "Storing one more entry in a mailbox",
            growing: "living entries of the mailbox before",
            cost: "processor time for one, sender included",
            unit: Unit::Microseconds,
            series: vec![flat("a spend with its entry", stored)],
        },
    ]
}

/// The mailbox with the cursors in front of three of its pages.
fn filled(filling: &Filling, mailbox: MailboxId, size: u64) -> Filled {
    let (size, now) = (size as usize, filling.clock.now());
    let page = |max| {
        filling
            .store
            .page(mailbox, window(Cursor::START, max, ENTRY), now)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let after = |max| runtime.block_on(page(max)).unwrap().next;
    Filled {
        mailbox,
        cursors: [Cursor::START, after((size - PAGE) / 2), after(size - PAGE)],
    }
}

/// Microseconds for one page.
fn read(filling: &Filling, mailbox: MailboxId, after: Cursor, pages: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let now = filling.clock.now();
    let seconds = seconds_per_call(pages, || {
        let page = runtime.block_on(filling.store.page(mailbox, window(after, PAGE, ENTRY), now));
        assert_eq!(black_box(page.unwrap()).entries().len(), PAGE);
    });
    seconds * 1e6
}

/// Polls of mailboxes in a CPS.
fn over_http(setting: &Setting) -> Curve {
    let services = Services::on_its_core(setting);
    let [created, ok] =
        [StatusCode::CREATED, StatusCode::OK].map(|status| services.target(Role::Cps, status));
    let prepared = REQUESTED.map(|size| {
        let mailbox = services.wait(services.world.mailbox());
        let stores = storing::prepare(&services.world, &mailbox, size as usize);
        (size as f64, mailbox.id(), services.wait(stores))
    });
    let stored = Instant::now();
    let polls = setting.scaled(POLLS);
    let mut scenes = prepared.map(|(size, mailbox, stores)| {
        services.wait(closed_loop(created, CONNECTIONS, &stores));
        let path = format!("/v1/mailboxes/{mailbox}?slots=16&after=0");
        (size, vec![request("GET", &path, &[], &[]); polls])
    });
    let [polled] = by_turns(setting.pairs, &mut scenes, |requests| {
        let poll = || drop(services.wait(closed_loop(ok, CONNECTIONS, requests)));
        [cpu_per_item(|| services.cpu_time(Role::Cps), polls, poll) * 1e6]
    });
    let lived = Duration::from_secs(55);
    assert!(
        stored.elapsed() < lived,
        "entries died while they were read"
    );
    Curve {
        name: "entries-poll",
        title: "Polling a mailbox for 16 slots",
        growing: "living entries of the mailbox",
        cost: "processor time of the CPS for a poll",
        unit: Unit::Microseconds,
        series: vec![Series::new("a poll", Expectation::Flat(SLACK), polled)],
    }
}
