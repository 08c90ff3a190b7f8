//! Who plays: a certification authority, three carriers, recipients, and some who are up to
//! no good.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pennyblack_protocol::key_record::Coverage;
use pennyblack_roster::Roster;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::Slots;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::cps::{CPSS, CpsNames, FIRST};
use super::network::{Host, Network};
use super::service::client;
use super::services::{SMALL_QUOTA, Services};
use super::storer::Storer;
use super::{DemoError, Way, WhileDoing as _};
use pennyblack_client::auth_service::{
    ClockGaps, DEFAULT_MAX_COPIES, KeySource, OobAuthenticationService,
};
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::follower::{FollowedMailbox, Follower, FollowerConfig, Task};
use pennyblack_client::identity::StirIdentity;
use pennyblack_client::trust::load_trust;
use pennyblack_client::verification_service::{
    MailboxCpss, Publisher, SpcAuthority, VerificationRules,
};
use pennyblack_http::{HttpOptions, RetryPolicy, ServiceAddress};
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, TnAuthEntry};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Somebody who is called.
pub(super) struct Callee {
    pub(super) number: TelephoneNumber,
    pub(super) keys: Vec<Arc<RecipientKey>>,
    /// One for each key, while it listens.
    pub(super) recipients: Vec<Recipient>,
}

/// A mailbox of a callee at all CPSs, and the follower that reads it all the time.
pub(super) struct Recipient {
    pub(super) key: Arc<RecipientKey>,
    pub(super) follower: Follower,
}

impl Recipient {
    /// Begins to follow the mailbox of `key`.
    fn start(
        key: Arc<RecipientKey>,
        cpss: &[ServiceAddress],
        rules: VerificationRules,
    ) -> Result<Self, DemoError> {
        let mailboxes = cpss.iter().map(|cps| {
            Ok(FollowedMailbox {
                key: Arc::clone(&key),
                cps: cps.clone(),
                source: Arc::new(client()?),
            })
        });
        let mailboxes = mailboxes.collect::<Result<_, DemoError>>()?;
        // Few entries, and quick looks at three CPSs: a mailbox here never has many.
        let config = FollowerConfig {
            every: Duration::from_millis(75),
            slots: Slots::Four,
            mailbox_capacity: 256,
            ..FollowerConfig::default()
        };
        let (clock, rng) = (Clock::system(), &mut rand::rng());
        let task = Task::default();
        Ok(Self {
            follower: Follower::start(&config, mailboxes, rules, task, clock, rng)
                .during("following a mailbox")?,
            key,
        })
    }
}

/// Everybody.
pub(super) struct Participants {
    pub(super) pki: PkiDirectory,
    pub(super) carrier_a: Storer,
    pub(super) carrier_b: Storer,
    /// Signs nothing: it has the Identity header of calls that come from others.
    pub(super) carrier_c: Storer,
    /// Draws once, and then is revoked.
    pub(super) revoked: Storer,
    /// Has a small quota.
    pub(super) greedy: Storer,
    /// Signs with a certificate that no authority knows.
    pub(super) crook: Storer,
    pub(super) callees: Vec<Callee>,
    /// The CPSs, as the called side reaches them.
    called_cpss: Vec<ServiceAddress>,
    pub(super) terminating: StirIdentity,
    pub(super) issued: PathBuf,
    trust: TrustPolicy,
}

