//! Mailboxes that hold something: what it costs to store in one of them and to read
//! one.

use std::hint::black_box;

use pennyblack_cps::store::{Spend, Store as _};
use pennyblack_sealing::envelope::Cursor;
use tempfile::TempDir;

use super::curve::{Curve, Expectation, SLACK, Series, by_turns};
use super::{own_microseconds, scattered, sized};
use crate::cpu_time::seconds_per_call;
use crate::finding::Unit;
use crate::setting::Setting;
use crate::store::{Filling, mailbox, spend, window};

const SIZES: [u64; 5] = [10_000, 30_000, 100_000, 300_000, 1_000_000];
/// Spends in a turn, and pages.
const TURN: u64 = 4_000;
const PAGES: usize = 20_000;
/// Entries of a page.
const PAGE: usize = 16;
/// Bytes of an entry: this is about mailboxes.
const ENTRY: usize = 256;

/// A store in which so many mailboxes hold one living entry each.
struct Scene {
    filling: Filling,
    _home: TempDir,
    mailboxes: u64,
    next: u64,
}

impl Scene {
    fn filled(mailboxes: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut scene = Self {
            filling: Filling::open(home.path()),
            _home: home,
            mailboxes,
            next: 0,
        };
        scene.next = mailboxes;
        scene
            .filling
            .fill(mailboxes, scene.spends(0, |number| number));
        scene
    }

    /// Spends of tokens from number `first` on, each for the mailbox that `place`
    /// says.
    fn spends(&self, first: u64, place: impl Fn(u64) -> u64) -> impl Fn(u64) -> Spend {
        move |number| {
            let spend = spend(first + number, ENTRY, &self.filling.clock);
            spend.moved(Some(mailbox(place(number))), None)
        }
    }

    /// Stores in mailboxes here and there.
    fn store(&mut self, count: u64) {
        let (first, mailboxes) = (self.next, self.mailboxes);
        self.next += count;
        let place = |number| scattered(first + number, mailboxes);
        self.filling.spend(count, self.spends(first, place));
    }

    /// Reads mailboxes here and there; microseconds for one.
    fn read(&self, pages: usize) -> f64 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let now = self.filling.clock.now();
        let mut number = 0;
        let seconds = seconds_per_call(pages, || {
            number += 1;
            let mailbox = mailbox(scattered(number, self.mailboxes));
            let page = self
                .filling
                .store
                .page(mailbox, window(Cursor::START, PAGE, ENTRY), now);
            let page = runtime.block_on(page).unwrap();
            assert_eq!(black_box(page).entries().len(), 1);
        });
        seconds * 1e6
    }
}

pub(super) fn measure(setting: &Setting) -> Vec<Curve> {
    let scene = |size| {
        let size = sized(setting, size);
        (size as f64, Scene::filled(size))
    };
    let mut scenes = SIZES.map(scene);
    let pages = setting.scaled(PAGES);
    let [read] = by_turns(setting.pairs, &mut scenes, |scene| [scene.read(pages)]);
    let turn = sized(setting, TURN);
    let [stored] = by_turns(setting.pairs, &mut scenes, |scene| {
        [own_microseconds(turn, || scene.store(turn))]
    });
    let curve = |name, title, cost, series| Curve {
        name,
        title,
        growing: "mailboxes that hold an entry",
        cost,
        unit: Unit::Microseconds,
        series: vec![series],
    };
    vec![
        curve(
            "mailboxes-store",
            "Storing in one of many mailboxes",
            "processor time for one, sender included",
            Series::new("a spend with its entry", Expectation::Flat(SLACK), stored),
        ),
        curve(
            "mailboxes-retrieve",
            "Reading one of many mailboxes",
            "processor time of the store for one page",
            Series::new("a page", Expectation::Near(2.0), read),
        ),
    ]
}
