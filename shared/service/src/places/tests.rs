use std::time::Duration;

use super::*;

const PLACES: usize = 500;
/// What a connection gives way later for that has not been quiet.
const GRACE: Duration = Duration::from_secs(2);
/// Time goes in steps.
const STEP: Duration = Duration::from_millis(20);

/// A connection in the simulation.
struct Client {
    /// When it was made.
    made: Instant,
    /// After so long its first answer has been taken.
    first_answer: Duration,
    /// It is answered so often from then on.
    pace: Duration,
    honest: bool,
}

impl Client {
    fn waiting(&self, now: Instant) -> Waiting {
        let age = now - self.made;
        let is_new = age < self.first_answer;
        let since_answer = age.as_nanos() % self.pace.as_nanos();
        let since_answer = Duration::from_nanos(u64::try_from(since_answer).unwrap());
        let waiting_since = if is_new {
            self.made
        } else {
            now - since_answer
        };
        Waiting {
            is_new,
            gives_way: waiting_since + GRACE,
        }
    }
}

/// Lets attackers come, so many at each step, and one honest client at each fifth. How many
/// honest ones got their first answer, and how many did not.
fn simulate(
    arrivals: usize,
    attacker: impl Fn(usize, Instant) -> Client,
    honest: impl Fn(Instant) -> Client,
) -> (usize, usize) {
    let mut clients: Vec<Client> = Vec::new();
    let (mut now, mut served, mut cut) = (Instant::now(), 0, 0);
    for step in 0..1000 {
        now += STEP;
        clients.retain(|client| {
            let is_served = client.honest && !client.waiting(now).is_new;
            served += usize::from(is_served);
            !is_served
        });
        let mut coming: Vec<_> = (0..arrivals).map(|which| attacker(which, now)).collect();
        if step % 5 == 0 {
            coming.push(honest(now));
        }
        for client in coming {
            if clients.len() >= PLACES {
                let how = clients.iter().map(|client| client.waiting(now));
                let mut gone = give_way(how.zip(0..).collect(), PLACES / PARTS);
                gone.sort_unstable();
                for index in gone.into_iter().rev() {
                    let gone = clients.swap_remove(index);
                    cut += usize::from(gone.honest);
                }
            }
            clients.push(client);
        }
    }
    (served, cut)
}

fn slow_start(now: Instant) -> Client {
    Client {
        made: now,
        first_answer: Duration::from_secs(1),
        pace: GRACE,
        honest: true,
    }
}

/// Is answered at once, and every 0.3 to 0.8 s from then on.
fn squatter(which: usize, now: Instant) -> Client {
    Client {
        made: now,
        first_answer: Duration::ZERO,
        pace: Duration::from_millis(300 + u64::try_from(which).unwrap() * 97 % 500),
        honest: false,
    }
}

fn silent(_: usize, now: Instant) -> Client {
    Client {
        first_answer: Duration::from_secs(3600),
        honest: false,
        ..slow_start(now)
    }
}

#[test]
fn clients_that_ask_for_something_cheap_again_and_again_keep_no_new_one_out() {
    let (served, cut) = simulate(20, squatter, slow_start);
    assert!(served > 100 && cut == 0, "{served} served, {cut} cut off");
}

#[test]
fn nor_do_silent_clients_or_both_together_until_half_of_all_places_are_asked_for_meanwhile() {
    let both = |which, now| match which % 2 {
        0 => silent(which, now),
        _ => squatter(which, now),
    };
    // 200 a second, of 500 places.
    let (served, cut) = simulate(4, silent, slow_start);
    assert!(served > 100 && cut == 0, "{served} served, {cut} cut off");
    let (served, cut) = simulate(4, both, slow_start);
    assert!(served > 100 && cut == 0, "{served} served, {cut} cut off");
}

#[test]
fn the_larger_group_gives_way_and_of_equal_ones_who_has_waited_for_longest() {
    let start = Instant::now();
    let wait = |is_new, seconds| Waiting {
        is_new,
        gives_way: start + Duration::from_secs(seconds),
    };
    let new = [(wait(true, 5), "n5"), (wait(true, 4), "n4")];
    let used = [(wait(false, 3), "u3"), (wait(false, 6), "u6")];
    let chosen = |new: &[_], used: &[_], enough| give_way([new, used].concat(), enough);
    assert_eq!(chosen(&new, &used, 1), ["u3"]);
    assert_eq!(chosen(&new, &used[1..], 1), ["n4"]);
    assert_eq!(chosen(&new, &used[..1], 1), ["n4"]);
    assert_eq!(chosen(&new[..1], &used, 1), ["u3"]);
    assert_eq!(chosen(&new[..1], &used[1..], 1), ["n5"]);
    assert_eq!(chosen(&new, &used, 9), ["u3", "n4", "n5", "u6"]);
    assert!(chosen(&[], &[], 1).is_empty());
}
