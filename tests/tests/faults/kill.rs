//! Issuer and CPS die at random instants under load, many times over, and
//! nothing that they have acknowledged is lost, doubled or taken back.
//!
//! `PENNYBLACK_KILLS` sets how often each dies; 20 times without it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pennyblack_base::problem::ProblemType;
use pennyblack_protocol::store_request::SignedStoreRequest;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_tests::answer::Answer;
use pennyblack_tests::drawing::{Drawing, Spendable, blind_signatures};
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::world::{CARRIER_SPC, World};
use rand::RngExt as _;
use tokio::sync::Notify;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// Most requests of one life.
const LOAD: usize = 48;

fn kills() -> usize {
    let set = std::env::var("PENNYBLACK_KILLS").ok();
    set.map_or(20, |kills| {
        kills.parse().expect("PENNYBLACK_KILLS is a number")
    })
}

/// What became of the requests of one life.
struct Life {
    /// The answers that came, by the place of their request.
    answers: HashMap<usize, Answer>,
    /// Requests that were under way at the death.
    unanswered: usize,
}

/// Works through `work` with eight requests at a time until the process is killed,
/// which happens a random moment after a random number of answers, so that there is
/// work left however fast the machine is.
async fn answers_until_killed<W, F>(process: Process, work: &[W], send: impl Fn(usize) -> F) -> Life
where
    F: Future<Output = Result<Answer, reqwest::Error>>,
{
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(HashMap::new()));
    let (deadly, doomed) = (rand::rng().random_range(1..=LOAD / 2), Notify::new());
    let worker = async || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= work.len() {
                // Nothing left to do but wait for the end.
                return std::future::pending::<()>().await;
            }
            match send(place).await {
                Ok(answer) => {
                    let mut answers = answers.lock().unwrap();
                    answers.insert(place, answer);
                    if answers.len() == deadly {
                        doomed.notify_one();
                    }
                }
                Err(_) => return std::future::pending().await,
            }
        }
    };
    let moment = Duration::from_micros(rand::rng().random_range(0..1_500));
    let (one, two, three, four) = (worker(), worker(), worker(), worker());
    let (five, six, seven, eight) = (worker(), worker(), worker(), worker());
    let load = async { tokio::join!(one, two, three, four, five, six, seven, eight) };
    let died = async {
        doomed.notified().await;
        // While requests go on being sent and answered.
        let kill = move || {
            std::thread::sleep(moment);
            process.kill();
        };
        tokio::task::spawn_blocking(kill).await.unwrap();
    };
    tokio::select! {
        _ = load => unreachable!(),
        () = died => {}
    }
    let answers = answers.into_inner().unwrap();
    Life {
        unanswered: next.into_inner().min(work.len()) - answers.len(),
        answers,
    }
}

/// Prints what all lives came to (seen with `--nocapture`); whether they were lost
/// under load.
fn lives_told(acknowledged: usize, unanswered: usize) -> bool {
    let kills = kills();
    println!("{kills} kills, {acknowledged} answers, {unanswered} requests under way at a death");
    acknowledged > 0 && unanswered > 0
}

struct StoreLoad {
    token: Spendable,
    request: SignedStoreRequest,
    passport: String,
}

async fn store_load(world: &World, mailbox: &Mailbox, life: usize) -> Vec<StoreLoad> {
    let tokens = world.draw(LOAD).await.into_iter().enumerate();
    let load = tokens.map(|(place, token)| {
        let passport = format!("life.{life}.{place}");
        let request = world.spend(&token, mailbox, &passport);
        StoreLoad {
            token,
            request,
            passport,
        }
    });
    load.collect()
}

