//! A party of a call in a request: `{"tn": …}` or `{"uri": …}`, each one text or a list. Not
//! here: which number a text means, which depends on the trunk.

use super::members::Members;
use super::refusal::Refusal;

/// Most bytes of a number or a URI.
const MAX_NUMBER: usize = 256;

/// Most numbers that a party has.
const MAX_NUMBERS: usize = 16;

/// A party by its name in the request.
pub(super) struct Party {
    pub(super) name: &'static str,
    members: Members,
}

impl Party {
    /// Takes it out of a request.
    pub(super) fn take(request: &mut Members, name: &'static str) -> Result<Option<Self>, Refusal> {
        let members = request.object(name)?;
        Ok(members.map(|members| Self { name, members }))
    }

    /// Its `tn`, whatever stands there.
    pub(super) fn tn(&mut self) -> Result<Vec<String>, Refusal> {
        self.texts("tn")
    }

    /// Its `tn`, or else its `uri`, whatever stands there.
    pub(super) fn tn_or_uri(&mut self) -> Result<Vec<String>, Refusal> {
        let tn = self.tn()?;
        match tn.is_empty() {
            true => self.texts("uri"),
            false => Ok(tn),
        }
    }

    fn texts(&mut self, member: &'static str) -> Result<Vec<String>, Refusal> {
        let texts = self.members.texts(member, MAX_NUMBER, MAX_NUMBERS);
        texts.map_err(|refusal| match refusal {
            Refusal::Invalid { reason, .. } => Refusal::invalid(self.name, reason),
            other => other,
        })
    }
}
