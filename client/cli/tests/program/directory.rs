//! Keys at hand: a directory is synced, looked into and called by, and one's numbers are watched.

mod syncing;
mod watching;

use std::net::SocketAddr;

use pennyblack_base::time::UnixTime;
use pennyblack_pki::{LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_protocol::key_record::Coverage;
use pennyblack_stir::telephone_number::NumberRange;
use pennyblack_tests::feed_cps::FeedCps;
use pennyblack_tests::one_roster;

use crate::federation::{DAY, Ended, Office};
use crate::terminal::{Scene, now, record_for, record_in};

const CPS: &str = "cps.example";
/// It has [`crate::terminal::CALLED`].
const ROGUE_BLOCK: &str = "12155550000+1000";

/// A CPS that shows key records, and the roster that has it.
struct Town {
    office: Office,
    feed: FeedCps,
}

impl Town {
    async fn set() -> Self {
        let town = Self {
            office: Office(Scene::new().home),
            feed: FeedCps::start(CPS, &tempfile::tempdir().unwrap().keep(), now()).await,
        };
        town.keep_roster((now(), now().plus(DAY)));
        town
    }

    /// A roster of the CPS alone, valid for this time.
    fn keep_roster(&self, (from, until): (UnixTime, UnixTime)) {
        let cps = one_roster::cps(&format!("https://{CPS}"), self.feed.log_key());
        let rosters = self.office.0.path().join("rosters");
        one_roster::keep(&rosters, vec![cps], (from, until));
    }

    /// A record of the office's number at this CPS.
    fn record(&self, cps: &str) -> String {
        record_in(self.office.0.path(), "office", now(), cps)
    }

    /// One of somebody for a block with that number, of which there is a certificate.
    fn rogue_record(&self) -> String {
        let home = self.office.0.path();
        let mut pki = PkiDirectory::open(&home.join("pki")).unwrap();
        let block = LeafRequest::new(vec![TnAuthEntry::range(ROGUE_BLOCK).unwrap()]);
        if !pki.certificate_path("rogue").exists() {
            pki.issue("rogue", &block, None, now()).unwrap();
        }
        let block = NumberRange::new("12155550000".parse().unwrap(), 1_000).unwrap();
        let rogue = ("rogue", now());
        record_for(Coverage::Range(block), home, rogue, "https://rogue.example")
    }

    fn sync(&self) -> Ended {
        self.follow("directory sync --db directory.db", self.feed.address())
    }

    /// A command that follows the roster's CPS, which is there.
    fn follow(&self, command: &str, at: SocketAddr) -> Ended {
        self.office.pennyblack(&format!(
            "{command} --rosters rosters --roots pki/roots --cps {CPS}=http://{at} --timeout 5"
        ))
    }
}
