//! Records in the key directory: what it costs to find one, to add one, to answer a page
//! of a broad prefix or of the feed, and how long a start takes.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use pennyblack_client::identity::StirIdentity;
use pennyblack_cps::key_directory::{KeyDirectory, RecordPolicy};
use pennyblack_pki::{LeafRequest, TnAuthEntry};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::{Kem, MailboxId};
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::process::Role;
use pennyblack_tests::record_feed::Feed;
use pennyblack_tests::world::{World, identity_of};
use pennyblack_trust::Trust;
use tempfile::TempDir;

use super::curve::{Curve, Expectation, SLACK, Series, by_turns};
use super::scattered;
use crate::cpu_time::seconds_per_call;
use crate::finding::Unit;
use crate::http_load::{CONNECTIONS, closed_loop, request};
use crate::services::{Services, cpu_per_item};
use crate::setting::Setting;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// Calls in a turn.
const LOOK_UPS: usize = 10_000;
const REFUSALS: usize = 20;
const REGISTERED: usize = 50;
const POLLS: usize = 2_000;
const PAGES: usize = 200;
/// The holder has a million numbers from here.
pub(super) const FIRST: u64 = 12_120_000_000;
/// More than a thousand of its numbers begin so.
const TOO_BROAD: &str = "1212";

/// A key record of a number of its own.
struct Record {
    token: String,
    mailbox: MailboxId,
}

/// Who holds the million numbers from [`FIRST`] on.
pub(super) fn holder_of_all(world: &mut World) -> StirIdentity {
    let numbers = TnAuthEntry::range(&format!("{FIRST}+1000000")).unwrap();
    let now = world.clock.now();
    let request = LeafRequest::new(vec![numbers]);
    world.pki.issue("everybody", &request, None, now).unwrap();
    identity_of(&world.pki, "everybody")
}

/// Records that the world's CPS takes, for the numbers from [`FIRST`] on.
fn sign(world: &mut World, count: u64) -> Vec<Record> {
    let holder = holder_of_all(world);
    let now = world.clock.now();
    let record = |number: u64| {
        let mailbox = Mailbox::new(Kem::DhkemX25519, &(FIRST + number).to_string());
        let record = mailbox.record(&holder, world.cps_name(), now);
        Record {
            token: record.sign(holder.certificate(), holder.key()),
            mailbox: mailbox.id(),
        }
    };
    (0..count).map(record).collect()
}

/// Puts records where a key directory finds them.
pub(super) fn write<'t>(directory: &Path, tokens: impl IntoIterator<Item = &'t str>) {
    fs::create_dir_all(directory).unwrap();
    for (number, token) in tokens.into_iter().enumerate() {
        fs::write(directory.join(format!("{number}.jws")), token).unwrap();
    }
}

fn tokens(records: &[Record]) -> impl Iterator<Item = &str> {
    records.iter().map(|record| record.token.as_str())
}

/// A CPS that takes records of `world`, and finds these at its start.
pub(super) fn start_with<'t>(
    setting: &Setting,
    world: &World,
    tokens: impl IntoIterator<Item = &'t str>,
) -> Services {
    Services::start_in(Some(setting.cores.service), |own| {
        // The records name that world's CPS, and are signed by its certificates.
        own.cps.cps.authority = world.cps_name().clone();
        own.cps.trust = world.cps.trust.clone();
        // One certificate covers them all, and has a share of the room.
        own.cps.key_records.capacity = 100_000_000;
        write(&own.cps.cps.data_directory.join("keys"), tokens);
    })
}

fn open(world: &World, directory: &Path) -> KeyDirectory {
    let now = Clock::system().now();
    let policy = RecordPolicy {
        authority: world.cps_name().clone(),
        trust: Arc::new(Trust::open(&world.cps.trust, &directory.join("trust"), now).unwrap()),
        numbering: None,
        asked: None,
        capacity: usize::MAX,
    };
    KeyDirectory::open(directory, policy, now).unwrap()
}

/// A directory of so many records, open.
struct Scene<'a> {
    directory: KeyDirectory,
    home: TempDir,
    records: &'a [Record],
    /// Records that are not in it.
    others: std::slice::Iter<'a, Record>,
}

pub(super) fn measure(setting: &Setting) -> Vec<Curve> {
    let mut world = World::new(Clock::system());
    let sizes = SIZES.map(|size| setting.scaled(size));
    let others = REGISTERED * (setting.pairs + 1);
    let all = sign(&mut world, (sizes[2] + others) as u64);
    let (records, others) = all.split_at(sizes[2]);
    let mut scenes = sizes.map(|size| {
        let home = tempfile::tempdir().unwrap();
        let records = &records[..size];
        write(home.path(), tokens(records));
        let scene = Scene {
            directory: open(&world, home.path()),
            home,
            records,
            others: others.iter(),
        };
        (size as f64, scene)
    });
    let mut curves = looking_up(setting, &mut scenes);
    let [opening] = by_turns(setting.pairs.min(2), &mut scenes, |scene| {
        let start = Instant::now();
        black_box(open(&world, scene.home.path()));
        [start.elapsed().as_secs_f64()]
    });
    curves.push(Curve {
        name: "key-records-restart",
        title: "Reading and verifying the key directory at a start",
        growing: "key records",
        cost: "time until all are verified",
        unit: Unit::Seconds,
        series: vec![Series::new("opening", Expectation::Linear(SLACK), opening)],
    });
    curves.push(registering(setting, &mut scenes));
    drop(scenes);
    curves.extend(serving(setting, &world, sizes.map(|size| &records[..size])));
    curves
}

