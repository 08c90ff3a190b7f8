//! The feed of key records: how large it is, what one more record costs the CPS, how long
//! who mirrors the directory takes for a round, and what the CPS holds in memory.

use std::path::Path;
use std::time::{Duration, Instant};

use http::StatusCode;
use pennyblack_base::time::UnixTime;
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::directory::{Directory, DirectorySync, Judge, NoObserver};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::rosters::{RosterCpss, RosterUse};
use pennyblack_client::trust::load_trust;
use pennyblack_http::HttpOptions;
use pennyblack_protocol::key_record::{KEY_RECORD_MEDIA_TYPE, KEYS_PATH};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::Kem;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::one_roster;
use pennyblack_tests::process::Role;
use pennyblack_tests::record_feed::{Feed, parsed};
use pennyblack_tests::world::World;
use tempfile::TempDir;

use super::curve::{Curve, Expectation, SLACK, Sample, Series, by_turns};
use super::key_records::{FIRST, holder_of_all, start_with, until_logged};
use super::restarts::{self, Stopped};
use super::scattered;
use crate::cpu_time::{self, seconds_per_call};
use crate::finding::Unit;
use crate::http_load::{closed_loop, request};
use crate::services::{Services, cpu_per_item};
use crate::setting::Setting;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// Turns, of which each mirrors every feed from its beginning.
const TURNS: usize = 3;
/// Records that are published in a turn, so that the processor time of one can be told.
const PUBLISHED: usize = 50;
/// Of how many records one is renewed before a round.
const RENEWED: usize = 100;
/// Rounds in a turn that find nothing new.
const ROUNDS: usize = 5;
/// Most seconds that mirroring all records may take.
const ALL: f64 = 15.0;
/// Look-ups in a turn, and most microseconds for one.
const LOOK_UPS: usize = 5_000;
const LOOK_UP: f64 = 50.0;
/// How often the feed is read until it shows something.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const SELDOM: Duration = Duration::from_millis(250);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// A mailbox for each of the numbers from [`FIRST`] on, and who publishes them.
struct Office {
    world: World,
    holder: StirIdentity,
    mailboxes: Vec<Mailbox>,
    /// When the first records were made.
    began: UnixTime,
}

impl Office {
    fn open(count: usize) -> Self {
        let mut world = World::new(Clock::system());
        let holder = holder_of_all(&mut world);
        let mailbox = |number: u64| Mailbox::new(Kem::DhkemX25519, &(FIRST + number).to_string());
        Self {
            holder,
            mailboxes: (0..count as u64).map(mailbox).collect(),
            began: world.clock.now().minus(HOUR),
            world,
        }
    }

    /// The record of a mailbox, made in this minute since the beginning.
    fn record(&self, mailbox: usize, minute: u64) -> String {
        let iat = UnixTime(self.began.0 + 60 * minute);
        let record = self.mailboxes[mailbox].record(&self.holder, self.world.cps_name(), iat);
        record.sign(self.holder.certificate(), self.holder.key())
    }
}

/// A CPS with so many records in its log, and one who mirrors them.
struct Scene<'a> {
    office: &'a Office,
    services: Services,
    count: usize,
    /// As far as it was read.
    feed: Feed,
    /// The next mailbox whose record is renewed.
    next: usize,
    mirror: Mirror,
}

impl<'a> Scene<'a> {
    fn set(setting: &Setting, office: &'a Office, records: &[String]) -> Self {
        let services = start_with(setting, &office.world, records.iter().map(String::as_str));
        let feed = services.wait(until_logged(&services, records.len()));
        let mirror = Mirror::of(office, &services);
        Self {
            office,
            services,
            count: records.len(),
            feed,
            next: 0,
            mirror,
        }
    }

    /// Requests that renew the records of the next `count` mailboxes. Each is renewed once.
    fn renewals(&mut self, count: usize) -> Vec<Vec<u8>> {
        let places = self.next..self.next + count;
        self.next = places.end;
        let headers = [("content-type", KEY_RECORD_MEDIA_TYPE)];
        let put = |place| {
            let record = self.office.record(place % self.count, 1);
            request("PUT", KEYS_PATH, &headers, record.as_bytes())
        };
        places.map(put).collect()
    }

