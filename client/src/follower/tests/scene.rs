//! An OOB-VS with a mailbox, a carrier that signs, and a CPS that is a list of entries
//! and writes down when it is asked for what.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pennyblack_base::time::UnixTime;
use pennyblack_http::{Request, ServiceAddress};
use pennyblack_passport::{Attestation, Call, Party};
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::{Cursor, PageHeader, Slots, seal_envelope};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_sealing::sealed::{seal_passport, slot_size};
use tempfile::TempDir;
use tokio::time::Instant;

use super::super::mailbox::PageFuture;
use super::super::{FollowedMailbox, Follower, FollowerConfig, PageSource, Task};
use crate::auth_service::ShakenCall;
use crate::certificates::CertificateStores;
use crate::identity::StirIdentity;
use crate::trust::load_trust;
use crate::verification_service::{SpcAuthority, VerificationRules};

pub(super) const NOW: UnixTime = UnixTime(1_800_000_000);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

pub(super) const CALLING: &str = "12155550100";
pub(super) const CALLED: &str = "12125550142";

/// The most entries that a mailbox has.
pub(super) const CAPACITY: usize = 1024;

pub(super) struct Scene {
    home: TempDir,
    identity: StirIdentity,
    pub(super) key: Arc<RecipientKey>,
    cps: ServiceAddress,
}

impl Scene {
    pub(super) fn set() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut pki = PkiDirectory::init(home.path(), &CaNames::default(), WEEK, NOW).unwrap();
        let carrier = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
        pki.issue("carrier", &carrier, None, NOW).unwrap();
        let issued = home.path().join("issued");
        let (pem, key) = (issued.join("carrier.pem"), issued.join("carrier.key"));
        Self {
            identity: StirIdentity::load(&pem, &key, None).unwrap(),
            key: Arc::new(RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap()),
            cps: "https://cps.example".parse().unwrap(),
            home,
        }
    }

    pub(super) fn call() -> Call {
        Call {
            orig: Party::Number(CALLING.parse().unwrap()),
            dest: Party::Number(CALLED.parse().unwrap()),
        }
    }

    /// An entry with a PASSporT of the call.
    pub(super) fn real_entry(&self) -> Vec<u8> {
        self.entry_naming("https://certs.example/carrier.pem")
    }

    /// An entry with a PASSporT of the call whose certificate is said to be there.
    pub(super) fn entry_naming(&self, url: &str) -> Vec<u8> {
        let (key, cps) = (self.key.config(), self.cps.authority());
        let passport = self.passport_naming(url);
        let sealed = seal_passport(key, cps, &passport, &mut rand::rng()).unwrap();
        sealed.as_bytes().to_vec()
    }

    pub(super) fn passport_naming(&self, url: &str) -> String {
        self.passport_of(NOW, url)
    }

    pub(super) fn passport_of(&self, iat: UnixTime, url: &str) -> String {
        let call = ShakenCall {
            orig: CALLING.parse().unwrap(),
            dest: CALLED.parse().unwrap(),
            attest: Attestation::Full,
            x5u: Some(url.parse().unwrap()),
        };
        call.sign(&self.identity, iat).unwrap()
    }

    /// An entry that anyone with a token can store.
    pub(super) fn hostile_entry(&self) -> Vec<u8> {
        let mut entry = vec![0; slot_size(self.key.config().kem())];
        rand::fill(&mut entry[..]);
        entry
    }

    pub(super) fn hostile_entries(&self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.hostile_entry()).collect()
    }

    pub(super) fn mailbox(&self, source: Arc<dyn PageSource>) -> FollowedMailbox {
        FollowedMailbox {
            key: Arc::clone(&self.key),
            cps: self.cps.clone(),
            source,
        }
    }

    pub(super) fn follow(
        &self,
        config: &FollowerConfig,
        sources: Vec<Arc<dyn PageSource>>,
        looks: Option<u64>,
    ) -> Follower {
        let certificates = CertificateStores {
            directory: Some(self.home.path().join("issued")),
            repositories: None,
        };
        self.follow_with(certificates, config, sources, looks)
    }

    /// The chain of the carrier's certificate.
    pub(super) fn chain(&self) -> Vec<u8> {
        std::fs::read(self.home.path().join("issued/carrier.pem")).unwrap()
    }

    pub(super) fn follow_with(
        &self,
        certificates: CertificateStores,
        config: &FollowerConfig,
        sources: Vec<Arc<dyn PageSource>>,
        looks: Option<u64>,
    ) -> Follower {
        let rules = self.rules(certificates);
        let sources = sources.into_iter().map(|source| self.mailbox(source));
        let task = Task {
            looks,
            only_from: None,
            at_once: true,
        };
        let clock = Self::clock();
        let rng = &mut rand::rng();
        Follower::start(config, sources.collect(), rules, task, clock, rng).unwrap()
    }

    pub(super) fn rules(&self, certificates: CertificateStores) -> VerificationRules {
        VerificationRules {
            trust: load_trust(&self.home.path().join("roots"), None, NOW).unwrap(),
            certificates,
            authority: SpcAuthority::Any,
        }
    }

    pub(super) fn clock() -> Clock {
        Clock::by_hand(NOW).0
    }

    pub(super) fn cps(&self, entries: Vec<Vec<u8>>) -> Arc<Recorder> {
        Arc::new(Recorder {
            key: Arc::clone(&self.key),
            cps: self.cps.clone(),
            contents: Mutex::new((0, entries)),
            flood: 0,
            asked: Mutex::default(),
        })
    }
}

