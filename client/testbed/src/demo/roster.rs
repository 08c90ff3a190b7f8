//! The roster of the federation: three governors, of whom two must sign, and what is checked by
//! it. Not here: who looks a CPS up in it before storing (`storer`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pennyblack_client::oblivious::RelayAddress;
use pennyblack_client::rosters::{RelayRosterError, check_relays};
use pennyblack_http::{Request, RetryPolicy, ServiceAddress};
use pennyblack_roster::{
    ChainError, Governors, KeptRosters, Member, Members, Position, Role, Roster, SignedRoster,
    Validity,
};
use pennyblack_runtime::clock::Clock;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{NoteSigner, VerifierKey};

use super::cps::KILLED;
use super::network::{Host, Network};
use super::report::{Incident, MemberView, RosterView};
use super::service::client;
use super::services::Services;
use super::{DemoError, WhileDoing as _};

const DAY: Duration = Duration::from_secs(86_400);
/// How many of the governors must sign.
const THRESHOLD: usize = 2;
/// Most bytes of a line with a key.
const MAX_KEY_SIZE: usize = 1_024;
/// A relay that the operator of the second CPS runs. Nothing goes through it.
const OTHER_RELAY: &str = "https://relay-b.example";

const MAKING: &str = "making the roster";

/// The federation: its governors, and the roster that all trust.
pub(super) struct Federation {
    governors: [NoteSigner; 3],
    signed: SignedRoster,
    /// As `pennyblack federation fetch` keeps it.
    directory: PathBuf,
}

impl Federation {
    /// Asks the services for the keys of their logs, and has two governors sign.
    pub(super) async fn found(
        directory: &Path,
        services: &Services,
        network: &Network,
        clock: &Clock,
    ) -> Result<Self, DemoError> {
        let members = members(services, network).await?;
        let governors = [governor("a")?, governor("b")?, governor("c")?];
        let keys = governors.iter().map(|one| one.verifier().clone());
        let now = clock.now();
        let roster = Roster {
            origin: "fed.example".parse().during(MAKING)?,
            position: Position::First,
            validity: Validity::new(now, now.plus(DAY)).during(MAKING)?,
            governors: Governors::new(THRESHOLD, keys.collect()).during(MAKING)?,
            members: Members::new(members).during(MAKING)?,
        };
        let [first, _, third] = &governors;
        let mut signed = SignedRoster::sign(roster, first).during(MAKING)?;
        signed.sign_too(third).during(MAKING)?;
        let directory = directory.join("rosters");
        let kept = KeptRosters::open(&directory, Some(signed.pin()));
        let offered = kept.and_then(|mut kept| kept.offer(signed.clone()));
        offered.during("keeping the roster")?;
        Ok(Self {
            governors,
            signed,
            directory,
        })
    }

