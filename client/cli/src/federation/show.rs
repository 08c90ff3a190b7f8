//! `federation show`: what a roster says, for people and for programs.

use std::path::PathBuf;

use clap::Args;
use console::style;
use pennyblack_base::span::Span;
use pennyblack_base::time::UnixTime;
use pennyblack_roster::{Member, Pin, Position, Roster, RosterDigest, Standing, Validity};
use pennyblack_runtime::clock::Clock;
use pennyblack_tlog::VerifierKey;
use serde_json::{Value, json};

use super::super::outcome::{Exit, Failure, Outcome};
use super::super::table::{Table, words};
use super::super::wording::plural;
use super::make::{self, Copy};

/// `federation show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack federation show 1.roster

It shows who has signed, and not whether the roster is the one to trust:
`pennyblack federation check` says that. With --json the keys are shown, too.")]
pub(crate) struct Show {
    /// The roster, signed or not.
    roster: PathBuf,
}

/// Shows it.
pub(super) fn show(arguments: &Show) -> Result<Outcome, Failure> {
    let copy = make::read(&arguments.roster)?;
    let roster = copy.roster();
    let signed_by = match &copy {
        Copy::Signed(signed) => roster.governors.who_signed(signed.note()),
        Copy::Unsigned(_) => Ok(Vec::new()),
    };
    let signed_by = signed_by.map_err(|error| Failure::new(Exit::BadSignature, error))?;
    let pin = Pin {
        sequence: roster.sequence(),
        digest: RosterDigest::of(&roster.to_string()),
    };
    let now = Clock::system().now();
    let parts = [
        head(roster, pin, now),
        governors(roster, &signed_by),
        members(roster),
    ];
    Ok(Outcome::done(
        json_of(roster, pin, &signed_by, now),
        parts.join("\n\n"),
    ))
}

fn head(roster: &Roster, pin: Pin, now: UnixTime) -> String {
    let title = format!("Roster {} of {}", roster.sequence(), roster.origin);
    let after = before(roster).map(|pin| format!("after  {pin}\n"));
    let after = after.unwrap_or_default();
    format!(
        "{}\npin    {pin}\n{after}valid  from {} until {}\n       {}",
        style(title).bold(),
        roster.validity.from(),
        roster.validity.until(),
        standing(&roster.validity, now),
    )
}

/// Which roster it follows.
const fn before(roster: &Roster) -> Option<Pin> {
    match roster.position {
        Position::First => None,
        Position::After(pin) => Some(pin),
    }
}

fn governors(roster: &Roster, signed_by: &[&VerifierKey]) -> String {
    let mut table = Table::new([words("governor"), words("key id").whole(), words("signed")]);
    for key in roster.governors.keys() {
        let signed = if signed_by.contains(&key) {
            "yes"
        } else {
            "no"
        };
        table.row([
            key.name().to_string(),
            key.id().to_string(),
            signed.to_owned(),
        ]);
    }
    let (signed, of) = (signed_by.len(), roster.governors.keys().len());
    let threshold = roster.governors.threshold();
    format!("Signed by {signed} of {of} governors; {threshold} are needed\n{table}")
}

fn members(roster: &Roster) -> String {
    let count = plural(roster.members.iter().count() as u64, "member");
    let mut table = Table::new([words("role").whole(), words("member"), words("operator")]);
    for member in roster.members.iter() {
        let (uri, operator) = (member.uri().to_string(), member.operator().to_string());
        table.row([member.role().as_str().to_owned(), uri, operator]);
    }
    format!("{count}\n{table}")
}

/// What it is good for now, and for how long.
pub(crate) fn standing(validity: &Validity, now: UnixTime) -> String {
    match validity.standing(now) {
        Standing::NotYet => format!(
            "not valid yet: it begins in {}; check this machine's clock",
            Span(validity.from().since(now))
        ),
        Standing::Current { left } => format!("valid for {} more", Span(left)),
        Standing::StoringOnly { left } => format!(
            "it has ended: one may store by it for {} more, and believe nothing new; ask the \
             governors for the next roster",
            Span(left)
        ),
        Standing::Ended => "it has ended, and is good for nothing: ask the governors for the next \
                            roster"
            .to_owned(),
    }
}

/// The word for programs.
pub(super) const fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::NotYet => "not-yet",
        Standing::Current { .. } => "current",
        Standing::StoringOnly { .. } => "storing-only",
        Standing::Ended => "ended",
    }
}

fn json_of(roster: &Roster, pin: Pin, signed_by: &[&VerifierKey], now: UnixTime) -> Value {
    let governors: Vec<_> = roster
        .governors
        .keys()
        .iter()
        .map(|key| json!({ "key": key.to_string(), "signed": signed_by.contains(&key) }))
        .collect();
    let members: Vec<_> = roster.members.iter().map(member).collect();
    json!({
        "federation": roster.origin,
        "sequence": roster.sequence().get(),
        "pin": pin.to_string(),
        "after": before(roster).map(|pin| pin.to_string()),
        "valid_from": roster.validity.from(),
        "valid_until": roster.validity.until(),
        "standing": standing_word(roster.validity.standing(now)),
        "threshold": roster.governors.threshold(),
        "governors": governors,
        "members": members,
    })
}

fn member(member: &Member) -> Value {
    let keys: Vec<_> = member.keys().iter().map(ToString::to_string).collect();
    json!({
        "role": member.role().as_str(),
        "url": member.uri().to_string(),
        "operator": member.operator().to_string(),
        "keys": keys,
    })
}
