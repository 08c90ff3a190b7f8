//! Whether PASSporTs found for a call may be believed: RFC 8816 section 8.2, in
//! its order, over all that lay in a mailbox at once. Reading them is done in
//! the other files of this module, judging certificate chains in `stir`.
//!
//! Anyone can store anything in a mailbox, so a PASSporT that fails says nothing
//! of the call: the worst verdict is [`Verdict::Unverifiable`], never "forged".

use std::sync::Arc;

use super::claims::{Claims, Extension};
use super::div::check_diversion;
use super::party::{Party, PartyNumber};
use super::verdict::{Refusal, Refused, Verdict, VerifiedPassport};
use super::{FRESHNESS, MAX_CLOCK_SKEW, MAX_DIVERSIONS, PassportError, UnverifiedPassport};
use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::{CertificateReference, X5c, X5u};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::{TnAuthList, TrustPolicy, VerifiedChain, verify_chain};

/// The call as the verifier sees it: what the PASSporTs must agree with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who calls, by what signalling says.
    pub orig: Party,
    /// Who is called now, after all retargeting.
    pub dest: Party,
}

/// Where the certificates behind `x5u` come from. The implementation
/// has fetched them before: nothing here waits for a network.
pub trait CertificateSource {
    /// The chain at `url`, leaf first; none when it could not be had.
    fn certificates(&self, url: &X5u) -> Option<X5c>;
}

/// A source that has no certificates: only PASSporTs with `x5c` can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoCertificates;

impl CertificateSource for NoCertificates {
    fn certificates(&self, _url: &X5u) -> Option<X5c> {
        None
    }
}

/// When a certificate has authority for the number it signs for. TN entries
/// that hold the number are authority under each of these.
#[derive(Debug, Clone, Copy)]
pub enum OrigAuthority<'a> {
    /// Nothing but TN entries.
    NumbersOnly,
    /// An SPC, too, for the numbers that the operator's table gives to it.
    NumberingTable(&'a NumberingTable),
    /// Any SPC for any number, if the PASSporT is `shaken`, `div` or `div-o`:
    /// what SHAKEN verifiers do (ATIS-1000074 section 5.3.1). The certificate says
    /// who vouches, `attest` how far, and the right to the number is not checked.
    AnySpc,
}

/// What a verifier relies on.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    /// Roots and revocation.
    pub trust: &'a TrustPolicy,
    /// The certificates behind `x5u`.
    pub certificates: &'a dyn CertificateSource,
    /// When a certificate has authority for a number.
    pub authority: OrigAuthority<'a>,
}

impl Verifier<'_> {
    /// Judges everything that lay in a mailbox for one call at `now`.
    ///
    /// Every PASSporT is judged once at most, and those of other calls not at
    /// all, whatever the candidates refer to: the work grows as their number.
    #[must_use]
    pub fn verify<T: AsRef<str>>(&self, candidates: &[T], call: &Call, now: UnixTime) -> Verdict {
        let (found, mut refused) = parse_all(candidates, &call.orig);
        let (of_the_call, others) = split_by_call(found, &call.dest);
        refused.extend(others.into_iter().map(|candidate| Refused {
            index: candidate.index,
            reason: Refusal::OtherDest(call.dest.clone()),
        }));
        let nothing_found = of_the_call.is_empty();
        let (mut valid, mut diverted) = (Vec::new(), Vec::new());
        for Candidate { index, passport } in of_the_call {
            match self.verify_alone(&passport, now) {
                Ok(verified) if verified.needs_original() => diverted.push((index, verified)),
                Ok(verified) => valid.push(verified),
                Err(reason) => refused.push(Refused { index, reason }),
            }
        }
        refused.extend(attach_originals(&mut valid, diverted));
        refused.sort_unstable_by_key(|refused| refused.index);
        valid.retain(|passport| passport.claims().dest.contain(&call.dest));
        match (valid.is_empty(), nothing_found) {
            (false, _) => Verdict::Valid {
                passports: valid,
                refused,
            },
            (true, false) => Verdict::Unverifiable { refused },
            (true, true) => Verdict::NoPassport { refused },
        }
    }

    /// Verifies one with what is nested in it: credential and CA, authority,
    /// claim constraints, `iat`, signature. It says nothing of any call yet:
    /// [`valid_for`](super::valid_for) does.
    ///
    /// # Errors
    /// [`Refusal`], of the first check that fails.
    pub fn verify_alone(
        &self,
        passport: &UnverifiedPassport,
        now: UnixTime,
    ) -> Result<VerifiedPassport, Refusal> {
        let claims = passport.claims();
        if let Extension::Other(ppt) = &claims.extension {
            return Err(PassportError::UnknownExtension(ppt.clone()).into());
        }
        if let Some(nested) = passport.nested() {
            check_diversion(claims, nested.claims())?;
        }
        let chain = self.judge_certificate(passport.certificate(), now)?;
        self.check_authority(claims, chain.tn_auth_list())?;
        chain.check_claims(&claims.to_json())?;
        check_fresh(claims.iat, now)?;
        passport
            .jws()
            .verify(chain.public_key())
            .map_err(Refusal::Signature)?;
        // The carrier that diverted the call had to find the nested PASSporT fresh then; a
        // callee may ring for longer than that, so it is not compared with now.
        let original = passport
            .nested()
            .map(|nested| self.verify_alone(nested, claims.iat))
            .transpose()
            .map_err(|reason| Refusal::Nested(Box::new(reason)))?;
        Ok(VerifiedPassport {
            signer: chain.tn_auth_list().clone(),
            passport: passport.clone(),
            original: original.map(Box::new),
        })
    }

    fn judge_certificate(
        &self,
        reference: &CertificateReference,
        now: UnixTime,
    ) -> Result<Arc<VerifiedChain>, Refusal> {
        let fetched;
        let x5c = match reference {
            CertificateReference::X5c(x5c) => x5c,
            CertificateReference::X5u(url) => {
                fetched = self.certificates.certificates(url);
                fetched
                    .as_ref()
                    .ok_or_else(|| Refusal::NoCertificate(url.clone()))?
            }
        };
        Ok(verify_chain(x5c.certificates(), self.trust, now)?)
    }

    /// The signer of a `div` speaks for the one who diverted the call, of any
    /// other PASSporT for the caller (RFC 8946 section 4).
    fn check_authority(&self, claims: &Claims, certificate: &TnAuthList) -> Result<(), Refusal> {
        let party = claims.extension.diverting_party().unwrap_or(&claims.orig);
        let has_authority = match party {
            Party::Number(number) => self.has_authority(&claims.extension, number, certificate),
            // A TNAuthList gives authority for numbers only.
            Party::Uri(_) => false,
        };
        if has_authority {
            return Ok(());
        }
        Err(Refusal::NoAuthority {
            party: party.clone(),
            certificate: certificate.clone(),
        })
    }

    fn has_authority(
        &self,
        extension: &Extension,
        number: &PartyNumber,
        certificate: &TnAuthList,
    ) -> bool {
        // Neither a certificate nor a table can name a longer one.
        let telephone = number.to_telephone_number();
        let telephone = telephone.as_ref();
        if telephone.is_some_and(|number| certificate.covers(number)) {
            return true;
        }
        match self.authority {
            OrigAuthority::NumbersOnly => false,
            OrigAuthority::NumberingTable(table) => telephone.is_some_and(|number| {
                let mut spcs = certificate.spcs();
                spcs.any(|spc| table.holds(spc, number))
            }),
            OrigAuthority::AnySpc => {
                let vouched = match extension {
                    Extension::Shaken { .. } | Extension::Div { .. } | Extension::DivO { .. } => {
                        true
                    }
                    Extension::Base | Extension::Rcd | Extension::Other(_) => false,
                };
                vouched && certificate.spcs().next().is_some()
            }
        }
    }
}

