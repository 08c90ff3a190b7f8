//! What `pennyblack call` says when nothing was stored for a new call.

use std::fmt;
use std::path::Path;

use pennyblack_client::auth_service::{FoundKeys, ResendTotals};
use pennyblack_stir::telephone_number::TelephoneNumber;
use serde_json::json;

use super::super::outcome::{Exit, Failure, Outcome};
use super::super::wording::{folded, plural, printable};

pub(super) const NOT_ALL_READ: &str = "the CPS has, or may have, more key records for these digits than are \
                            read: give more digits of the number with --block, or all of them \
                            without it";

/// That there is no key to seal to. Records that only a wrong clock refuses are no
/// reason to call the number unreachable.
pub(super) fn no_key(
    dest: &TelephoneNumber,
    found: &FoundKeys,
    numbering: Option<&Path>,
) -> Failure {
    let refused = match found.refused.count {
        0 => String::new(),
        _ => format!("; refused: {}", refusals(found)),
    };
    if let Some(holder) = &found.refused.unchecked {
        let holder = printable(&holder.to_string());
        let import = "`pennyblack numbering import` asks a numbering service who holds it";
        let advice = match numbering {
            Some(table) => format!(
                "the table {} has no line for it; {import}, and writes that into the table",
                table.display()
            ),
            None => format!("name a numbering table that says so with --numbering; {import}"),
        };
        let text = format!(
            "a key for {dest} is published, but this machine cannot check that {holder} holds \
             the number: {advice} (docs/operating.md#who-holds-a-number)"
        );
        return Failure::new(Exit::Unchecked, text);
    }
    match found.clock_gap {
        Some(gap) if !refused.is_empty() => {
            let text = format!("no key for {dest} is accepted: {gap}{refused}");
            Failure::new(Exit::Failed, text)
        }
        _ if found.is_partial => {
            let text = format!("no key for {dest} was found, but {NOT_ALL_READ}{refused}");
            Failure::new(Exit::NoKey, text)
        }
        _ if refused.is_empty() => {
            let kept = found.kept_until;
            let kept = kept.map(|until| {
                format!("; its block was read before, and is not asked for again until {until}")
            });
            let text = format!(
                "nobody has published a key for {dest} at this CPS: the called side has to run \
                 `pennyblack mailbox register`{}",
                kept.unwrap_or_default()
            );
            Failure::new(Exit::NoKey, text)
        }
        _ => Failure::new(
            Exit::NoKey,
            format!("no key for {dest} is accepted{refused}"),
        ),
    }
}

/// The same of a directory, with a reason of its own.
pub(super) fn no_key_in(
    directory: &Path,
    dest: &TelephoneNumber,
    found: &FoundKeys,
    numbering: Option<&Path>,
) -> Failure {
    if !found.not_in_roster.is_empty() {
        let cpss = found.not_in_roster.iter().map(ToString::to_string);
        let cpss: Vec<_> = cpss.take(MAX_SHOWN).collect();
        let text = format!(
            "cps-not-in-roster: the keys for {dest} lead to CPSs that are not in the roster, and \
             nothing is sent there: {}",
            cpss.join(", ")
        );
        return Failure::new(Exit::NoKey, text);
    }
    if found.refused.count > 0 {
        return no_key(dest, found, numbering);
    }
    let text = format!(
        "not-in-directory: {} has no key for {dest}: the called side has not published one \
         (`pennyblack mailbox register`), or `pennyblack directory sync` has not seen it yet",
        directory.display()
    );
    Failure::new(Exit::NoKey, text)
}

/// CPSs that are named in an error.
const MAX_SHOWN: usize = 3;

/// How many key records were refused, and why the first few were.
pub(super) fn refusals(found: &FoundKeys) -> String {
    let records = plural(found.refused.count, "key record");
    let examples = found.refused.examples.iter();
    let reasons: Vec<_> = examples.map(|why| printable(&why.to_string())).collect();
    format!("{records}, for example: {}", reasons.join("; "))
}

/// Requests that were not sent again, since only relays may carry them.
#[derive(Debug)]
pub(super) struct Withheld(usize);

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = plural(self.0 as u64, "request");
        write!(
            f,
            "{requests} not sent again: only a relay may carry what was signed with --relay; name \
             the CPS with --cps and the relay with --relay, without --fallback direct"
        )
    }
}

impl std::error::Error for Withheld {}

impl Withheld {
    pub(super) fn of(resent: ResendTotals) -> Option<Self> {
        (resent.withheld > 0).then_some(Self(resent.withheld))
    }
}

pub(super) fn report_resent(resent: ResendTotals) -> Outcome {
    let ResendTotals {
        stored,
        refused,
        expired,
        left,
        withheld,
    } = resent;
    let mut text = format!(
        "sent again: {stored} stored, {refused} refused, {expired} dropped as too old, {left} still without an answer"
    );
    if let Some(withheld) = Withheld::of(resent) {
        text = format!("{text}; {withheld}");
    }
    let json = json!({
        "stored": stored,
        "refused": refused,
        "expired": expired,
        "left": left,
        "withheld": withheld,
    });
    let exit = match (left, withheld) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::NoRelay,
        _ => Exit::Network,
    };
    Outcome::new(json, folded(&text), exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_only_relays_may_carry_are_told_of_with_the_option_that_sends_them() {
        let resent = ResendTotals {
            withheld: 2,
            ..ResendTotals::default()
        };
        let said = Withheld::of(resent).unwrap().to_string();
        assert!(said.contains("2 requests not sent again"), "{said}");
        assert!(said.contains("--relay"), "{said}");
        assert_eq!(report_resent(resent).exit, Exit::NoRelay);
        assert!(Withheld::of(ResendTotals::default()).is_none());
    }
}
