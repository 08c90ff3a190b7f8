//! The PASSporTs that were verified, by calling number, and some of those that were not.
//! Everything in it is bounded and ends by itself. Not here: verifying.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pennyblack_base::encoding::sha256;
use pennyblack_base::time::UnixTime;
use pennyblack_passport::{
    Call, Destinations, FRESHNESS, Party, UnverifiedPassport, VerifiedPassport, valid_for,
};

/// Most PASSporTs that are not good and are remembered, the newest ones.
const MAX_REFUSED: usize = 4_096;

/// Reasons that a verdict gives.
const MAX_EXAMPLES: usize = 3;

/// Most characters of a reason: it may quote what a stranger wrote.
const MAX_REASON: usize = 300;

type Digest = [u8; 32];

/// What was found since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FollowerTotals {
    /// PASSporTs that were looked at.
    pub passports: u64,
    /// PASSporTs from other calling numbers than the one to look for.
    pub others: u64,
    /// Entries that open and are no PASSporT.
    pub no_passports: u64,
    /// Entries that do not open. Anyone with a token can store such.
    pub unreadable: u64,
}

/// PASSporTs that name a call and are not good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassportRefusals {
    /// How many, of the 4,096 last refused.
    pub count: usize,
    /// Why, of the first few.
    pub examples: Vec<String>,
}

struct Verified {
    passport: VerifiedPassport,
    digest: Digest,
    signer: Digest,
}

struct RefusedPassport {
    orig: Party,
    dest: Destinations,
    why: String,
    at: UnixTime,
}

pub(super) struct Index {
    max: usize,
    pub(super) totals: FollowerTotals,
    next: u64,
    verified: HashMap<u64, Verified>,
    /// The same PASSporT counts once, however often it was stored and whatever became of
    /// its signature: by the SHA-256 of what is signed.
    known: HashMap<Digest, u64>,
    by_orig: HashMap<Party, BTreeSet<u64>>,
    by_signer: HashMap<Digest, BTreeSet<u64>>,
    /// Signers by how many theirs are.
    shares: BTreeSet<(usize, Digest)>,
    by_iat: BTreeSet<(UnixTime, u64)>,
    refused: BTreeMap<u64, RefusedPassport>,
}

