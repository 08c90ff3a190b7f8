//! The values of `Identity` headers in a request, under all names that the dialects have for
//! them. Not here: what is in them.

use super::members::Members;
use super::refusal::Refusal;

/// Most `Identity` headers of a call: one that vouches, and a chain of five diversions with
/// some of other kinds beside it.
pub(super) const MAX_IDENTITIES: usize = 10;

/// Most bytes of one. A header line of SIP has seldom a quarter of it.
const MAX_IDENTITY: usize = 8 * 1024;

/// Takes `identity`, `identityHeader` and `identityHeaders`. Those that are absent, `null`
/// or empty are none; one that stands there under two names counts once.
pub(super) fn read(request: &mut Members) -> Result<Vec<String>, Refusal> {
    let mut all = Vec::new();
    for name in ["identity", "identityHeader", "identityHeaders"] {
        for value in request.texts(name, MAX_IDENTITY, MAX_IDENTITIES)? {
            if !all.contains(&value) {
                all.push(value);
            }
        }
    }
    match all.len() > MAX_IDENTITIES {
        true => Err(Refusal::invalid(
            "identityHeaders",
            "has more than 10 values",
        )),
        false => Ok(all),
    }
}
