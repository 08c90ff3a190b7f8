//! Walks through the model, written down for the test that has the real parties go them
//! (tests/tests/journeys/agreement.rs).

use std::fmt::Write as _;
use std::path::Path;

use stateright::Model;

use super::*;

/// What the file holds.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/walks/agreement.txt");
/// Set to write the file.
const WRITE: &str = "WRITE_WALKS";

const WALKS: u64 = 48;
const STEPS: usize = 60;
/// There may be a crash in one of so many steps.
const CRASHES: usize = 8;

const MODEL: Agreement = Agreement {
    choice: Choice::Newest,
    records: 4,
    lasts: 16,
    ..RULES
};

/// Numbers that are the same each time.
struct Numbers(u64);

impl Numbers {
    /// Below `bound`.
    fn next(&mut self, bound: usize) -> usize {
        // Knuth's MMIX; the high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn names(cpss: impl Fn(Cps) -> bool) -> String {
    let named = Cps::ALL.into_iter().filter(|cps| cpss(*cps));
    named.map(|cps| format!("{cps:?}")).collect::<String>() + "."
}

fn line(action: Action) -> Option<String> {
    Some(match action {
        Action::Tick => "tick".to_owned(),
        Action::Sign(cpss, life) => format!("sign {} {life}", names(|cps| cpss.contain(cps))),
        Action::Register(number, cps) => format!("register {number} {cps:?}"),
        Action::Crash => "crash".to_owned(),
        Action::Learn(number) => format!("learn {number}"),
        Action::Store(number, cps) => format!("store {number} {cps:?}"),
        // It is written down before.
        Action::List(_) => return None,
    })
}

fn walk(seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let starts = MODEL.init_states();
    let mut state = starts[numbers.next(starts.len())].clone();
    let mut text = format!("walk {} {}\n", state.now, state.ahead);
    for _ in 0..STEPS {
        let mut actions = Vec::new();
        MODEL.actions(&state, &mut actions);
        // With these rules a crash changes nothing, and is always possible.
        let is_crash = numbers.next(CRASHES) == 0;
        actions.retain(|action| match action {
            Action::Crash => is_crash,
            action => MODEL.next_state(&state, *action).is_some(),
        });
        if actions.is_empty() {
            break;
        }
        let action = actions[numbers.next(actions.len())];
        state = MODEL.next_state(&state, action).unwrap_or(state);
        if let Some(line) = line(action) {
            let polled = names(|cps| MODEL.polls(&state, cps));
            let takes = names(|cps| MODEL.takes(&state, cps));
            let seals = names(|cps| MODEL.seals(&state, cps));
            let _ = writeln!(text, "{line}; polled {polled} takes {takes} seals {seals}");
        }
    }
    text
}

#[test]
fn the_walks_that_the_real_parties_go_are_those_of_this_model() {
    let walks: String = (0..WALKS).map(walk).collect();
    for step in [
        "sign AB.",
        "register 3",
        "learn 3",
        "store 0",
        "store 1",
        "store 2",
        "crash",
    ] {
        assert!(walks.contains(step), "nobody goes {step}");
    }
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(Path::new(FILE).parent().unwrap()).unwrap();
        std::fs::write(FILE, &walks).unwrap();
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        written == walks,
        "{FILE} is of another model: write it again with {WRITE}=1"
    );
}