/// A PASSporT for the caller, with its place among all.
struct Candidate {
    index: usize,
    passport: UnverifiedPassport,
}

fn parse_all<T: AsRef<str>>(candidates: &[T], orig: &Party) -> (Vec<Candidate>, Vec<Refused>) {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for (index, token) in candidates.iter().enumerate() {
        match parse_for(token.as_ref(), orig) {
            Ok(passport) => found.push(Candidate { index, passport }),
            Err(reason) => refused.push(Refused { index, reason }),
        }
    }
    (found, refused)
}

fn parse_for(token: &str, orig: &Party) -> Result<UnverifiedPassport, Refusal> {
    let passport = UnverifiedPassport::parse(token)?;
    if passport.claims().orig != *orig {
        return Err(Refusal::OtherOrig(passport.claims().orig.clone()));
    }
    Ok(passport)
}

/// First those for a call to `dest` and those that they divert, at any remove;
/// then the rest.
fn split_by_call(found: Vec<Candidate>, dest: &Party) -> (Vec<Candidate>, Vec<Candidate>) {
    let is_for_dest = |candidate: &Candidate| candidate.passport.claims().dest.contain(dest);
    let (mut reached, mut rest): (Vec<_>, Vec<_>) = found.into_iter().partition(is_for_dest);
    for _ in 0..MAX_DIVERSIONS {
        let (next, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|original| {
            reached
                .iter()
                .any(|outer| diverts(outer.passport.claims(), original.passport.claims()))
        });
        rest = others;
        if next.is_empty() {
            break;
        }
        reached.extend(next);
    }
    (reached, rest)
}

/// Moves into `valid` each of `diverted` that diverts a call of which a PASSporT
/// is there already, with that PASSporT attached; what is left is refused.
pub(super) fn attach_originals(
    valid: &mut Vec<VerifiedPassport>,
    mut diverted: Vec<(usize, VerifiedPassport)>,
) -> Vec<Refused> {
    for _ in 0..MAX_DIVERSIONS {
        let (mut attached, mut left) = (Vec::new(), Vec::new());
        for (index, mut outer) in diverted {
            let mut originals = valid.iter();
            match originals.find(|original| diverts(outer.claims(), original.claims())) {
                Some(original) => {
                    outer.original = Some(Box::new(original.clone()));
                    attached.push(outer);
                }
                None => left.push((index, outer)),
            }
        }
        diverted = left;
        if attached.is_empty() {
            break;
        }
        valid.extend(attached);
    }
    let refuse = |(index, _)| Refused {
        index,
        reason: Refusal::NoOriginal,
    };
    diverted.into_iter().map(refuse).collect()
}

pub(super) fn diverts(outer: &Claims, original: &Claims) -> bool {
    matches!(outer.extension, Extension::Div { .. }) && check_diversion(outer, original).is_ok()
}

impl UnverifiedPassport {
    /// Whether a verifier would find it fresh at `now`: also for who stores it, since one
    /// that is stale is of no use to anybody.
    ///
    /// # Errors
    /// [`Refusal::Stale`] or [`Refusal::FromTheFuture`].
    pub fn check_fresh(&self, now: UnixTime) -> Result<(), Refusal> {
        check_fresh(self.claims().iat, now)
    }
}

pub(super) fn check_fresh(iat: UnixTime, now: UnixTime) -> Result<(), Refusal> {
    if iat > now.plus(MAX_CLOCK_SKEW) {
        return Err(Refusal::FromTheFuture { iat, now });
    }
    if now.since(iat) > FRESHNESS {
        return Err(Refusal::Stale { iat, now });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
