//! A roster and its text, **which has one spelling**. Not here: signatures.

use std::fmt;
use std::str::FromStr;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_tlog::NoteError;
use pennyblack_tlog::note::MAX_NOTE_SIZE;

use super::governors::Governors;
use super::member::{Members, OperatorName};
use super::pin::Sequence;
use super::position::Position;
use super::statement::Statements;
use super::validity::Validity;

/// Longest roster with its signatures.
pub const MAX_ROSTER_SIZE: usize = MAX_NOTE_SIZE;

/// What every roster begins with.
const VERSION: &str = "pennyblack-roster/v1";
/// Lines in front of the statements.
const HEAD: usize = 4;

/// Text that is no roster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// Longer than any.
    #[error("a roster of {0} bytes: at most {MAX_ROSTER_SIZE} are read")]
    Size(usize),
    /// One of its lines.
    #[error("line {number} of the roster: {why}")]
    Line {
        /// Which, from 1 on.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// What its lines say together.
    #[error("{0}")]
    Statements(String),
    /// Its signatures, as text.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl RosterError {
    pub(crate) fn line(number: usize, why: impl fmt::Display) -> Self {
        let why = why.to_string();
        Self::Line { number, why }
    }
}

/// Who belongs to a federation, and who says so. As text it is the text of the note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// The federation's name.
    pub origin: Authority,
    /// Which of the federation's rosters it is, and after which.
    pub position: Position,
    /// When it is valid.
    pub validity: Validity,
    /// Who signs it, and decides about its successor.
    pub governors: Governors,
    /// Who belongs to the federation.
    pub members: Members,
}

impl Roster {
    /// Which of the federation's rosters it is.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.position.sequence()
    }

    /// Who runs the service with this authority, if it is a member.
    #[must_use]
    pub fn operator_of(&self, authority: &Authority) -> Option<&OperatorName> {
        let member = self.members.find(authority);
        member.map(super::member::Member::operator)
    }
}

impl fmt::Display for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{VERSION}\n{}\n{}", self.origin, self.position)?;
        writeln!(f, "{} {}", self.validity.from().0, self.validity.until().0)?;
        writeln!(f, "threshold {}", self.governors.threshold())?;
        for key in self.governors.keys() {
            writeln!(f, "governor {key}")?;
        }
        let mut members = self.members.iter();
        members.try_for_each(|member| writeln!(f, "{member}"))
    }
}

impl FromStr for Roster {
    type Err = RosterError;

    fn from_str(text: &str) -> Result<Self, RosterError> {
        if text.len() > MAX_ROSTER_SIZE {
            return Err(RosterError::Size(text.len()));
        }
        let mut lines = text.lines();
        let mut line = |number, what: &str| {
            let missing = || RosterError::line(number, format!("{what} is missing"));
            lines.next().ok_or_else(missing)
        };
        if line(1, VERSION)? != VERSION {
            return Err(RosterError::line(1, format!("it is not {VERSION}")));
        }
        let origin = line(2, "the federation's name")?.parse();
        let position = line(3, "the sequence")?.parse();
        let validity = validity(line(4, "the times of validity")?);
        let mut statements = Statements::default();
        for (place, line) in lines.enumerate() {
            let said = statements.add(line);
            said.map_err(|why| RosterError::line(HEAD + 1 + place, why))?;
        }
        let (governors, members) = statements.finish().map_err(RosterError::Statements)?;
        let roster = Self {
            origin: origin.map_err(|error| RosterError::line(2, error))?,
            position: position.map_err(|error| RosterError::line(3, error))?,
            validity: validity.map_err(|why| RosterError::line(4, why))?,
            governors,
            members,
        };
        require_spelling(text, &roster.to_string())?;
        Ok(roster)
    }
}

fn validity(line: &str) -> Result<Validity, String> {
    let times = line.split_once(' ').and_then(|(from, until)| {
        let time = |text: &str| text.parse().ok().map(UnixTime);
        Some((time(from)?, time(until)?))
    });
    let (from, until) = times.ok_or("write two times in seconds since 1970")?;
    Validity::new(from, until).map_err(|error| error.to_string())
}

/// What was read is what would be written: sorted lines, plain numbers, normalized names.
fn require_spelling(text: &str, written: &str) -> Result<(), RosterError> {
    if text == written {
        return Ok(());
    }
    let mut pairs = text.lines().zip(written.lines());
    let number = pairs.position(|(one, other)| one != other);
    let number = number.unwrap_or_else(|| text.lines().count().saturating_sub(1)) + 1;
    let should = written.lines().nth(number - 1).unwrap_or_default();
    let why = format!("it is not in its place or spelling, where {should:?} belongs");
    Err(RosterError::line(number, why))
}
