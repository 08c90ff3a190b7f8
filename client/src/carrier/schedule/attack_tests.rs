//! The attack of an issuer and a CPS that compare what they see: by regression of the
//! stores in each mailbox on the draws of each carrier they recover who calls whom. They
//! leave out the first day, on which a class is drawn at once, and what is the same in
//! each hour, which tells nothing: with either in the sums, a schedule that follows calls
//! by half is not found. The schedule is the real one under a simulated clock; the policy
//! that it replaced is planted, whole and as a fifth of all draws, to show that the attack
//! finds what is there.

#![expect(
    clippy::needless_range_loop,
    reason = "rows and columns of matrices have the numbers of carriers and mailboxes"
)]

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::tests::{BATCH, DAY, START, Simulated, run_until, schedule};
use super::*;

const CARRIERS: usize = 20;
const DAYS: u64 = 7;
const SLOT: u64 = 600;
/// Between two visits of the policy before: it must keep up with the busiest hours.
const INTERVAL: u64 = 120;
/// Slots in which draws and stores are compared: an hour.
const COMPARED: usize = 6;
const SLOTS: usize = (DAYS * DAY / SLOT) as usize;

/// Rows by slot or carrier, columns by carrier or mailbox.
type Matrix = Vec<Vec<f64>>;

fn zeros(rows: usize) -> Matrix {
    vec![vec![0.0; CARRIERS]; rows]
}

/// Calls of a week: how many, by slot, from each carrier to each mailbox.
struct Calls(Vec<Matrix>);

impl Calls {
    /// Carriers have their own size, hours and busy spells, and call few mailboxes often.
    fn of_a_week(rng: &mut StdRng) -> Self {
        let exponential = |rng: &mut StdRng| -rng.random_range(f64::EPSILON..1.0).ln();
        let mut mean = zeros(CARRIERS);
        let mut spells = Vec::new();
        let peaks: Vec<f64> = (0..CARRIERS).map(|_| rng.random_range(0.0..24.0)).collect();
        for row in &mut mean {
            let a_slot = rng.random_range(30.0..120.0);
            row.fill_with(|| exponential(rng).powi(3));
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|share| *share *= a_slot / sum);
            let hours = (0..DAYS * 24).map(|_| rng.random_range(0.5..1.5));
            spells.push(hours.collect::<Vec<f64>>());
        }
        let in_slot = |slot: usize, rng: &mut StdRng| {
            let hour = slot / 6;
            let calls = mean
                .iter()
                .zip(&peaks)
                .zip(&spells)
                .map(|((row, peak), spell)| {
                    let phase = (hour as f64 - peak) / 24.0 * std::f64::consts::TAU;
                    let load = (1.0 + 0.8 * phase.cos()) * spell[hour];
                    row.iter().map(|mean| poisson(mean * load, rng)).collect()
                });
            calls.collect()
        };
        Self((0..SLOTS).map(|slot| in_slot(slot, rng)).collect())
    }

    /// From whom to whom, in all: what the attack is after.
    fn truth(&self) -> Matrix {
        let mut truth = zeros(CARRIERS);
        for slot in &self.0 {
            for (sum, row) in truth.iter_mut().zip(slot) {
                sum.iter_mut()
                    .zip(row)
                    .for_each(|(sum, calls)| *sum += calls);
            }
        }
        truth
    }

    /// What the CPS sees: stores in each mailbox.
    fn stores(&self) -> Matrix {
        let of_slot = |slot: &Matrix| {
            (0..CARRIERS)
                .map(|mailbox| slot.iter().map(|row| row[mailbox]).sum())
                .collect()
        };
        self.0.iter().map(of_slot).collect()
    }

    /// Tokens that a carrier spends in a slot.
    fn spent(&self, carrier: usize, slot: usize) -> f64 {
        self.0[slot][carrier].iter().sum()
    }

    fn busiest_day(&self, carrier: usize) -> f64 {
        let of_day = |day: usize| -> f64 {
            let slots = day * SLOTS / 7..(day + 1) * SLOTS / 7;
            slots.map(|slot| self.spent(carrier, slot)).sum()
        };
        (0..7).map(of_day).fold(0.0, f64::max)
    }
}

