use std::collections::HashMap;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

pub(super) const START: UnixTime = UnixTime(1_800_000_000);
pub(super) const DAY: u64 = 86_400;
pub(super) const BATCH: u64 = 64;

/// An issuer that changes its key each day, and what a wallet remembers of draws.
pub(super) struct Simulated {
    pub(super) now: UnixTime,
    pub(super) is_away: bool,
    first_key: Option<TokenKeyId>,
    drawn: HashMap<TokenKeyId, u64>,
    /// What the issuer sees: when a batch was asked for.
    pub(super) draws: Vec<UnixTime>,
    drawn_for: Vec<TokenScope>,
}

impl Simulated {
    pub(super) fn new() -> Self {
        Self {
            now: START,
            is_away: false,
            first_key: None,
            drawn: HashMap::new(),
            draws: Vec::new(),
            drawn_for: Vec::new(),
        }
    }

    /// Batches by day.
    fn by_day(&self) -> Vec<usize> {
        let mut days = Vec::new();
        for draw in &self.draws {
            let day = usize::try_from((draw.0 - START.0) / DAY).unwrap();
            days.resize(days.len().max(day + 1), 0);
            days[day] += 1;
        }
        days
    }
}

impl Source for Simulated {
    fn batch(&self) -> u64 {
        BATCH
    }

    async fn key(&mut self) -> Result<EpochKey, CarrierError> {
        if self.is_away {
            return Err(CarrierError::NoCurrentKey {
                now: self.now,
                clock_gap: None,
            });
        }
        let day = (self.now.0 - START.0) / DAY;
        Ok(EpochKey {
            id: TokenKeyId([u8::try_from(day).unwrap(); 32]),
            begun: Some(UnixTime(START.0 + day * DAY)),
        })
    }

    async fn drawn(&mut self, key: EpochKey) -> Result<Drawn, CarrierError> {
        let first = *self.first_key.get_or_insert(key.id);
        Ok(Drawn {
            tokens: self.drawn.get(&key.id).copied().unwrap_or(0),
            is_first_key: first == key.id,
        })
    }

    async fn draw(&mut self, scope: &TokenScope, due: u64) -> Result<usize, CarrierError> {
        let key = self.key().await?.id;
        let drawn = self.drawn.entry(key).or_default();
        if *drawn + BATCH > due {
            return Ok(0);
        }
        *drawn += BATCH;
        self.draws.push(self.now);
        self.drawn_for.push(scope.clone());
        Ok(usize::try_from(BATCH).unwrap())
    }
}

pub(super) fn schedule(class: u64) -> Schedule {
    Schedule {
        scopes: vec![TokenScope::Cps("cps.example".parse().unwrap())],
        class: Class::try_from(class).unwrap(),
        epoch: Duration::from_secs(DAY),
    }
}

/// Lets a schedule run as [`Schedule::run`] does, until `end`.
pub(super) async fn run_until(
    schedule: &Schedule,
    source: &mut Simulated,
    end: UnixTime,
    rng: &mut StdRng,
) {
    let mut begun = None;
    while source.now < end {
        let visit = schedule.visit_at(source, source.now).await;
        begun = visit.map(|visit| visit.begun).ok().or(begun);
        source.now = schedule.next_visit(BATCH, begun, source.now, rng);
    }
}

fn day(number: u64) -> UnixTime {
    UnixTime(START.0 + number * DAY)
}

#[tokio::test]
async fn the_first_class_is_drawn_at_once_and_each_later_one_in_equal_distances() {
    let (mut source, mut rng) = (Simulated::new(), StdRng::seed_from_u64(1));
    run_until(&schedule(4_096), &mut source, day(4), &mut rng).await;
    assert_eq!(source.by_day(), [64; 4]);
    let at_once = source.draws.iter().filter(|draw| **draw == START);
    assert_eq!(at_once.count(), 64);
    let slot = DAY / 64;
    for pair in source.draws[64..].windows(2) {
        let apart = pair[1].0 - pair[0].0;
        assert!(apart > 0 && apart < 2 * slot, "{apart}");
    }
}

#[tokio::test]
async fn restarts_at_any_time_change_nothing_of_what_is_drawn_of_a_key() {
    let (mut source, mut rng) = (Simulated::new(), StdRng::seed_from_u64(2));
    while source.now < day(5) {
        let life = Duration::from_secs(rng.random_range(1..20_000));
        let end = source.now.plus(life);
        run_until(&schedule(4_096), &mut source, end.min(day(5)), &mut rng).await;
        // It was stopped before its last wait was over.
        source.now = end;
    }
    assert_eq!(source.by_day(), [64; 5]);
}

#[tokio::test]
async fn what_an_absent_issuer_did_not_sign_is_drawn_once_it_is_back() {
    let (mut source, mut rng) = (Simulated::new(), StdRng::seed_from_u64(3));
    let schedule = schedule(4_096);
    let hours = |number: u64| UnixTime(day(1).0 + number * 3_600);
    run_until(&schedule, &mut source, hours(6), &mut rng).await;
    let before = source.draws.len();
    source.is_away = true;
    run_until(&schedule, &mut source, hours(15), &mut rng).await;
    assert_eq!(source.draws.len(), before);
    source.is_away = false;
    run_until(&schedule, &mut source, hours(16), &mut rng).await;
    // Two thirds of the day have passed, and with them of the class.
    assert!((42..=43).contains(&source.by_day()[1]));
    run_until(&schedule, &mut source, day(2), &mut rng).await;
    assert_eq!(source.by_day(), [64, 64]);
}

#[tokio::test]
async fn cpss_and_a_federation_share_the_class_and_the_issuer_does_not_see_how_many() {
    let (mut source, mut rng) = (Simulated::new(), StdRng::seed_from_u64(4));
    let mut schedule = schedule(1_024);
    schedule.scopes = ["a.example", "b.example"]
        .map(|name| TokenScope::Cps(name.parse().unwrap()))
        .to_vec();
    schedule.scopes.push(TokenScope::Federation);
    run_until(&schedule, &mut source, day(2), &mut rng).await;
    assert_eq!(source.by_day(), [16; 2]);
    for scope in &schedule.scopes {
        let share = source.drawn_for.iter().filter(|drawn| *drawn == scope);
        let share = share.count();
        assert!((10..=12).contains(&share), "{scope} has {share}");
    }
}

#[test]
fn a_visit_is_over_before_the_one_after_the_next() {
    assert_eq!(
        schedule(4_096).longest_visit(BATCH),
        Duration::from_secs(1_350)
    );
    assert_eq!(
        schedule(1 << 20).longest_visit(BATCH),
        Duration::from_secs(60)
    );
}