/// How often each passport of the load is in the mailbox, and nothing else.
async fn copies(world: &World, mailbox: &Mailbox, load: &[StoreLoad]) -> Vec<usize> {
    let found = world.read(mailbox).await;
    let count = |passport: &String| found.iter().filter(|one| *one == passport).count();
    let copies: Vec<_> = load.iter().map(|one| count(&one.passport)).collect();
    assert_eq!(
        copies.iter().sum::<usize>(),
        found.len(),
        "an entry that nobody stored"
    );
    copies
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_that_dies_under_load_loses_no_spend_and_doubles_no_entry() {
    let mut world = World::new(Clock::system());
    world.issuer.quota.tokens = 1_000_000;
    // Requests of the first life are sent again after the last.
    world.cps.entries.oldest_signature = Duration::from_secs(3600);
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let mut cps = Process::start(SERVICE, Role::Cps, &world).await;
    let (mut spent, mut acknowledged, mut unanswered) = (Vec::new(), 0, 0);
    for life in 0..kills() {
        let mailbox = world.nth_mailbox(life as u64).await;
        let load = store_load(&world, &mailbox, life).await;
        let sent = |place: usize| world.store(&load[place].request);
        let Life {
            answers,
            unanswered: lost,
        } = answers_until_killed(cps, &load, sent).await;
        acknowledged += answers.len();
        unanswered += lost;
        cps = Process::start(SERVICE, Role::Cps, &world).await;

        for (place, copies) in copies(&world, &mailbox, &load)
            .await
            .into_iter()
            .enumerate()
        {
            match answers.get(&place) {
                Some(answer) => {
                    answer.assert_created();
                    assert_eq!(copies, 1, "an acknowledged entry");
                }
                None => assert!(copies <= 1, "an entry twice"),
            }
        }
        for one in &load {
            world.store(&one.request).await.unwrap().assert_created();
        }
        assert!(
            copies(&world, &mailbox, &load)
                .await
                .iter()
                .all(|copies| *copies == 1)
        );
        spent.push((mailbox, load));
    }
    for (mailbox, load) in &spent {
        for one in load {
            world.store(&one.request).await.unwrap().assert_created();
        }
        let other = world.spend(&load[0].token, mailbox, "another.passport.x");
        let answer = world.store(&other).await.unwrap();
        assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
        // Only its own key opens what an existing mailbox answers.
        world.read(mailbox).await;
    }
    let killed = lives_told(acknowledged, unanswered);
    assert!(killed, "it was never killed under load");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_that_dies_while_it_drops_entries_brings_none_back() {
    const CAPACITY: usize = 8;
    let mut world = World::new(Clock::system());
    world.cps.entries.mailbox_capacity = CAPACITY;
    world.issuer.quota.tokens = 1_000_000;
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let mut cps = Process::start(SERVICE, Role::Cps, &world).await;
    for life in 0..kills() / 4 {
        let mailbox = world.nth_mailbox(life as u64).await;
        let load = store_load(&world, &mailbox, life).await;
        let sent = |place: usize| world.store(&load[place].request);
        let Life {
            answers,
            unanswered,
        } = answers_until_killed(cps, &load, sent).await;
        cps = Process::start(SERVICE, Role::Cps, &world).await;

        let there = copies(&world, &mailbox, &load).await;
        assert!(there.iter().all(|copies| *copies <= 1), "an entry twice");
        let dropped = answers.keys().filter(|place| there[**place] == 0).count();
        let most = (answers.len() + unanswered).saturating_sub(CAPACITY);
        assert!(dropped <= most, "an acknowledged entry");
        let polled = world
            .poll(mailbox.id(), Slots::Sixteen, Cursor::START)
            .await;
        let page = mailbox.open(world.cps_name(), polled.content());
        assert!(page.header().dropped || dropped == 0, "no word of it");

        for place in answers.keys() {
            let again = world.store(&load[*place].request).await;
            again.unwrap().assert_created();
        }
        assert_eq!(copies(&world, &mailbox, &load).await, there, "stored again");
        for one in &load {
            world.store(&one.request).await.unwrap().assert_created();
        }
        let there = copies(&world, &mailbox, &load).await;
        assert!(there.iter().all(|copies| *copies <= 1), "an entry twice");
        assert_eq!(there.iter().sum::<usize>(), CAPACITY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_dies_under_load_forgets_no_charge_and_no_key() {
    let mut world = World::new(Clock::system());
    let lives = kills();
    // All of the load, and a little more.
    let quota = (lives * LOAD + 5) as u64;
    world.issuer.quota.tokens = quota;
    let mut issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let keys = world.issuer_keys().await;
    let (mut granted, mut acknowledged, mut unanswered) = (Vec::new(), 0, 0);
    for _ in 0..lives {
        let load = drawings(&world, LOAD).await;
        let sent = |place: usize| world.send_drawing(&load[place]);
        let Life {
            answers,
            unanswered: lost,
        } = answers_until_killed(issuer, &load, sent).await;
        acknowledged += answers.len();
        unanswered += lost;
        issuer = Process::start(SERVICE, Role::Issuer, &world).await;
        assert!(
            world.issuer_keys().await == keys,
            "other keys after a restart"
        );

        for (place, drawing) in load.into_iter().enumerate() {
            let again = world.send_drawing(&drawing).await.unwrap();
            if let Some(first) = answers.get(&place) {
                let same = blind_signatures(first.content()) == blind_signatures(again.content());
                assert!(same, "another answer to the same request");
            }
            granted.push((drawing, again));
        }
    }
    let killed = lives_told(acknowledged, unanswered);
    assert!(killed, "it was never killed under load");

    // What was lost and given again was charged once: exactly the rest is left.
    for _ in granted.len()..usize::try_from(quota).unwrap() {
        let drawing = world.drawing(1).await;
        let answer = world.send_drawing(&drawing).await.unwrap();
        granted.push((drawing, answer));
    }
    let drawing = world.drawing(1).await;
    let refusal = world.send_drawing(&drawing).await.unwrap();
    assert_eq!(
        refusal.problem(),
        ProblemType::QuotaExceeded,
        "for {CARRIER_SPC}"
    );
    for (drawing, answer) in granted {
        assert_eq!(drawing.finish(answer.content()).len(), 1);
    }
}

async fn drawings(world: &World, count: usize) -> Vec<Drawing> {
    let (key, challenge) = (world.signing_key().await, world.challenge().digest());
    (0..count)
        .map(|_| Drawing::blind(&key, challenge, 1))
        .collect()
}