/// A CPS with one mailbox.
pub(super) struct Recorder {
    key: Arc<RecipientKey>,
    cps: ServiceAddress,
    /// How many entries were dropped, and the entries.
    contents: Mutex<(usize, Vec<Vec<u8>>)>,
    /// So many hostile entries arrive before each answer; the oldest fall out.
    pub(super) flood: usize,
    asked: Mutex<Vec<(Instant, usize)>>,
}

impl Recorder {
    pub(super) fn flooded_by(self: Arc<Self>, flood: usize) -> Arc<Self> {
        let recorder = Arc::into_inner(self).unwrap();
        Arc::new(Self { flood, ..recorder })
    }

    /// When it was asked, and with how long a URL.
    pub(super) fn asked(&self) -> Vec<(Instant, usize)> {
        self.asked.lock().unwrap().clone()
    }

    fn answer(&self, url: &str) -> Bytes {
        let number = |name: &str| -> usize {
            let (_, value) = url.split_once(&format!("{name}=")).unwrap();
            value.split('&').next().unwrap().parse().unwrap()
        };
        let (slots, after) = (number("slots"), number("after"));
        let mut contents = self.contents.lock().unwrap();
        let (dropped, entries) = &mut *contents;
        for _ in 0..self.flood {
            let mut entry = vec![0; slot_size(self.key.config().kem())];
            rand::fill(&mut entry[..]);
            entries.push(entry);
        }
        let too_many = entries.len().saturating_sub(CAPACITY);
        entries.drain(..too_many);
        *dropped += too_many;
        let seen = after.saturating_sub(*dropped).min(entries.len());
        let end = entries.len().min(seen + slots);
        let header = PageHeader {
            more: end < entries.len(),
            dropped: false,
            next: Cursor(u64::try_from((*dropped + end).max(after)).unwrap()),
            server_time: NOW,
        };
        let slots = Slots::try_from(u16::try_from(slots).unwrap()).unwrap();
        let (key, cps) = (self.key.config(), self.cps.authority());
        let page = &entries[seen..end];
        let sealed = seal_envelope(key, cps, slots, page, header, &mut rand::rng());
        sealed.unwrap().into()
    }
}

impl PageSource for Recorder {
    fn page<'a>(&'a self, request: &'a Request<'static>) -> PageFuture<'a> {
        let asked = (Instant::now(), request.url.len());
        self.asked.lock().unwrap().push(asked);
        Box::pin(async { Ok(self.answer(&request.url)) })
    }
}

/// A CPS that takes connections and does not answer.
pub(super) struct Silent;

impl PageSource for Silent {
    fn page<'a>(&'a self, _request: &'a Request<'static>) -> PageFuture<'a> {
        Box::pin(std::future::pending())
    }
}
