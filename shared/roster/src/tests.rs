mod files;
mod following;
mod text;

use std::collections::BTreeMap;

use pennyblack_base::time::UnixTime;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{NoteSigner, VerifierKey};

use super::*;

const DAY: u64 = 86_400;
/// A threshold of two of three.
const ABC: (usize, &[&str]) = (2, &["a.example", "b.example", "c.example"]);

/// Governors by their names, each with a key of its own.
pub(super) struct Council(BTreeMap<&'static str, NoteSigner>);

impl Council {
    pub(super) fn new() -> Self {
        let names = ["a.example", "b.example", "c.example", "d.example"];
        Self(names.map(|name| (name, signer(name))).into())
    }

    pub(super) fn key(&self, name: &str) -> &NoteSigner {
        &self.0[name]
    }

    pub(super) fn public(&self, name: &str) -> VerifierKey {
        self.key(name).verifier().clone()
    }

    /// A roster with these governors, which these have signed. The one before has the governors
    /// [`ABC`].
    pub(super) fn roster(
        &self,
        sequence: u64,
        (threshold, governors): (usize, &[&str]),
        signed_by: &[&str],
    ) -> SignedRoster {
        self.with_operator(sequence, "operator-a", (threshold, governors), signed_by)
    }

    /// The same with another operator of its relay.
    pub(super) fn with_operator(
        &self,
        sequence: u64,
        operator: &str,
        governors: (usize, &[&str]),
        signed_by: &[&str],
    ) -> SignedRoster {
        let roster = self.unsigned(sequence, operator, governors);
        self.signed(roster, signed_by)
    }

    /// The roster after `before`.
    pub(super) fn after(
        &self,
        before: &SignedRoster,
        governors: (usize, &[&str]),
        signed_by: &[&str],
    ) -> SignedRoster {
        let position = Position::After(before.pin());
        let roster = self.unsigned(1, "operator-a", governors);
        self.signed(Roster { position, ..roster }, signed_by)
    }

    pub(super) fn signed(&self, roster: Roster, signed_by: &[&str]) -> SignedRoster {
        signed(roster, signed_by.iter().map(|name| self.key(name)))
    }

    /// One of a series of which all have the same governors, after the one before.
    fn unsigned(
        &self,
        sequence: u64,
        operator: &str,
        (threshold, governors): (usize, &[&str]),
    ) -> Roster {
        let before = (sequence > 1).then(|| self.unsigned(sequence - 1, "operator-a", ABC));
        let governors = governors.iter().map(|name| self.public(name)).collect();
        Roster {
            origin: "fed.example".parse().unwrap(),
            position: before.map_or(Position::First, |before| Position::After(pin_of(&before))),
            validity: Validity::new(UnixTime(sequence), UnixTime(sequence + DAY)).unwrap(),
            governors: Governors::new(threshold, governors).unwrap(),
            members: Members::new(vec![relay("https://relay.example", operator)]).unwrap(),
        }
    }
}

fn pin_of(roster: &Roster) -> Pin {
    Pin {
        sequence: roster.sequence(),
        digest: RosterDigest::of(&roster.to_string()),
    }
}

pub(super) fn signed<'k>(
    roster: Roster,
    signers: impl IntoIterator<Item = &'k NoteSigner>,
) -> SignedRoster {
    let mut signers = signers.into_iter();
    let mut signed = SignedRoster::sign(roster, signers.next().unwrap()).unwrap();
    signers.for_each(|signer| signed.sign_too(signer).unwrap());
    signed
}

pub(super) fn signer(name: &str) -> NoteSigner {
    let name = name.parse().unwrap();
    NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng())
}

pub(super) fn relay(uri: &str, operator: &str) -> Member {
    let (uri, operator) = (uri.parse().unwrap(), operator.parse().unwrap());
    Member::new(Role::Relay, uri, operator, Vec::new()).unwrap()
}