/// Counts arrivals until the time has ended (Knuth).
fn poisson(mean: f64, rng: &mut StdRng) -> f64 {
    let end = (-mean).exp();
    let (mut calls, mut left) = (0.0, rng.random_range(0.0..1.0));
    while left > end {
        calls += 1.0;
        left *= rng.random_range(0.0..1.0);
    }
    calls
}

fn slot_of(time: UnixTime) -> usize {
    usize::try_from((time.0 - START.0) / SLOT).unwrap()
}

/// What the issuer sees of the real schedule: tokens drawn, by slot and carrier.
async fn constant_draws(calls: &Calls, rng: &mut StdRng) -> Matrix {
    let mut draws = zeros(SLOTS);
    for carrier in 0..CARRIERS {
        let class = (calls.busiest_day(carrier) as u64).next_power_of_two();
        let mut source = Simulated::new();
        let end = UnixTime(START.0 + DAYS * DAY);
        run_until(&schedule(class.max(BATCH)), &mut source, end, rng).await;
        for time in source.draws {
            draws[slot_of(time)][carrier] += BATCH as f64;
        }
    }
    draws
}

/// What it saw of the policy before: at shaken intervals, a batch if fewer than 512 tokens
/// are left.
fn draws_by_need(calls: &Calls, rng: &mut StdRng) -> Matrix {
    let mut draws = zeros(SLOTS);
    for carrier in 0..CARRIERS {
        let mut held = 512.0;
        let mut visit = rng.random_range(0..INTERVAL);
        for slot in 0..SLOTS {
            held -= calls.spent(carrier, slot);
            while visit / SLOT == slot as u64 {
                if held < 512.0 {
                    held += BATCH as f64;
                    draws[slot][carrier] += BATCH as f64;
                }
                visit += rng.random_range(INTERVAL / 2..INTERVAL * 3 / 2);
            }
        }
    }
    draws
}

/// From the second day on, sums of each hour less their mean.
fn deviations(series: &Matrix) -> Matrix {
    let later = &series[SLOTS / 7..];
    let hours = later.chunks(COMPARED).map(|rows| {
        let sum = |column: usize| rows.iter().map(|row| row[column]).sum();
        (0..CARRIERS).map(sum).collect::<Vec<f64>>()
    });
    let mut hours: Matrix = hours.collect();
    let number = hours.len() as f64;
    for column in 0..CARRIERS {
        let mean = hours.iter().map(|row| row[column]).sum::<f64>() / number;
        hours.iter_mut().for_each(|row| row[column] -= mean);
    }
    hours
}

/// What the regression finds, weighed by how much each carrier draws.
fn attack(draws: &Matrix, stores: &Matrix) -> Matrix {
    let mut found = regression(&deviations(draws), &deviations(stores));
    for (carrier, row) in found.iter_mut().enumerate() {
        let drawn: f64 = draws.iter().map(|row| row[carrier]).sum();
        row.iter_mut().for_each(|part| *part *= drawn);
    }
    found
}

/// What somebody finds who knows each call and asks only whether draws follow: the mean
/// correlation of a carrier's draws with its own calls. No attack sees more.
fn followed(draws: &Matrix, calls: &Calls) -> f64 {
    let spent = (0..SLOTS).map(|slot| (0..CARRIERS).map(|one| calls.spent(one, slot)).collect());
    let (draws, spent) = (deviations(draws), deviations(&spent.collect()));
    let of = |series: &Matrix, carrier: usize| -> Matrix {
        series.iter().map(|row| vec![row[carrier]]).collect()
    };
    let follows = |carrier| correlation(&of(&draws, carrier), &of(&spent, carrier));
    (0..CARRIERS).map(follows).sum::<f64>() / CARRIERS as f64
}

/// The draws of a schedule by which a fifth of all tokens follow need.
fn a_fifth_by_need(constant: &Matrix, by_need: &Matrix) -> Matrix {
    let mixed = |(constant, by_need): (&Vec<f64>, &Vec<f64>)| {
        let both = constant.iter().zip(by_need);
        both.map(|(constant, by_need)| 0.8 * constant + 0.2 * by_need)
            .collect()
    };
    constant.iter().zip(by_need).map(mixed).collect()
}

