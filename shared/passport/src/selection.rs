//! Which PASSporTs, verified as they arrived, are good for a call that comes later.
//! Nothing is signed or fetched here, so the answer costs a look into memory. Not
//! here: verifying them (`verify`).

use super::verdict::VerifiedPassport;
use super::verify::{Call, attach_originals, check_fresh, diverts};
use super::{MAX_DIVERSIONS, UnverifiedPassport};
use pennyblack_base::time::UnixTime;

/// Those of `verified` that are good for `call` at `now`: fresh, from its calling number,
/// and for its called number; a `div` only together with the PASSporT that it diverts.
#[must_use]
pub fn valid_for<'p>(
    verified: impl IntoIterator<Item = &'p VerifiedPassport>,
    call: &Call,
    now: UnixTime,
) -> Vec<VerifiedPassport> {
    let of_the_number = verified.into_iter().filter(|passport| {
        let claims = passport.claims();
        claims.orig == call.orig && check_fresh(claims.iat, now).is_ok()
    });
    let (mut reached, mut rest): (Vec<_>, Vec<_>) =
        of_the_number.partition(|passport| passport.claims().dest.contain(&call.dest));
    for _ in 0..MAX_DIVERSIONS {
        let (next, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|original| {
            let mut outer = reached.iter();
            outer.any(|outer| diverts(outer.claims(), original.claims()))
        });
        rest = others;
        if next.is_empty() {
            break;
        }
        reached.extend(next);
    }
    let (mut valid, mut diverted) = (Vec::new(), Vec::new());
    for (index, passport) in reached.into_iter().cloned().enumerate() {
        if passport.needs_original() {
            diverted.push((index, passport));
        } else {
            valid.push(passport);
        }
    }
    // One without its original is good for nothing yet; the original may still arrive.
    let _without_original = attach_originals(&mut valid, diverted);
    valid.retain(|passport| passport.claims().dest.contain(&call.dest));
    valid
}

impl VerifiedPassport {
    /// The PASSporT as it was parsed.
    #[must_use]
    pub const fn passport(&self) -> &UnverifiedPassport {
        &self.passport
    }
}
