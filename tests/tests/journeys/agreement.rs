//! Section 5.1: the walks of tests/model, gone by the real parties, which are a CPS's key
//! directory, a recipient's list of CPSs, and an OOB-AS's choice of record and CPS.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::cps_uri::CpsUri;
use pennyblack_base::time::UnixTime;
use pennyblack_client::auth_service::{CopyLimits, CopyPlan, OobAuthenticationService};
use pennyblack_client::certificates::Certificates;
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::verification_service::PolledCpss;
use pennyblack_cps::key_directory::{KeyDirectory, RecordPolicy, Registered};
use pennyblack_http::{RetryPolicy, ServiceAddress};
use pennyblack_protocol::key_record::{
    Coverage, KeyRecord, Placement, UnverifiedKeyRecord, VerifiedKeyRecord,
};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_tests::federation::Federation;
use pennyblack_trust::{Trust, TrustConfig};

const WALKS: &str = include_str!("../../model/walks/agreement.txt");
/// When the model's time is 0.
const START: UnixTime = UnixTime(1_800_000_000);
/// A moment of the model.
const MOMENT: u64 = 30;
const NUMBER: &str = "12125550142";
const NAMES: [char; 2] = ['A', 'B'];

/// Whom all walks have in common.
struct Holder {
    federation: Federation,
    identity: StirIdentity,
    oob_as: OobAuthenticationService,
}

impl Holder {
    fn new() -> Self {
        let federation = Federation::found(Clock::by_hand(START).0).unwrap();
        let nowhere = "127.0.0.1:1".parse().unwrap();
        Self {
            identity: federation.identity("office").unwrap(),
            oob_as: federation.caller(nowhere, RetryPolicy::NONE).unwrap(),
            federation,
        }
    }

    fn directory(&self, home: &std::path::Path, name: char) -> KeyDirectory {
        let roots = self.federation.pki().join("roots");
        let (config, home) = (TrustConfig::new(roots), home.join(name.to_string()));
        let trust = Trust::open(&config, &home.join("trust"), START).unwrap();
        let policy = RecordPolicy {
            authority: uri(name).authority().clone(),
            trust: Arc::new(trust),
            numbering: None,
            asked: None,
            capacity: 100,
        };
        KeyDirectory::open(&home.join("keys"), policy, START).unwrap()
    }
}

fn uri(name: char) -> CpsUri {
    format!("https://{}.example", name.to_ascii_lowercase())
        .parse()
        .unwrap()
}

/// The time at the CPSs, or at another clock that is so many moments ahead.
fn moment(moment: i64) -> UnixTime {
    UnixTime(START.0.checked_add_signed(moment * MOMENT as i64).unwrap())
}

struct Walk<'a> {
    holder: &'a Holder,
    now: i64,
    ahead: i64,
    mailbox_key: PathBuf,
    office: RecipientKey,
    directories: Vec<(char, KeyDirectory)>,
    records: Vec<KeyRecord>,
    known: Vec<VerifiedKeyRecord>,
    _home: tempfile::TempDir,
}

impl<'a> Walk<'a> {
    fn begin(holder: &'a Holder, now: i64, ahead: i64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mailbox_key = home.path().join("office.mailbox");
        let office = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
        fs::write(&mailbox_key, "").unwrap();
        Self {
            holder,
            now,
            ahead,
            mailbox_key,
            office,
            directories: NAMES
                .map(|name| (name, holder.directory(home.path(), name)))
                .into(),
            records: Vec::new(),
            known: Vec::new(),
            _home: home,
        }
    }

    fn recipients_clock(&self) -> UnixTime {
        moment(self.now + self.ahead)
    }

    fn directory(&self, name: char) -> &KeyDirectory {
        let mut all = self.directories.iter();
        &all.find(|(one, _)| *one == name).unwrap().1
    }

    fn token(&self, number: usize) -> String {
        let identity = &self.holder.identity;
        self.records[number].sign(identity.certificate(), identity.key())
    }

    fn step(&mut self, step: &str) {
        let words: Vec<_> = step.split(' ').collect();
        let number = || words[1].parse::<usize>().unwrap();
        let cps = |word: &str| word.chars().next().unwrap();
        match words[0] {
            "tick" => {
                self.now += 1;
                for (_, directory) in &self.directories {
                    directory.purge(moment(self.now));
                }
            }
            "sign" => self.sign(words[1], words[2].parse().unwrap()),
            "register" => {
                let (token, now) = (self.token(number()), moment(self.now));
                let registered = self.directory(cps(words[2])).register(&token, now);
                assert_eq!(registered.unwrap(), Registered::Stored);
            }
            // What it knows of is in the file.
            "crash" => {}
            "learn" => self.learn(number()),
            "store" => self.store(number(), cps(words[2])),
            other => panic!("no step: {other}"),
        }
    }

