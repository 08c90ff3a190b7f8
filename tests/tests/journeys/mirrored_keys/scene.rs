//! A federation of a few CPSs that show key records, and a directory that mirrors them.

use std::path::PathBuf;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::directory::{
    Directory, DirectorySync, FollowError, Followed, Judge, NoObserver, Observer,
};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::rosters::{RosterCpss, RosterUse};
use pennyblack_http::{HttpOptions, RetryPolicy, ServiceAddress};
use pennyblack_pki::{LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_protocol::key_record::{Coverage, KeyRecord, Placement};
use pennyblack_roster::Member;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use pennyblack_tests::federation::Federation;
use pennyblack_tests::feed_cps::FeedCps;
use pennyblack_tests::one_roster;
use pennyblack_tlog::VerifierKey;

pub(super) const NOW: UnixTime = UnixTime(1_800_000_000);
pub(super) const CALLEE: &str = "12125550142";
pub(super) const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn number(text: &str) -> TelephoneNumber {
    text.parse().unwrap()
}

/// Everybody, and the CPSs.
pub(super) struct Scene {
    pub(super) federation: Federation,
    pub(super) feeds: Vec<FeedCps>,
    pub(super) directory: Directory,
}

impl Scene {
    /// With CPSs `cps-0.test`, `cps-1.test`, …, all of which the roster has.
    pub(super) async fn set(cpss: usize) -> Self {
        Self::set_at(cpss, NOW).await
    }

    /// The same at another time.
    pub(super) async fn set_at(cpss: usize, now: UnixTime) -> Self {
        let federation = Federation::found(Clock::by_hand(now).0).unwrap();
        let mut feeds = Vec::new();
        for place in 0..cpss {
            let home = federation.home().join(format!("cps-{place}"));
            feeds.push(FeedCps::start(&format!("cps-{place}.test"), &home, now).await);
        }
        let directory = Directory::open(&federation.home().join("directory.db")).unwrap();
        let scene = Self {
            federation,
            feeds,
            directory,
        };
        let members = scene.feeds.iter().enumerate();
        let members =
            members.map(|(place, feed)| member(&format!("cps-{place}.test"), feed.log_key()));
        scene.keep_roster(members.collect());
        scene
    }

    /// Keeps the first roster, with these members.
    pub(super) fn keep_roster(&self, members: Vec<Member>) {
        let now = self.now();
        one_roster::keep(&self.rosters(), members, (now, now.plus(DAY)));
    }

    fn now(&self) -> UnixTime {
        self.federation.clock().now()
    }

    pub(super) fn rosters(&self) -> PathBuf {
        self.federation.home().join("rosters")
    }

    /// The CPSs of the roster, reached where they are, and these others.
    pub(super) fn cpss(&self, others: &[ServiceAddress]) -> RosterCpss {
        let addresses = self.feeds.iter().enumerate().map(|(place, feed)| {
            let address = format!("cps-{place}.test=http://{}", feed.address());
            address.parse().unwrap()
        });
        let addresses: Vec<_> = others.iter().cloned().chain(addresses).collect();
        let cpss = RosterCpss::read(&self.rosters(), RosterUse::Believing, self.now()).unwrap();
        cpss.reached_at(&addresses)
    }

    pub(super) fn judge(&self) -> Judge {
        Judge {
            trust: self.federation.trust().unwrap(),
            numbering: None,
            service: None,
            certificates: CertificateStores::default(),
        }
    }

    /// A round.
    pub(super) async fn sync(&self) -> Vec<Result<Followed, FollowError>> {
        self.sync_at(self.now(), &NoObserver).await
    }

    /// The same, with these CPSs of the roster reached at other addresses.
    pub(super) async fn sync_reaching(
        &self,
        reached: &[ServiceAddress],
    ) -> Vec<Result<Followed, FollowError>> {
        self.round(&self.cpss(reached), self.now(), &NoObserver)
            .await
    }

    /// The same at another time.
    pub(super) async fn sync_at(
        &self,
        now: UnixTime,
        observer: &dyn Observer,
    ) -> Vec<Result<Followed, FollowError>> {
        self.round(&self.cpss(&[]), now, observer).await
    }

    async fn round(
        &self,
        cpss: &RosterCpss,
        now: UnixTime,
        observer: &dyn Observer,
    ) -> Vec<Result<Followed, FollowError>> {
        let synced = self.follower().round(cpss, now, observer).await.unwrap();
        synced.cpss.into_iter().map(|one| one.outcome).collect()
    }

    /// What makes the rounds.
    pub(super) fn follower(&self) -> DirectorySync {
        let http = HttpOptions {
            timeout: Duration::from_secs(60),
            ..HttpOptions::default()
        };
        DirectorySync {
            retry: RetryPolicy::NONE,
            ..DirectorySync::new(self.directory.clone(), self.judge(), http.client().unwrap())
        }
    }

    /// How many new records each CPS has brought.
    pub(super) async fn new_records(&self) -> Vec<u64> {
        let all = self.sync().await.into_iter();
        all.map(|outcome| outcome.unwrap().new).collect()
    }

    /// The texts of what a number's look-up finds.
    pub(super) fn found(&self, text: &str, now: UnixTime) -> Vec<String> {
        let mirrored = self.directory.records_of(&number(text), &[], now).unwrap();
        let records = mirrored.records.iter();
        records.map(|record| record.as_str().to_owned()).collect()
    }

    /// A record of the office, made so many seconds after the beginning.
    pub(super) fn record(&self, key: &RecipientKey, coverage: Coverage, after: u64) -> KeyRecord {
        let iat = UnixTime(self.now().0 + after);
        KeyRecord {
            iat,
            exp: iat.plus(HOUR),
            iss: self.office().iss().to_owned(),
            coverage,
            key: key.config().clone(),
            placement: Placement::at("https://cps-0.test".parse().unwrap()),
        }
    }

    /// Somebody else, who holds these numbers.
    pub(super) fn holder_of(&self, name: &str, numbers: TnAuthEntry) -> StirIdentity {
        let mut pki = PkiDirectory::open(&self.federation.pki()).unwrap();
        let request = LeafRequest::new(vec![numbers]);
        pki.issue(name, &request, None, self.now()).unwrap();
        self.federation.identity(name).unwrap()
    }

    pub(super) fn office(&self) -> StirIdentity {
        self.federation.identity("office").unwrap()
    }

    pub(super) fn sign(&self, record: &KeyRecord) -> String {
        let office = self.office();
        record.sign(office.certificate(), office.key())
    }
}

pub(super) fn member(authority: &str, log_key: &VerifierKey) -> Member {
    one_roster::cps(&format!("https://{authority}"), log_key)
}

pub(super) fn key() -> RecipientKey {
    RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap()
}

pub(super) fn callee() -> Coverage {
    Coverage::Number(number(CALLEE))
}

pub(super) fn all_of_the_office() -> Coverage {
    Coverage::Range(NumberRange::new(number("12125550100"), 100).unwrap())
}
