//! CPSs that do not answer: **no token is spent on one**, but for a try a second. A token is
//! spent before the request leaves, so a CPS that is down for an hour would cost as many as
//! there are calls in it. Not here: how a store ends (`stores`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pennyblack_base::authority::Authority;
use tokio::time::Instant;

/// As many stores without an answer are chance.
const MAX_UNANSWERED: u32 = 8;

/// A pause of this length is, too.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// How often it is tried whether the CPS is back.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// What was heard of each CPS. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct AwayCpss(Arc<Mutex<HashMap<Authority, Silence>>>);

/// Stores since the last answer. It ends with an answer.
#[derive(Debug)]
struct Silence {
    since: Instant,
    stores: u32,
    last_store: Instant,
}

/// How far a store came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The CPS answered, whatever it said.
    Answer,
    /// It was sent, and no answer came.
    Nothing,
    /// It was not sent.
    NotAsked,
}

impl AwayCpss {
    /// Whether to begin a store at `cps` now. It counts as begun if so.
    pub(super) fn may_begin(&self, cps: &Authority, now: Instant) -> bool {
        let mut silences = self.silences();
        let silence = silences.entry(cps.clone()).or_insert(Silence {
            since: now,
            stores: 0,
            last_store: now,
        });
        let is_away =
            silence.stores >= MAX_UNANSWERED && now.duration_since(silence.since) > MAX_PAUSE;
        if is_away && now.duration_since(silence.last_store) < TRY_EVERY {
            return false;
        }
        silence.stores = silence.stores.saturating_add(1);
        silence.last_store = now;
        true
    }

    /// Takes in how a store that had begun came out.
    pub(super) fn heard(&self, cps: &Authority, heard: Heard) {
        let mut silences = self.silences();
        match heard {
            Heard::Nothing => {}
            Heard::Answer => drop(silences.remove(cps)),
            Heard::NotAsked => {
                if let Some(silence) = silences.get_mut(cps) {
                    silence.stores = silence.stores.saturating_sub(1);
                    if silence.stores == 0 {
                        silences.remove(cps);
                    }
                }
            }
        }
    }

    fn silences(&self) -> MutexGuard<'_, HashMap<Authority, Silence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cps() -> Authority {
        "cps.example".parse().unwrap()
    }

    fn begun(away: &AwayCpss, from: Instant, stores: u32, pause: Duration) -> u32 {
        let begin = |number| away.may_begin(&cps(), from + pause * number);
        (0..stores).map(begin).map(u32::from).sum()
    }

    #[test]
    fn a_cps_that_never_answers_gets_a_few_stores_and_then_one_a_second() {
        let (away, now) = (AwayCpss::default(), Instant::now());
        // Fifty a second for a minute.
        let all = begun(&away, now, 3_000, Duration::from_millis(20));
        assert!((155..=165).contains(&all), "{all}");
    }

    #[test]
    fn an_answer_ends_the_silence_and_short_ones_are_chance() {
        let (away, now) = (AwayCpss::default(), Instant::now());
        let burst = begun(&away, now, 100, Duration::from_millis(1));
        assert_eq!(burst, 100);
        let later = now + Duration::from_secs(3);
        assert!(away.may_begin(&cps(), later));
        assert!(!away.may_begin(&cps(), later));
        away.heard(&cps(), Heard::Nothing);
        assert!(!away.may_begin(&cps(), later));
        away.heard(&cps(), Heard::Answer);
        assert!(away.may_begin(&cps(), later));
    }

    #[test]
    fn what_was_not_sent_says_nothing_of_the_cps() {
        let (away, now) = (AwayCpss::default(), Instant::now());
        for second in 0..100 {
            let later = now + Duration::from_secs(second);
            assert!(away.may_begin(&cps(), later));
            away.heard(&cps(), Heard::NotAsked);
        }
    }
}