    fn sign(&mut self, names: &str, life: i64) {
        let names = NAMES.into_iter().filter(|name| names.contains(*name));
        let cpss: Vec<_> = names.map(uri).collect();
        let [first, more @ ..] = cpss.as_slice() else {
            panic!("no CPS");
        };
        let now = self.recipients_clock();
        // Two of one moment are not made at one time.
        let sooner = Duration::from_secs(MOMENT - 1 - self.records.len() as u64);
        let record = KeyRecord {
            iat: now.minus(sooner),
            exp: moment(self.now + self.ahead + life),
            iss: self.holder.identity.iss().to_owned(),
            coverage: Coverage::Number(NUMBER.parse().unwrap()),
            key: self.office.config().clone(),
            placement: Placement::new(first.clone(), more.to_vec(), None).unwrap(),
        };
        let addresses: Vec<_> = cpss.iter().cloned().map(ServiceAddress::from).collect();
        PolledCpss::add(&self.mailbox_key, &addresses, record.exp, now).unwrap();
        self.records.push(record);
    }

    /// By a clock that is behind: that of the OOB-AS does not matter.
    fn learn(&mut self, number: usize) {
        let record = UnverifiedKeyRecord::parse(&self.token(number)).unwrap();
        let (now, none) = (self.records[number].iat, Certificates::default());
        let verified = self.holder.oob_as.verify_record(record, &none, None, now);
        self.known.push(verified.unwrap());
    }

    fn store(&self, number: usize, name: char) {
        let chosen = self.holder.oob_as.keys.choose(self.known.iter().collect());
        let [(key, placement)] = chosen.placed.as_slice() else {
            panic!("one mailbox has one key: {chosen:?}");
        };
        assert_eq!(key.record(), &self.records[number]);
        let rng = &mut rand::rng();
        let mut plan = CopyPlan::new(placement, CopyLimits::of(placement), rng);
        let mut asked = std::iter::from_fn(|| plan.ask_next());
        assert!(asked.any(|cps| cps == uri(name)), "{name} is not asked");
        let directory = self.directory(name);
        let mailbox = self.office.mailbox();
        assert!(
            directory
                .key_for_stores(mailbox, moment(self.now))
                .is_some()
        );
    }

    /// At which CPSs the mailbox is polled, and which take stores for it and seal to its key.
    fn found(&self) -> String {
        let (now, mailbox) = (moment(self.now), self.office.mailbox());
        let listed = PolledCpss::of(&self.mailbox_key).unwrap();
        // It may poll some seconds longer, and no second less: records that end at once have an
        // end each in the list.
        let longer = Duration::from_secs(MOMENT - 1);
        let polled = listed.with(Vec::new(), self.recipients_clock().plus(longer));
        let polled: BTreeSet<_> = polled
            .iter()
            .map(|cps| cps.authority().to_string())
            .collect();
        let names = |is_there: &dyn Fn(char, &KeyDirectory) -> bool| -> String {
            let all = self.directories.iter();
            let there = all.filter(|(name, directory)| is_there(*name, directory));
            there.map(|(name, _)| *name).chain(['.']).collect()
        };
        let polled = names(&|name, _| polled.contains(uri(name).authority().as_str()));
        let takes = names(&|_, directory| directory.key_for_stores(mailbox, now).is_some());
        let seals = names(&|_, directory| directory.key_for_answers(mailbox, now).is_some());
        format!("polled {polled} takes {takes} seals {seals}")
    }
}

#[test]
fn the_real_parties_do_what_the_model_does() {
    let holder = Holder::new();
    let (mut walk, mut walks) = (None, 0);
    for (number, line) in WALKS.lines().enumerate() {
        if let Some(start) = line.strip_prefix("walk ") {
            let (now, ahead) = start.split_once(' ').unwrap();
            let (now, ahead) = (now.parse().unwrap(), ahead.parse().unwrap());
            walk = Some(Walk::begin(&holder, now, ahead));
            walks += 1;
            continue;
        }
        let (step, expected) = line.split_once("; ").unwrap();
        let walk = walk.as_mut().unwrap();
        walk.step(step);
        assert_eq!(walk.found(), expected, "line {}: {line}", number + 1);
    }
    assert_eq!(walks, 48);
}