/// Stores as a sum of what each carrier draws, with no negative part: coordinate descent.
/// Returns the part of each carrier's draws that each mailbox gets.
fn regression(draws: &Matrix, stores: &Matrix) -> Matrix {
    let product = |left: &Matrix, one: usize, right: &Matrix, other: usize| -> f64 {
        let rows = left.iter().zip(right);
        rows.map(|(left, right)| left[one] * right[other]).sum()
    };
    let mut gram = zeros(CARRIERS);
    let mut shared = zeros(CARRIERS);
    for one in 0..CARRIERS {
        for other in 0..CARRIERS {
            gram[one][other] = product(draws, one, draws, other);
            shared[one][other] = product(draws, one, stores, other);
        }
    }
    let mut found = zeros(CARRIERS);
    for mailbox in 0..CARRIERS {
        let mut parts = vec![0.0; CARRIERS];
        for _ in 0..100 {
            for carrier in 0..CARRIERS {
                let explained: f64 = gram[carrier].iter().zip(&parts).map(|(g, p)| g * p).sum();
                let step = (shared[carrier][mailbox] - explained) / gram[carrier][carrier];
                parts[carrier] = f64::max(0.0, parts[carrier] + step);
            }
        }
        for carrier in 0..CARRIERS {
            found[carrier][mailbox] = parts[carrier];
        }
    }
    found
}

/// What totals alone tell: everybody calls everybody in proportion.
fn by_totals(truth: &Matrix) -> Matrix {
    let to = |mailbox: usize| -> f64 { truth.iter().map(|row| row[mailbox]).sum() };
    let row = |row: &Vec<f64>| {
        let from: f64 = row.iter().sum();
        (0..CARRIERS).map(|mailbox| from * to(mailbox)).collect()
    };
    truth.iter().map(row).collect()
}

fn correlation(one: &Matrix, other: &Matrix) -> f64 {
    let (one, other) = (one.concat(), other.concat());
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_one, mean_other) = (mean(&one), mean(&other));
    let (mut both, mut first, mut second) = (0.0, 0.0, 0.0);
    for (a, b) in one.iter().zip(&other) {
        both += (a - mean_one) * (b - mean_other);
        first += (a - mean_one).powi(2);
        second += (b - mean_other).powi(2);
    }
    both / (first * second).sqrt()
}

#[tokio::test]
async fn draws_and_stores_together_tell_no_more_of_who_calls_whom_than_totals() {
    for seed in 1..=3 {
        let mut rng = StdRng::seed_from_u64(seed);
        let calls = Calls::of_a_week(&mut rng);
        let (truth, stores) = (calls.truth(), calls.stores());
        let found = |draws: &Matrix| correlation(&attack(draws, &stores), &truth);
        let totals = correlation(&by_totals(&truth), &truth);
        let by_need = draws_by_need(&calls, &mut rng);
        let constant = constant_draws(&calls, &mut rng).await;
        let fifth = a_fifth_by_need(&constant, &by_need);
        let [constant_found, fifth_found, need_found] = [&constant, &fifth, &by_need].map(found);
        let [follows, fifth_follows] = [&constant, &fifth].map(|draws| followed(draws, &calls));
        println!(
            "seed {seed}: totals {totals:.2}, constant draws {constant_found:.2}, a fifth by need \
             {fifth_found:.2}, draws by need {need_found:.2}; constant draws follow calls by \
             {follows:.3}, a fifth by {fifth_follows:.3}"
        );
        assert!(
            constant_found <= totals + 0.05,
            "{constant_found} above {totals}"
        );
        assert!(follows.abs() < 0.05, "draws follow calls by {follows}");
        assert!(need_found > 0.8, "the attack sees only {need_found}");
        assert!(fifth_found > 0.8, "of a fifth it sees only {fifth_found}");
        assert!(fifth_follows > 0.5, "of a fifth, {fifth_follows} is seen");
    }
}