    /// Sends them, and reads the feed as often until it shows all.
    fn publish(&mut self, renewals: &[Vec<u8>], every: Duration) {
        let target = self.services.target(Role::Cps, StatusCode::CREATED);
        let (services, feed) = (&self.services, &mut self.feed);
        services.wait(async {
            closed_loop(target, 1, renewals).await;
            let known = feed.lines.len();
            loop {
                feed.read(&services.world).await;
                let new = feed.lines[known..].iter();
                if new.filter(|line| line.record.is_some()).count() == renewals.len() {
                    return;
                }
                tokio::time::sleep(every).await;
            }
        });
    }

    /// Milliseconds of the CPS's processor time for a record, and until the feed shows one.
    fn publishing(&mut self) -> [f64; 2] {
        let many = self.renewals(PUBLISHED);
        let process = self.services.process_of(Role::Cps);
        let time = || cpu_time::of_process(process);
        let cost = cpu_per_item(time, PUBLISHED, || self.publish(&many, SELDOM));
        let one = self.renewals(1);
        let begin = Instant::now();
        self.publish(&one, LOOK_EVERY);
        [cost, begin.elapsed().as_secs_f64()].map(|seconds| seconds * 1e3)
    }

    /// Seconds for a round that begins a directory, for one after which nothing is new, and for
    /// one after a hundredth of the records was renewed; microseconds for a look-up.
    fn mirroring(&mut self) -> [f64; 4] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("directory.db");
        let rounds = |count: usize, new: usize| {
            let begin = Instant::now();
            for _ in 0..count {
                let round = self.mirror.round(&file);
                assert_eq!(self.services.wait(round), new as u64);
            }
            begin.elapsed().as_secs_f64() / count as f64
        };
        let (all, nothing) = (rounds(1, self.count), rounds(ROUNDS, 0));
        let new = (self.count / RENEWED).max(1);
        let renewals = self.renewals(new);
        self.publish(&renewals, SELDOM);
        let begin = Instant::now();
        let found = self.services.wait(self.mirror.round(&file));
        assert_eq!(found, new as u64);
        let some = begin.elapsed().as_secs_f64();
        [all, nothing, some, self.looking_up(&file)]
    }

    fn looking_up(&self, file: &Path) -> f64 {
        let directory = Directory::existing(file).unwrap();
        let (mut call, now) = (0, self.mirror.clock.now());
        let seconds = seconds_per_call(LOOK_UPS, || {
            call += 1;
            let mailbox = &self.office.mailboxes[scattered(call, self.count as u64) as usize];
            let found = directory.records_of(mailbox.number(), &[], now).unwrap();
            assert_eq!(found.records.len(), 1);
        });
        seconds * 1e6
    }

    /// Bytes of all pages, for who has none.
    fn size_of_feed(&self) -> f64 {
        let world = &self.services.world;
        let target = self.services.target(Role::Cps, StatusCode::OK);
        let mut feed = Feed::at(world, &target.address.to_string());
        self.services.wait(async {
            let mut bytes = 0;
            loop {
                let answer = feed.ask(world).await;
                bytes += answer.content().len();
                let (_, end) = parsed(&answer);
                if end.complete {
                    return bytes as f64;
                }
                feed.after = end.after;
            }
        })
    }
}

/// Who mirrors what one CPS has.
struct Mirror {
    judge: Judge,
    cpss: RosterCpss,
    clock: Clock,
    _home: TempDir,
}

