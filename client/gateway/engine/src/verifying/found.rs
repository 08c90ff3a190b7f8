//! What a switch is told of the PASSporTs that are good for its call. Not here: which are.

use pennyblack_base::time::UnixTime;
use pennyblack_passport::{Extension, IdentityHeader, Party, VerifiedPassport};
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::Ends;
use crate::verdict::{Found, Retargeted, Source};

/// None if there is no PASSporT.
pub(super) fn found(
    source: Source,
    ends: &Ends,
    passports: &[VerifiedPassport],
    unrecorded: Option<String>,
    now: UnixTime,
) -> Option<Found> {
    let is_shaken = |passport: &&VerifiedPassport| {
        matches!(
            passport.first().claims().extension,
            Extension::Shaken { .. }
        )
    };
    let shaken = passports.iter().find(is_shaken);
    let decisive = shaken.or_else(|| passports.first())?;
    let claims = decisive.claims();
    let (attest, origid) = match &decisive.first().claims().extension {
        Extension::Shaken { attest, origid } => (Some(*attest), Some(origid.clone())),
        _ => (None, None),
    };
    let is_named = |number: &&TelephoneNumber| claims.dest.contain(&Party::from((*number).clone()));
    let dest = ends.dest.iter().find(is_named)?;
    let goes_to = ends.goes_to.as_ref().filter(|to| *to != dest);
    Some(Found {
        source,
        identities: passports.iter().flat_map(identities_of).collect(),
        attest,
        origid,
        orig: ends.orig.clone(),
        dest: dest.clone(),
        age: now.since(claims.iat),
        retargeted: goes_to.map(|to| Retargeted { to: to.clone() }),
        unrecorded,
    })
}

/// A PASSporT with those that it diverts, as header values.
fn identities_of(passport: &VerifiedPassport) -> impl Iterator<Item = String> {
    let chain = std::iter::successors(Some(passport), |passport| passport.original());
    let headers = chain.filter_map(|one| IdentityHeader::new(one.passport().clone()).ok());
    headers.map(|header| header.to_string())
}