impl Participants {
    /// Makes everybody's certificates and keys.
    pub(super) fn assemble(directory: &Path, clock: &Clock) -> Result<Self, DemoError> {
        let now = clock.now();
        // Long enough ago for every PASSporT here to be younger than its certificate.
        let issued_at = now.minus(HOUR);
        let names = CaNames::default();
        let mut pki = PkiDirectory::init(&directory.join("pki"), &names, DAY, issued_at)
            .during("making the certification authority")?;
        for (name, spc) in [
            ("carrier-a", "683G"),
            ("carrier-b", "709J"),
            ("carrier-c", "552K"),
            ("revoked", "999R"),
            ("greedy", SMALL_QUOTA.0),
        ] {
            let holds = vec![TnAuthEntry::spc(spc).during("naming a carrier")?];
            pki.issue(name, &LeafRequest::new(holds), None, issued_at)
                .during("issuing a certificate")?;
        }
        let numbers = TnAuthEntry::range("12155550100+100").during("naming a block of numbers")?;
        pki.issue(
            "terminating",
            &LeafRequest::new(vec![numbers]),
            None,
            issued_at,
        )
        .during("issuing a certificate")?;
        let issued = directory.join("pki/issued");
        let crook = crook(directory, &issued, clock)?;
        let trust = load_trust(&pki.roots_path(), Some(&pki.revocation_path()), now)
            .during("reading the roots")?;
        Ok(Self {
            carrier_a: Storer::new(directory, &pki, "carrier-a")?,
            carrier_b: Storer::new(directory, &pki, "carrier-b")?,
            carrier_c: Storer::new(directory, &pki, "carrier-c")?,
            revoked: Storer::new(directory, &pki, "revoked")?,
            greedy: Storer::new(directory, &pki, "greedy")?,
            crook,
            callees: callees()?,
            called_cpss: Vec::new(),
            terminating: identity(&pki, "terminating")?,
            issued,
            trust,
            pki,
        })
    }

    /// Tells everybody where the services are, and by which way storers reach the CPSs.
    pub(super) async fn meet(
        &mut self,
        services: &Services,
        network: &Network,
        (way, roster): (Way, &Arc<Roster>),
    ) -> Result<(), DemoError> {
        self.called_cpss = services.cpss_from(Host::CalledSide, network).await?;
        let like = self.oob_as_of_anybody()?;
        for storer in [
            &mut self.carrier_a,
            &mut self.carrier_b,
            &mut self.carrier_c,
            &mut self.revoked,
            &mut self.greedy,
        ] {
            storer.meet_issuer(&services.issuer_address);
        }
        for (host, storer) in [
            (Host::CarrierA, &mut self.carrier_a),
            (Host::CarrierB, &mut self.carrier_b),
            (Host::CarrierC, &mut self.carrier_c),
            (Host::Crook, &mut self.crook),
        ] {
            let at = (host, network);
            storer.meet_cpss(services, at, (way, roster), &like).await?;
        }
        self.listen()
    }

    /// All callees begin to follow their mailboxes.
    pub(super) fn listen(&mut self) -> Result<(), DemoError> {
        for callee in &mut self.callees {
            for key in &callee.keys {
                let rules = VerificationRules {
                    trust: self.trust.clone(),
                    certificates: certificates_in(&self.issued),
                    authority: SpcAuthority::Any,
                };
                let recipient = Recipient::start(Arc::clone(key), &self.called_cpss, rules)?;
                callee.recipients.push(recipient);
            }
        }
        Ok(())
    }

    /// They stop: their mailboxes fill unread.
    pub(super) async fn stop_listening(&mut self) {
        for callee in &mut self.callees {
            for recipient in callee.recipients.drain(..) {
                recipient.follower.stop().await;
            }
        }
    }

    /// What all OOB-ASs have in common.
    fn oob_as_of_anybody(&self) -> Result<OobAuthenticationService, DemoError> {
        Ok(OobAuthenticationService {
            keys: KeySource::Cps(self.called_cps()?.clone()),
            http: HttpOptions::default(),
            transport: Arc::new(HttpOptions::default()),
            trust: self.trust.clone(),
            numbering: None,
            certificates: certificates_in(&self.issued),
            minimum_age: Duration::ZERO,
            max_copies: DEFAULT_MAX_COPIES,
            clock_gaps: ClockGaps::default(),
            // What one CPS does not answer goes to another one.
            retry: RetryPolicy::NONE,
        })
    }