impl Index {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            totals: FollowerTotals::default(),
            next: 0,
            verified: HashMap::new(),
            known: HashMap::new(),
            by_orig: HashMap::new(),
            by_signer: HashMap::new(),
            shares: BTreeSet::new(),
            by_iat: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, passport: VerifiedPassport, now: UnixTime) {
        self.expire(now);
        let digest = passport.passport().digest();
        if self.known.contains_key(&digest) {
            return;
        }
        let number = self.number();
        let signer = sha256(passport.signer().to_string().as_bytes());
        let claims = passport.claims();
        let by_orig = self.by_orig.entry(claims.orig.clone()).or_default();
        by_orig.insert(number);
        self.by_iat.insert((claims.iat, number));
        self.known.insert(digest, number);
        self.change_share(signer, |numbers| numbers.insert(number));
        let verified = Verified {
            passport,
            digest,
            signer,
        };
        self.verified.insert(number, verified);
        while self.verified.len() > self.max {
            let most = self.shares.last().map(|(_, signer)| *signer);
            let numbers = most.and_then(|most| self.by_signer.get(&most));
            let Some(oldest) = numbers.and_then(|numbers| numbers.first().copied()) else {
                return;
            };
            self.remove(oldest);
        }
    }

    pub(super) fn refuse(&mut self, passport: &UnverifiedPassport, why: String, now: UnixTime) {
        let number = self.number();
        let claims = passport.claims();
        let refused = RefusedPassport {
            orig: claims.orig.clone(),
            dest: claims.dest.clone(),
            why: why.chars().take(MAX_REASON).collect(),
            at: now,
        };
        self.refused.insert(number, refused);
        if self.refused.len() > MAX_REFUSED {
            self.refused.pop_first();
        }
    }

    pub(super) fn valid_for(&mut self, call: &Call, now: UnixTime) -> Vec<VerifiedPassport> {
        self.expire(now);
        let numbers = self.by_orig.get(&call.orig).into_iter().flatten();
        let verified = numbers.filter_map(|number| self.verified.get(number));
        valid_for(verified.map(|verified| &verified.passport), call, now)
    }

    pub(super) fn refusals_of(&self, call: &Call, now: UnixTime) -> PassportRefusals {
        let refused = self.refused.values().filter(|refused| {
            refused.orig == call.orig
                && refused.dest.contain(&call.dest)
                && now.since(refused.at) <= FRESHNESS
        });
        let mut refusals = PassportRefusals::default();
        for refused in refused {
            refusals.count += 1;
            if refusals.examples.len() < MAX_EXAMPLES && !refusals.examples.contains(&refused.why) {
                refusals.examples.push(refused.why.clone());
            }
        }
        refusals
    }

    /// Removes what is not fresh any more.
    fn expire(&mut self, now: UnixTime) {
        while let Some(&(iat, number)) = self.by_iat.first()
            && now.since(iat) > FRESHNESS
        {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(gone) = self.verified.remove(&number) else {
            return;
        };
        let claims = gone.passport.claims();
        self.known.remove(&gone.digest);
        self.by_iat.remove(&(claims.iat, number));
        if let Some(numbers) = self.by_orig.get_mut(&claims.orig) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_orig.remove(&claims.orig);
            }
        }
        self.change_share(gone.signer, |numbers| numbers.remove(&number));
    }

    fn change_share(&mut self, signer: Digest, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let numbers = self.by_signer.entry(signer).or_default();
        self.shares.remove(&(numbers.len(), signer));
        change(numbers);
        match numbers.len() {
            0 => drop(self.by_signer.remove(&signer)),
            many => drop(self.shares.insert((many, signer))),
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pennyblack_passport::{
        Attestation, Claims, Extension, NoCertificates, OrigAuthority, OrigId, Verifier,
    };
    use pennyblack_stir::test_pki::{Carrier, NOW, TestPki};

    fn party(text: &str) -> Party {
        Party::Number(text.parse().unwrap())
    }

    fn call(from: &str) -> Call {
        Call {
            orig: party(from),
            dest: party("12125550142"),
        }
    }

    fn signed(pki: &TestPki, carrier: &Carrier, from: &str, iat: UnixTime) -> VerifiedPassport {
        let (attest, origid) = (Attestation::Full, OrigId::random());
        let claims = Claims {
            orig: party(from),
            dest: Destinations::new([party("12125550142")]).unwrap(),
            iat,
            mky: Vec::new(),
            extension: Extension::Shaken { attest, origid },
            others: serde_json::Map::new(),
        };
        let verifier = Verifier {
            trust: &pki.trust(),
            certificates: &NoCertificates,
            authority: OrigAuthority::AnySpc,
        };
        let token = claims.sign(&carrier.certificate, &carrier.key);
        let passport = UnverifiedPassport::parse(&token).unwrap();
        verifier.verify_alone(&passport, iat).unwrap()
    }

    #[test]
    fn a_passport_is_found_by_its_call_once_and_until_it_is_a_minute_old() {
        let pki = TestPki::new();
        let carrier = pki.carrier("683G");
        let mut index = Index::new(10);
        let passport = signed(&pki, &carrier, "12155550100", NOW);
        index.add(passport.clone(), NOW);
        index.add(passport, NOW);
        assert_eq!(index.valid_for(&call("12155550100"), NOW).len(), 1);
        assert!(index.valid_for(&call("12155550101"), NOW).is_empty());
        let last = NOW.plus(FRESHNESS);
        assert_eq!(index.valid_for(&call("12155550100"), last).len(), 1);
        let late = UnixTime(last.0 + 1);
        assert!(index.valid_for(&call("12155550100"), late).is_empty());
        let empty = index.verified.is_empty() && index.by_orig.is_empty();
        assert!(empty && index.by_signer.is_empty() && index.shares.is_empty());
    }

    #[test]
    fn a_signer_with_very_many_crowds_out_its_own_only() {
        let pki = TestPki::new();
        let (honest, greedy) = (pki.carrier("683G"), pki.carrier("4529"));
        let mut index = Index::new(8);
        index.add(signed(&pki, &honest, "12155550100", NOW), NOW);
        for _ in 0..30 {
            index.add(signed(&pki, &greedy, "12155550199", NOW), NOW);
        }
        assert_eq!(index.verified.len(), 8);
        assert_eq!(index.valid_for(&call("12155550100"), NOW).len(), 1);
    }

    #[test]
    fn refusals_are_counted_with_a_few_reasons_of_bounded_length() {
        let pki = TestPki::new();
        let passport = signed(&pki, &pki.carrier("683G"), "12155550100", NOW);
        let mut index = Index::new(8);
        for number in 0..2 * MAX_REFUSED {
            let why = format!("reason {number} {}", "x".repeat(1_000));
            index.refuse(passport.passport(), why, NOW);
        }
        let refusals = index.refusals_of(&call("12155550100"), NOW);
        assert_eq!((refusals.count, refusals.examples.len()), (MAX_REFUSED, 3));
        assert!(refusals.examples.iter().all(|why| why.len() <= MAX_REASON));
        let late = UnixTime(NOW.plus(FRESHNESS).0 + 1);
        assert_eq!(index.refusals_of(&call("12155550100"), late).count, 0);
    }
}
