//! Key epochs with spent tokens: what a spend costs in one of them, and what closing
//! one does.

use std::time::Instant;

use pennyblack_cps::store::{Spend, Store as _};
use pennyblack_privacypass::token::TokenKeyId;
use tempfile::TempDir;

use super::curve::{Curve, Expectation, SLACK, Series, by_turns};
use super::{own_microseconds, sized};
use crate::finding::Unit;
use crate::setting::Setting;
use crate::store::{Filling, spend};

/// Open epochs. Each issuer has two.
const SIZES: [u64; 5] = [2, 6, 20, 60, 200];
/// Epochs that are open beside those that get closed, one in each turn.
const BESIDE: [u64; 3] = [10, 100, 1_000];
/// Spent tokens of each of them.
const TOKENS: u64 = 100;
/// Spent tokens of an epoch that is closed.
const CLOSED: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Spends in a turn.
const TURN: u64 = 4_000;
const ENTRY: usize = 16;

const fn epoch(number: u64) -> TokenKeyId {
    let mut id = [6; 32];
    let [first, second, third, fourth, ..] = number.to_le_bytes();
    (id[0], id[1], id[2], id[3]) = (first, second, third, fourth);
    TokenKeyId(id)
}

/// A store whose epochs hold spent tokens.
struct Scene {
    filling: Filling,
    _home: TempDir,
    epochs: u64,
    next: u64,
    closed: u64,
}

impl Scene {
    fn filled(epochs: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut scene = Self {
            filling: Filling::open(home.path()),
            _home: home,
            epochs,
            next: 0,
            closed: 0,
        };
        scene.fill(TOKENS * epochs, |number| number % epochs);
        scene
    }

    /// Spends tokens, the `n`th of the epoch that `epoch_of(n)` says, until all of
    /// them are archived.
    fn spend(&mut self, count: u64, epoch_of: impl Fn(u64) -> u64) {
        let first = self.number(count);
        self.filling.spend(count, self.spends(first, epoch_of));
        self.filling.settle();
    }

    /// The same as quickly as can be.
    fn fill(&mut self, count: u64, epoch_of: impl Fn(u64) -> u64) {
        let first = self.number(count);
        self.filling.fill(count, self.spends(first, epoch_of));
        self.filling.settle();
    }

    /// The first number of so many tokens that were not spent before.
    const fn number(&mut self, count: u64) -> u64 {
        let first = self.next;
        self.next += count;
        first
    }

    fn spends(&self, first: u64, epoch_of: impl Fn(u64) -> u64) -> impl Fn(u64) -> Spend {
        move |number| {
            let spend = spend(first + number, ENTRY, &self.filling.clock);
            spend.moved(None, Some(epoch(epoch_of(number))))
        }
    }

    /// Milliseconds until the next epoch is closed.
    fn close(&mut self) -> f64 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let id = epoch(self.closed);
        self.closed += 1;
        let store = &self.filling.store;
        let spent = runtime.block_on(store.spent(id)).unwrap();
        assert!(spent > 0);
        let start = Instant::now();
        runtime.block_on(store.close_epoch(id)).unwrap();
        let took = start.elapsed().as_secs_f64() * 1e3;
        assert_eq!(runtime.block_on(store.spent(id)), Ok(0));
        self.filling.forget(spent);
        took
    }
}

pub(super) fn measure(setting: &Setting) -> Vec<Curve> {
    vec![
        storing(setting),
        closing_one_of_many(setting),
        closing_large(setting),
    ]
}

/// Spends of one epoch, and of all of them in turn.
fn storing(setting: &Setting) -> Curve {
    let mut scenes = SIZES.map(|size| (size as f64, Scene::filled(size)));
    let turn = sized(setting, TURN);
    let [one, all] = by_turns(setting.pairs, &mut scenes, |scene| {
        let epochs = scene.epochs;
        let mut cost =
            |epoch_of: &dyn Fn(u64) -> u64| own_microseconds(turn, || scene.spend(turn, epoch_of));
        [cost(&|_| epochs - 1), cost(&|number| number % epochs)]
    });
    let flat = |name: &str, samples| Series::new(name, Expectation::Flat(SLACK), samples);
    Curve {
        name: "epochs-store",
        title: "Spending a token of one of many key epochs",
        growing: "key epochs with spent tokens; an issuer has two",
        cost: "processor time, sender included: committed, archived, expired",
        unit: Unit::Microseconds,
        series: vec![
            flat("all of one epoch", one),
            flat("of all epochs in turn", all),
        ],
    }
}

/// Closing an epoch beside more and more others.
fn closing_one_of_many(setting: &Setting) -> Curve {
    let turns = setting.pairs;
    let mut scenes = BESIDE.map(|size| (size as f64, Scene::filled(size + turns as u64 + 1)));
    let [closing] = by_turns(turns, &mut scenes, |scene| [scene.close()]);
    Curve {
        name: "epochs-close",
        title: "Closing one of many key epochs",
        growing: "other key epochs with spent tokens",
        cost: "until it is durable",
        unit: Unit::Milliseconds,
        series: vec![Series::new(
            "closing one",
            Expectation::Flat(SLACK),
            closing,
        )],
    }
}

/// Closing an epoch with more and more tokens.
fn closing_large(setting: &Setting) -> Curve {
    let mut scenes = CLOSED.map(|size| {
        let size = sized(setting, size);
        (size as f64, (Scene::filled(0), size))
    });
    let [closing] = by_turns(setting.pairs.min(3), &mut scenes, |(scene, size)| {
        let number = scene.closed;
        scene.fill(*size, |_| number);
        [scene.close()]
    });
    Curve {
        name: "epochs-close-large",
        title: "Closing a key epoch",
        growing: "spent tokens of the epoch",
        cost: "until it is durable",
        unit: Unit::Milliseconds,
        series: vec![Series::new(
            "closing it",
            Expectation::Linear(SLACK),
            closing,
        )],
    }
}