fn looking_up(setting: &Setting, scenes: &mut [(f64, Scene<'_>)]) -> Vec<Curve> {
    let now = Clock::system().now();
    let calls = setting.scaled(LOOK_UPS);
    let too_broad: TelephoneNumber = TOO_BROAD.parse().unwrap();
    let [mailbox, number, broad] = by_turns(setting.pairs, scenes, |scene| {
        let (directory, count) = (&scene.directory, scene.records.len() as u64);
        let mut calls_made = 0;
        let mut next = || {
            calls_made += 1;
            scattered(calls_made, count)
        };
        let mailbox = seconds_per_call(calls, || {
            let mailbox = scene.records[next() as usize].mailbox;
            assert!(black_box(directory.key_for_stores(mailbox, now)).is_some());
        });
        let number = seconds_per_call(calls, || {
            let number = (FIRST + next()).to_string().parse().unwrap();
            assert_eq!(black_box(directory.of_number(&number, now)).len(), 1);
        });
        let broad = seconds_per_call(REFUSALS, || {
            let _ = black_box(directory.of_prefix(&too_broad, None, now));
        });
        [mailbox, number, broad].map(|seconds| seconds * 1e6)
    });
    let near = |name: &str, samples| Series::new(name, Expectation::Near(5.0), samples);
    let refused =
        |samples| Series::new("a page of 1000 records", Expectation::Flat(SLACK), samples);
    let curve = |name, title, series| Curve {
        name,
        title,
        growing: "key records",
        cost: "processor time for one",
        unit: Unit::Microseconds,
        series,
    };
    vec![
        curve(
            "key-records-look-up",
            "Finding a key record",
            vec![near("by number", number), near("by mailbox", mailbox)],
        ),
        curve(
            "key-records-refusal",
            "Asking for a prefix that covers every record",
            vec![refused(broad)],
        ),
    ]
}

/// New records, each verified and synced to a file of its own.
fn registering(setting: &Setting, scenes: &mut [(f64, Scene<'_>)]) -> Curve {
    let now = Clock::system().now();
    let [registered] = by_turns(setting.pairs, scenes, |scene| {
        let seconds = seconds_per_call(REGISTERED, || {
            let record = scene.others.next().unwrap();
            scene.directory.register(&record.token, now).unwrap();
        });
        [seconds * 1e6]
    });
    Curve {
        name: "key-records-register",
        title: "Registering one more key record",
        growing: "key records",
        cost: "processor time for one: verified, written, synced",
        unit: Unit::Microseconds,
        series: vec![Series::new(
            "a record",
            Expectation::Flat(SLACK),
            registered,
        )],
    }
}

/// A CPS with its records in the log, polls of mailboxes here and there, and its feed.
struct Running {
    services: Services,
    polls: Vec<Vec<u8>>,
    /// Of the first page of the feed, and of what is new since its last.
    pages: [Vec<Vec<u8>>; 2],
}

impl Running {
    fn start(setting: &Setting, world: &World, records: &[Record]) -> Self {
        let services = start_with(setting, world, tokens(records));
        let poll = |number| {
            let mailbox = records[scattered(number, records.len() as u64) as usize].mailbox;
            let path = format!("/v1/mailboxes/{mailbox}?slots=16&after=0");
            request("GET", &path, &[], &[])
        };
        let polls = setting.scaled(POLLS) as u64;
        let end = services.wait(until_logged(&services, records.len())).after;
        let end = end.unwrap();
        let pages = ["", &format!("?after={end}")].map(|query| {
            let page = request("GET", &format!("/v1/keys/feed{query}"), &[], &[]);
            vec![page; setting.scaled(PAGES)]
        });
        Self {
            polls: (0..polls).map(poll).collect(),
            services,
            pages,
        }
    }

    /// Processor time of the CPS for one of these requests, in microseconds.
    fn cost(&self, requests: &[Vec<u8>]) -> f64 {
        let target = self.services.target(Role::Cps, StatusCode::OK);
        let ask = || {
            drop(
                self.services
                    .wait(closed_loop(target, CONNECTIONS, requests)),
            );
        };
        let time = || self.services.cpu_time(Role::Cps);
        cpu_per_item(time, requests.len(), ask) * 1e6
    }
}

/// Waits until the feed has every record, which its log then has; a reader of all.
pub(super) async fn until_logged(services: &Services, records: usize) -> Feed {
    let target = services.target(Role::Cps, StatusCode::OK);
    let mut feed = Feed::at(&services.world, &target.address.to_string());
    loop {
        feed.read(&services.world).await;
        if feed.lines.len() == records {
            return feed;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn serving(setting: &Setting, world: &World, records: [&[Record]; 3]) -> [Curve; 2] {
    let mut scenes = records.map(|records| {
        let running = Running::start(setting, world, records);
        (records.len() as f64, running)
    });
    let [polled, first, last] = by_turns(setting.pairs, &mut scenes, |running| {
        let [first, last] = &running.pages;
        [&running.polls, first, last].map(|requests| running.cost(requests))
    });
    let flat = |name: &str, samples| Series::new(name, Expectation::Flat(SLACK), samples);
    [
        Curve {
            name: "key-records-poll",
            title: "Polling one of many registered mailboxes",
            growing: "key records",
            cost: "processor time of the CPS for a poll of 16 slots",
            unit: Unit::Microseconds,
            series: vec![flat("a poll", polled)],
        },
        Curve {
            name: "key-records-feed",
            title: "Reading the feed of many key records",
            growing: "key records",
            cost: "processor time of the CPS for a page",
            unit: Unit::Microseconds,
            series: vec![flat("the first page", first), flat("nothing new", last)],
        },
    ]
}
