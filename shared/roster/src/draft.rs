//! What people write, of which a program makes a roster: the lines in any order, blank lines,
//! and comments behind `#`. Not here: position and times.

use std::str::FromStr;

use pennyblack_base::authority::Authority;

use super::governors::Governors;
use super::member::Members;
use super::position::Position;
use super::roster::{MAX_ROSTER_SIZE, Roster, RosterError};
use super::statement::Statements;
use super::validity::Validity;

/// A roster without its position and its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterDraft {
    origin: Authority,
    governors: Governors,
    members: Members,
}

impl RosterDraft {
    /// The federation's name.
    #[must_use]
    pub const fn origin(&self) -> &Authority {
        &self.origin
    }

    /// The roster at this position, valid at these times.
    #[must_use]
    pub fn into_roster(self, position: Position, validity: Validity) -> Roster {
        Roster {
            origin: self.origin,
            position,
            validity,
            governors: self.governors,
            members: self.members,
        }
    }
}

impl FromStr for RosterDraft {
    type Err = RosterError;

    fn from_str(text: &str) -> Result<Self, RosterError> {
        if text.len() > MAX_ROSTER_SIZE {
            return Err(RosterError::Size(text.len()));
        }
        let (mut origin, mut statements) = (None, Statements::default());
        for (number, line) in (1..).zip(text.lines()) {
            let written = line.split('#').next().unwrap_or_default();
            let words: Vec<_> = written.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                ["federation", name] if origin.is_none() => {
                    let name = name.parse::<Authority>();
                    origin = Some(name.map_err(|error| RosterError::line(number, error))?);
                }
                ["federation", ..] => {
                    let why = "write one line with the word federation and the federation's name";
                    return Err(RosterError::line(number, why));
                }
                words => {
                    let said = statements.add(&words.join(" "));
                    said.map_err(|why| RosterError::line(number, why))?;
                }
            }
        }
        let missing = "there is no line with the word federation and the federation's name";
        let origin = origin.ok_or_else(|| RosterError::Statements(missing.to_owned()))?;
        let (governors, members) = statements.finish().map_err(RosterError::Statements)?;
        Ok(Self {
            origin,
            governors,
            members,
        })
    }
}
