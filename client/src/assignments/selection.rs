//! Which of the PASSporTs that are good for a call's numbers become its own. Not here: where
//! that is written down (`table`).

use std::mem::discriminant;

use pennyblack_passport::{FRESHNESS, VerifiedPassport};
use rusqlite::Connection;

use super::table::{self, CallDigest, PassportDigest, Row};
use super::{Assigned, CallName};

/// The PASSporTs of one call while it is decided which are its own.
pub(super) struct Selection {
    call: CallDigest,
    /// The newest first, each with the call that it belongs to.
    candidates: Vec<Candidate>,
}

struct Candidate {
    passport: VerifiedPassport,
    digest: PassportDigest,
    call: Option<CallDigest>,
}

impl Selection {
    pub(super) fn new(CallName(call): CallName, good: Vec<VerifiedPassport>) -> Self {
        let candidates = good.into_iter().map(|passport| Candidate {
            digest: passport.passport().digest(),
            passport,
            call: None,
        });
        let mut candidates: Vec<_> = candidates.collect();
        candidates.sort_by(|a, b| {
            let (newer, older) = (b.passport.claims().iat, a.passport.claims().iat);
            newer.cmp(&older).then(a.digest.cmp(&b.digest))
        });
        Self { call, candidates }
    }

    /// Whose they are, as far as `table` knows.
    pub(super) fn look_up(&mut self, table: &Connection) -> rusqlite::Result<()> {
        for candidate in &mut self.candidates {
            if let Some(call) = table::call_of(table, &candidate.digest)? {
                candidate.call = Some(call);
            }
        }
        Ok(())
    }

    /// As if nothing was known of them.
    pub(super) fn forget(&mut self) {
        for candidate in &mut self.candidates {
            candidate.call = None;
        }
    }

    /// Gives the call one of each kind; what has to be written for that.
    pub(super) fn choose(&mut self) -> Vec<Row> {
        let kind_of = |candidate: &Candidate| discriminant(&candidate.passport.claims().extension);
        let own = self.candidates.iter();
        let own = own.filter(|candidate| candidate.call == Some(self.call));
        let mut kinds: Vec<_> = own.map(kind_of).collect();
        let mut new = Vec::new();
        for candidate in &mut self.candidates {
            let kind = kind_of(candidate);
            if candidate.call.is_none() && !kinds.contains(&kind) {
                candidate.call = Some(self.call);
                kinds.push(kind);
                new.extend(rows_of(&candidate.passport, self.call));
            }
        }
        new
    }

    pub(super) fn into_assigned(self, unrecorded: Option<String>) -> Assigned {
        let all = self.candidates.len();
        let own = self.candidates.into_iter();
        let own = own.filter(|candidate| candidate.call == Some(self.call));
        let passports: Vec<_> = own.map(|candidate| candidate.passport).collect();
        Assigned {
            of_other_calls: all - passports.len(),
            passports,
            unrecorded,
        }
    }
}

/// A PASSporT with those that it diverts: they spoke of this call before it was diverted,
/// and are of no use to another one. If they are another call's already, that one came
/// first to the number that diverted it, and both are right.
fn rows_of(passport: &VerifiedPassport, call: CallDigest) -> Vec<Row> {
    let chain = std::iter::successors(Some(passport), |passport| passport.original());
    let rows = chain.map(|passport| Row {
        passport: passport.passport().digest(),
        call,
        ends: passport.claims().iat.plus(FRESHNESS),
    });
    rows.collect()
}