    /// Publishes every callee's keys at all CPSs, for so many copies of a PASSporT.
    pub(super) async fn register_keys(&self, copies: u64, clock: &Clock) -> Result<(), DemoError> {
        let naming = "naming the CPSs of a mailbox";
        let more = self.called_cpss.iter().skip(1).cloned().collect();
        let first = MailboxCpss::one(self.called_cps()?.clone()).during(naming)?;
        let cpss = first.and(more, Some(copies)).during(naming)?;
        for callee in &self.callees {
            for key in &callee.keys {
                let publisher = Publisher {
                    identity: self.terminating.clone(),
                    coverage: Coverage::Number(callee.number.clone()),
                    key: key.config().clone(),
                    cpss: cpss.clone(),
                    lifetime: DAY,
                    retry: RetryPolicy::SHORT,
                };
                publisher
                    .register(&client()?, clock.now())
                    .await
                    .during("registering a key")?;
            }
        }
        Ok(())
    }

    /// Fills the wallets; how many tokens came in.
    pub(super) async fn draw_tokens(&self, clock: &Clock) -> Result<usize, DemoError> {
        let cpss = CPSS.iter().map(CpsNames::authority);
        let cpss = cpss.collect::<Result<Vec<_>, _>>()?;
        let mut drawn = 0;
        for storer in [&self.carrier_a, &self.carrier_b, &self.carrier_c] {
            drawn += storer.draw_class(&cpss, clock).await?;
        }
        let first = &FIRST.authority()?;
        for storer in [&self.revoked, &self.greedy] {
            drawn += storer.draw(first, clock).await.during("drawing tokens")?;
        }
        Ok(drawn)
    }

    /// The beginning of each token that was spent.
    pub(super) fn spent_tokens(&self) -> Vec<String> {
        let storers = [&self.carrier_a, &self.carrier_b, &self.carrier_c];
        storers.into_iter().flat_map(Storer::spent_tokens).collect()
    }

    /// The first CPS, as the called side reaches it.
    pub(super) fn called_cps(&self) -> Result<&ServiceAddress, DemoError> {
        let first = self.called_cpss.first();
        first.ok_or(DemoError::Never("the start"))
    }

    /// The callee at this place of the round.
    pub(super) fn callee(&self, place: usize) -> Result<&Callee, DemoError> {
        let callee = self.callees.get(place % self.callees.len().max(1));
        callee.ok_or(DemoError::Never("a callee"))
    }
}

fn certificates_in(directory: &Path) -> CertificateStores {
    CertificateStores {
        directory: Some(directory.to_owned()),
        repositories: None,
    }
}

fn identity(pki: &PkiDirectory, name: &str) -> Result<StirIdentity, DemoError> {
    StirIdentity::load(&pki.certificate_path(name), &pki.key_path(name), None)
        .during("reading a certificate")
}

/// Somebody who says to be carrier A, under a CA of their own making.
fn crook(directory: &Path, issued: &Path, clock: &Clock) -> Result<Storer, DemoError> {
    let names = CaNames {
        organization: "Honest Certificates".to_owned(),
    };
    let mut pki = PkiDirectory::init(&directory.join("crooked-pki"), &names, DAY, clock.now())
        .during("making a false authority")?;
    let holds = vec![TnAuthEntry::spc("683G").during("naming a carrier")?];
    pki.issue("crook", &LeafRequest::new(holds), None, clock.now())
        .during("issuing a false certificate")?;
    // He publishes it like everybody else.
    std::fs::copy(pki.certificate_path("crook"), issued.join("crook.pem"))
        .during("publishing a certificate")?;
    Storer::new(directory, &pki, "crook")
}

/// Six numbers; the first has two keys, one of them against recorded traffic.
fn callees() -> Result<Vec<Callee>, DemoError> {
    let mut callees = Vec::new();
    for place in 0..6 {
        let number = format!("121555501{place:02}").parse().during("a number")?;
        let kems: &[Kem] = match place {
            0 => &[Kem::DhkemX25519, Kem::XWing],
            1 => &[Kem::DhkemP256],
            _ => &[Kem::DhkemX25519],
        };
        let keys = kems
            .iter()
            .map(|&kem| RecipientKey::generate(kem, &mut rand::rng()).map(Arc::new));
        callees.push(Callee {
            number,
            keys: keys
                .collect::<Result<_, _>>()
                .during("making a mailbox key")?,
            recipients: Vec::new(),
        });
    }
    Ok(callees)
}