impl Mirror {
    fn of(office: &Office, services: &Services) -> Self {
        let (home, world) = (tempfile::tempdir().unwrap(), &services.world);
        let (name, now) = (world.cps_name(), world.clock.now());
        let address = services.target(Role::Cps, StatusCode::OK).address;
        let key = services.wait(async {
            let answer = world.client.get(format!("http://{address}/log/key"));
            answer.send().await.unwrap().text().await.unwrap()
        });
        let cps = one_roster::cps(&format!("http://{name}"), &key.trim().parse().unwrap());
        let rosters = home.path().join("rosters");
        one_roster::keep(&rosters, vec![cps], (now, now.plus(DAY)));
        let cpss = RosterCpss::read(&rosters, RosterUse::Believing, now).unwrap();
        let reached = format!("{name}=http://{address}").parse().unwrap();
        let roots = office.world.path("pki/roots");
        Self {
            judge: Judge {
                trust: load_trust(&roots, None, now).unwrap(),
                numbering: None,
                service: None,
                certificates: CertificateStores::default(),
            },
            cpss: cpss.reached_at(&[reached]),
            clock: world.clock.clone(),
            _home: home,
        }
    }

    /// A round as `pennyblack directory sync` makes one; how many records are new.
    async fn round(&self, file: &Path) -> u64 {
        let client = HttpOptions::default().client().unwrap();
        let directory = Directory::open(file).unwrap();
        let sync = DirectorySync::new(directory, self.judge.clone(), client);
        let round = sync.round(&self.cpss, self.clock.now(), &NoObserver).await;
        let mut cpss = round.unwrap().cpss.into_iter();
        cpss.next().unwrap().outcome.unwrap().new
    }
}

pub(super) fn measure(setting: &Setting) -> Vec<Curve> {
    let sizes = SIZES.map(|size| setting.scaled(size));
    let office = Office::open(sizes[2]);
    let records: Vec<_> = (0..sizes[2]).map(|place| office.record(place, 0)).collect();
    let mut scenes = sizes.map(|size| {
        let scene = Scene::set(setting, &office, &records[..size]);
        (size as f64, scene)
    });
    let measured = by_turns(setting.pairs.min(TURNS), &mut scenes, |scene| {
        let [cost, shown] = scene.publishing();
        let [all, nothing, some, look_up] = scene.mirroring();
        let memory = scene.services.resident(Role::Cps);
        [
            cost,
            shown,
            all,
            nothing,
            some,
            look_up,
            scene.size_of_feed(),
            memory,
        ]
    });
    let mut curves = of_the_feed(measured);
    let stopped = scenes.into_iter();
    let stopped = stopped.map(|(size, scene)| (size, Stopped::of(scene.services.killed())));
    curves.extend(restarts::measure(setting, stopped.collect()));
    curves
}

fn of_the_feed(
    [cost, shown, all, nothing, some, look_up, size, memory]: [Vec<Sample>; 8],
) -> Vec<Curve> {
    let flat = |name: &str, samples| Series::new(name, Expectation::Flat(SLACK), samples);
    let linear = |name: &str, samples| Series::new(name, Expectation::Linear(SLACK), samples);
    let curve = |name, title, cost, unit, series| Curve {
        name,
        title,
        growing: "key records",
        cost,
        unit,
        series,
    };
    vec![
        curve(
            "key-feed-publish",
            "Publishing one more key record",
            "time for one: verified, stored, logged and shown",
            Unit::Milliseconds,
            vec![
                flat("processor time of the CPS", cost),
                flat("until the feed shows it", shown),
            ],
        ),
        curve(
            "key-feed-sync",
            "Mirroring the feed of one CPS",
            "time of a round",
            Unit::Seconds,
            vec![
                Series::new("all, at the first", Expectation::AtMost(ALL), all),
                linear("a hundredth of them new", some),
                flat("nothing new", nothing),
            ],
        ),
        curve(
            "key-feed-look-up",
            "Finding a mirrored key record by its number",
            "processor time for one",
            Unit::Microseconds,
            vec![Series::new(
                "a look-up",
                Expectation::AtMost(LOOK_UP),
                look_up,
            )],
        ),
        curve(
            "key-feed-size",
            "The feed from its beginning",
            "bytes of all pages",
            Unit::Bytes,
            vec![linear("all pages", size)],
        ),
        curve(
            "key-feed-memory",
            "Memory of a CPS with key records",
            "resident",
            Unit::Bytes,
            vec![linear("the CPS", memory)],
        ),
    ]
}
