//! The rosters of a federation that a client keeps: what it costs to go by the newest, which
//! is done for each call of `pennyblack call --rosters`, and to verify all of them.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_roster::{
    Governors, KeptRosters, Member, Members, Position, Role, Roster, SignedRoster, Validity,
};
use pennyblack_tlog::NoteSigner;
use pennyblack_tlog::note_key::SignatureType;
use tempfile::TempDir;

use super::curve::{Curve, Expectation, SLACK, Series, by_turns};
use crate::cpu_time::seconds_per_call;
use crate::finding::Unit;
use crate::setting::Setting;

/// A year of them at one a month, and many more.
const SIZES: [usize; 3] = [12, 120, 1_000];
const GOVERNORS: [&str; 3] = ["a.example", "b.example", "c.example"];
const CPSS: usize = 3;
/// Readings in a turn.
const READ: usize = 20;
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// Three governors, of whom two must sign, and three CPSs.
struct Federation {
    governors: Vec<NoteSigner>,
    members: Members,
}

impl Federation {
    fn found() -> Self {
        let signer = |name: &str| {
            let name = name.parse().unwrap();
            NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng())
        };
        let cps = |number: usize| {
            let authority = format!("cps-{number}.example");
            let log = signer(&format!("{authority}/log"));
            let uri = format!("https://{authority}").parse().unwrap();
            let operator = format!("operator-{number}").parse().unwrap();
            Member::new(Role::Cps, uri, operator, vec![log.verifier().clone()]).unwrap()
        };
        Self {
            governors: GOVERNORS.map(signer).into(),
            members: Members::new((0..CPSS).map(cps).collect()).unwrap(),
        }
    }

    /// A roster signed by two governors.
    fn roster(&self, position: Position) -> SignedRoster {
        let keys = self.governors.iter().map(|one| one.verifier().clone());
        let roster = Roster {
            origin: "fed.example".parse().unwrap(),
            position,
            validity: Validity::new(UnixTime(0), UnixTime(0).plus(MONTH)).unwrap(),
            governors: Governors::new(2, keys.collect()).unwrap(),
            members: self.members.clone(),
        };
        let mut signed = SignedRoster::sign(roster, &self.governors[0]).unwrap();
        signed.sign_too(&self.governors[1]).unwrap();
        signed
    }

    /// Keeps so many, as `pennyblack federation fetch` does.
    fn keep(&self, directory: &Path, count: usize) {
        let mut roster = self.roster(Position::First);
        let mut kept = KeptRosters::open(directory, Some(roster.pin())).unwrap();
        for _ in 1..count {
            let next = self.roster(Position::After(roster.pin()));
            kept.offer(roster).unwrap();
            roster = next;
        }
        kept.offer(roster).unwrap();
    }
}

pub(super) fn measure(setting: &Setting) -> Vec<Curve> {
    let federation = Federation::found();
    let mut scenes = SIZES.map(|size| {
        let (home, size) = (tempfile::tempdir().unwrap(), setting.scaled(size));
        federation.keep(home.path(), size);
        (size as f64, home)
    });
    let [newest, all] = by_turns(setting.pairs, &mut scenes, |home: &mut TempDir| {
        let newest = seconds_per_call(READ, || {
            black_box(KeptRosters::in_force_in(home.path(), UnixTime(0)).unwrap());
        });
        let all = seconds_per_call(1, || {
            black_box(KeptRosters::chain_in(home.path()).unwrap());
        });
        [newest, all].map(|seconds| seconds * 1e3)
    });
    let curve = |name, title, series| Curve {
        name,
        title,
        growing: "rosters",
        cost: "processor time for one reading",
        unit: Unit::Milliseconds,
        series: vec![series],
    };
    vec![
        curve(
            "rosters-newest",
            "Going by the newest roster",
            Series::new("the newest", Expectation::AtMost(1.0), newest),
        ),
        curve(
            "rosters-all",
            "Verifying all rosters",
            Series::new("all", Expectation::Linear(SLACK), all),
        ),
    ]
}
