//! Random schedules of faults: which seeds, and the verdict on what clients saw.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Range};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::history::{Anomaly, History, Rules};
use crate::traffic::Traffic;

/// The seeds to run: `PENNYBLACK_SCHEDULES` of them, `usual` without it, from
/// `PENNYBLACK_SEED` on, or new ones each time.
///
/// # Panics
/// If one of the two is not a number.
#[must_use]
pub fn seeds(usual: u64) -> Range<u64> {
    let number = |name| {
        let set = std::env::var(name).ok();
        set.map(|text| {
            text.parse()
                .unwrap_or_else(|_| panic!("{name} is no number: {text}"))
        })
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = number("PENNYBLACK_SEED").unwrap_or(now.as_secs() % 1_000_000 * 1_000);
    first..first + number("PENNYBLACK_SCHEDULES").unwrap_or(usual)
}

/// What schedules came to.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Schedules run.
    pub schedules: usize,
    /// Faults, by name.
    pub faults: BTreeMap<&'static str, usize>,
    /// Store requests, each time they were sent, by status; 0 for no answer.
    pub stores: BTreeMap<u16, usize>,
    /// Mailboxes read to their end.
    pub retrievals: usize,
    /// What would not have been legal, had the store not been made to lose things.
    pub explained_by_losses: usize,
}

impl Figures {
    /// A fault more.
    pub fn count(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Counts a schedule, and everything in its history that is not legal.
    #[must_use]
    pub fn verify(&mut self, traffic: &Traffic, rules: &Rules) -> Vec<Anomaly> {
        let history = traffic.history();
        self.schedules += 1;
        self.retrievals += history.retrievals.len();
        for (status, count) in traffic.statuses() {
            self.stores.entry(status).or_default().add_assign(count);
        }
        let anomalies = rules.anomalies(&history);
        let losses = Vec::new();
        let without = rules.anomalies(&History { losses, ..history });
        self.explained_by_losses += without.len() - anomalies.len();
        anomalies
    }

    /// [`Self::verify`], for a history that must be legal.
    ///
    /// # Panics
    /// When it is not, with what is wrong and the seed, or when the service said
    /// something to a store request that no fault explains.
    pub fn assert_legal(&mut self, seed: u64, traffic: &Traffic, rules: &Rules) {
        let anomalies = self.verify(traffic, rules);
        for anomaly in &anomalies {
            eprintln!("seed {seed}: {anomaly}");
        }
        let statuses = traffic.statuses();
        let odd = statuses
            .keys()
            .find(|status| ![0, 201, 409, 503].contains(*status));
        assert_eq!(odd, None, "seed {seed}: a status that no fault explains");
        assert!(
            anomalies.is_empty(),
            "{} anomalies; try again: PENNYBLACK_SEED={seed} PENNYBLACK_SCHEDULES=1",
            anomalies.len()
        );
    }
}

/// Goes on after a random time of at most `longest`. What happens meanwhile is the
/// point.
pub async fn a_while(rng: &mut StdRng, longest: Duration) {
    let max = u64::try_from(longest.as_micros()).unwrap();
    let time = Duration::from_micros(rng.random_range(0..max));
    tokio::time::timeout(time, std::future::pending::<()>())
        .await
        .unwrap_err();
}