    /// What it says.
    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::new(self.signed.roster().clone())
    }

    /// Fails unless the relay is a member, and has another operator than each CPS.
    pub(super) fn check_relay(&self, services: &Services, clock: &Clock) -> Result<(), DemoError> {
        let relays = services.public_relays()?;
        check_relays(&self.directory, &[], &relays, clock.now()).during("checking the relay")
    }

    /// What was checked by it, for the report.
    pub(super) fn view(&self) -> Result<RosterView, DemoError> {
        let roster = self.signed.roster();
        let signers = roster.governors.who_signed(self.signed.note());
        let names = |keys: &mut dyn Iterator<Item = &VerifierKey>| {
            keys.map(|key| key.name().to_string()).collect()
        };
        Ok(RosterView {
            federation: roster.origin.clone(),
            sequence: roster.sequence().get(),
            pin: self.signed.pin().to_string(),
            valid_until: roster.validity.until(),
            threshold: roster.governors.threshold(),
            governors: names(&mut roster.governors.keys().iter()),
            signed_by: names(&mut signers.during(MAKING)?.into_iter()),
            members: roster.members.iter().map(member_view).collect(),
        })
    }

    /// What a governor alone, and an operator alone, may try.
    pub(super) fn incidents(&self, clock: &Clock) -> Result<Vec<Incident>, DemoError> {
        Ok(vec![self.of_one_governor()?, self.of_one_operator(clock)?])
    }

    fn of_one_governor(&self) -> Result<Incident, DemoError> {
        let mut roster = self.signed.roster().clone();
        roster.position = Position::After(self.signed.pin());
        let [first, ..] = &self.governors;
        let successor = SignedRoster::sign(roster, first).during(MAKING)?;
        let chain = KeptRosters::chain_in(&self.directory);
        let mut chain = chain.during("reading the roster")?;
        let (observed, ok) = match chain.offer(successor) {
            Ok(_) => ("accepted".to_owned(), false),
            Err(ChainError::NotSigned { .. }) => ("refused (it lacks signatures)".to_owned(), true),
            Err(other) => (other.to_string(), false),
        };
        Ok(Incident {
            what: "a new roster that one of three governors has signed",
            expected: "refused (it lacks signatures)",
            observed,
            ok,
        })
    }

    fn of_one_operator(&self, clock: &Clock) -> Result<Incident, DemoError> {
        let cps = KILLED.authority()?;
        let relay = format!("{cps}={OTHER_RELAY}/{}", KILLED.short);
        let relay: RelayAddress = relay.parse().during("naming a relay")?;
        let checked = check_relays(&self.directory, &[], &[relay], clock.now());
        let (observed, ok) = match checked {
            Ok(()) => ("allowed".to_owned(), false),
            Err(RelayRosterError::OneOperator { .. }) => {
                ("refused (one operator)".to_owned(), true)
            }
            Err(other) => (other.to_string(), false),
        };
        Ok(Incident {
            what: "a relay of the CPS's own operator",
            expected: "refused (one operator)",
            observed,
            ok,
        })
    }
}

fn governor(letter: &str) -> Result<NoteSigner, DemoError> {
    let name = format!("carrier-{letter}.example").parse();
    let (name, kind) = (name.during(MAKING)?, SignatureType::Ed25519);
    Ok(NoteSigner::generate(name, kind, &mut rand::rng()))
}

async fn members(services: &Services, network: &Network) -> Result<Vec<Member>, DemoError> {
    let member = |role, uri: String, operator: &str, keys| {
        let (uri, operator) = (
            uri.parse().during(MAKING)?,
            operator.parse().during(MAKING)?,
        );
        Member::new(role, uri, operator, keys).during(MAKING)
    };
    let relay = format!("http://{}", services.relay_door.address);
    let issuer = &services.issuer_address;
    let mut members = vec![
        member(Role::Relay, relay, "operator-r", Vec::new())?,
        member(
            Role::Relay,
            OTHER_RELAY.to_owned(),
            KILLED.operator,
            Vec::new(),
        )?,
        member(
            Role::Issuer,
            format!("https://{}", issuer.authority()),
            "operator-i",
            vec![log_key(issuer).await?],
        )?,
    ];
    for cps in &services.cpss {
        let uri = format!("https://{}", cps.names.authority()?);
        let key = log_key(&cps.from(Host::Auditor, network).await?).await?;
        members.push(member(Role::Cps, uri, cps.names.operator, vec![key])?);
    }
    Ok(members)
}

/// The key of a service's log, as it says itself. In the field its operator confirms it.
async fn log_key(service: &ServiceAddress) -> Result<VerifierKey, DemoError> {
    let asking = "asking for the key of a log";
    let request = Request::get(service.url("/log/key"), MAX_KEY_SIZE);
    let answer = client()?.send(&request, RetryPolicy::SHORT).await;
    let answer = answer.during(asking)?;
    let text = String::from_utf8_lossy(&answer.body);
    text.trim_end().parse().during(asking)
}

fn member_view(member: &Member) -> MemberView {
    MemberView {
        role: member.role().as_str(),
        service: member.uri().authority().clone(),
        operator: member.operator().to_string(),
    }
}
