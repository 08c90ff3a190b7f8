//! Rosters: how they are made and signed, fetched from mirrors that lie, served by a CPS, and
//! how the logs of their members are followed; and the walk of docs/federation.md.

mod fetching;
mod followed;
mod hints;
mod making;
mod relays;
mod served;
mod walk;

use std::process::Command;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_cps::AcceptedTokens;
use pennyblack_cps::config::IssuerConfig as TakenIssuer;
use pennyblack_evidence::key_log_view::Demand;
use pennyblack_roster::{
    Governors, Member, Members, Position, Role, Roster, SignedRoster, Validity,
};
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{NoteSigner, VerifierKey};
use tempfile::TempDir;

use crate::terminal::now;

const NOT_CURRENT: i32 = 14;
const FORK: i32 = 20;
const ROLLBACK: i32 = 21;
const BAD_SIGNATURE: i32 = 24;
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// What the program said, and its exit code.
pub(crate) struct Ended {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    exit: i32,
}

impl Ended {
    pub(crate) fn exits_with(&self, code: i32) -> &Self {
        assert_eq!(self.exit, code, "{}{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn has(&self, words: &str) -> &Self {
        let said = format!("{}{}", self.stdout, self.stderr);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(words), "no {words:?} in: {said}");
        self
    }
}

/// A directory in which the program is run.
pub(crate) struct Office(pub(crate) TempDir);

impl Office {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// `pennyblack federation` and these words.
    fn federation(&self, line: &str) -> Ended {
        self.pennyblack(&format!("federation {line}"))
    }

    pub(crate) fn pennyblack(&self, line: &str) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_pennyblack"))
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .unwrap();
        Ended {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            exit: output.status.code().unwrap(),
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }
}

/// Three governors, of whom two must sign.
struct Council([NoteSigner; 3]);

impl Council {
    fn new() -> Self {
        Self(["a.example", "b.example", "c.example"].map(|name| {
            let name = name.parse().unwrap();
            NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng())
        }))
    }

    /// The roster after `before`, or the first, that is valid from now on, signed by these.
    fn roster(&self, before: Option<&SignedRoster>, signers: &[usize]) -> SignedRoster {
        self.with_operator(before, "operator", signers)
    }

    fn with_operator(
        &self,
        before: Option<&SignedRoster>,
        operator: &str,
        signers: &[usize],
    ) -> SignedRoster {
        let from = now();
        self.valid(before, operator, (from, from.plus(DAY)), signers)
    }

    fn valid(
        &self,
        before: Option<&SignedRoster>,
        operator: &str,
        validity: (UnixTime, UnixTime),
        signers: &[usize],
    ) -> SignedRoster {
        self.with_cps("https://cps.example", operator, (before, validity), signers)
    }

    /// A roster that has this CPS, and a relay of this operator.
    fn with_cps(
        &self,
        cps: &str,
        operator: &str,
        (before, (from, until)): (Option<&SignedRoster>, (UnixTime, UnixTime)),
        signers: &[usize],
    ) -> SignedRoster {
        let (_, authority) = cps.split_once("://").unwrap();
        let log = format!("{authority}/log").parse().unwrap();
        let key = *self.0[0].verifier().public();
        let log = VerifierKey::new(log, SignatureType::Ed25519, key).unwrap();
        let members = vec![
            member(Role::Cps, cps, "operator-c", vec![log]),
            member(Role::Relay, "https://relay.example", operator, Vec::new()),
        ];
        self.of(before, members, (from, until), signers)
    }

    /// A roster of these members.
    fn of(
        &self,
        before: Option<&SignedRoster>,
        members: Vec<Member>,
        (from, until): (UnixTime, UnixTime),
        signers: &[usize],
    ) -> SignedRoster {
        let keys = self.0.each_ref().map(|key| key.verifier().clone());
        let roster = Roster {
            origin: "fed.example".parse().unwrap(),
            position: before.map_or(Position::First, |before| Position::After(before.pin())),
            validity: Validity::new(from, until).unwrap(),
            governors: Governors::new(2, keys.into()).unwrap(),
            members: Members::new(members).unwrap(),
        };
        let mut signers = signers.iter().map(|place| &self.0[*place]);
        let mut signed = SignedRoster::sign(roster, signers.next().unwrap()).unwrap();
        signers.for_each(|signer| signed.sign_too(signer).unwrap());
        signed
    }
}

fn member(role: Role, uri: &str, operator: &str, keys: Vec<VerifierKey>) -> Member {
    let (uri, operator) = (uri.parse().unwrap(), operator.parse().unwrap());
    Member::new(role, uri, operator, keys).unwrap()
}

/// An issuer whose tokens a CPS takes, and that is not there.
fn absent_issuer() -> TakenIssuer {
    TakenIssuer {
        authority: "issuer.test".parse().unwrap(),
        url: Some("http://127.0.0.1:1".to_owned()),
        tls_roots: None,
        voprf_keys: None,
        log: Demand::Published,
        log_key: None,
        tokens: AcceptedTokens::Own,
    }
}
