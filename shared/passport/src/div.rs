//! How a PASSporT of a retargeted call must fit the one that it refers to (RFC
//! 8946 sections 4 and 5). Signatures and certificates are checked in `verify`.

use super::claims::Claims;
use super::party::Party;

/// Two PASSporTs that do not belong to one retargeted call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiversionError {
    /// Retargeting changes who is called, never who calls.
    #[error("the diverted call is from {outer}, the original PASSporT is from {original}")]
    OtherOrig {
        /// `orig` of the PASSporT with the claim `div`.
        outer: Party,
        /// `orig` of the original.
        original: Party,
    },
    /// The number that retargeted the call is not the one that was called.
    #[error("{0} diverted the call, but the original PASSporT is not for it")]
    NotForDivertingParty(Party),
    /// The outer PASSporT says nothing of a retargeting.
    #[error("there is no claim \"div\"")]
    NotDiverted,
}

/// True when `outer` retargets exactly the call that `original` speaks of.
pub(super) fn check_diversion(outer: &Claims, original: &Claims) -> Result<(), DiversionError> {
    if outer.orig != original.orig {
        return Err(DiversionError::OtherOrig {
            outer: outer.orig.clone(),
            original: original.orig.clone(),
        });
    }
    let div = outer.extension.diverting_party();
    let div = div.ok_or(DiversionError::NotDiverted)?;
    if !original.dest.contain(div) {
        return Err(DiversionError::NotForDivertingParty(div.clone()));
    }
    Ok(())
}
