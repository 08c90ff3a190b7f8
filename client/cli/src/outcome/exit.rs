//! The exit codes of the program. Not here: which failure has which.

use pennyblack_audit::Misbehaviour;

/// The exit codes of the program; `--help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// A file, a key or a setting.
    Failed = 1,
    /// The command line; clap exits with it by itself.
    Usage = 2,
    /// Nothing speaks of the call.
    NoPassport = 3,
    /// Something does, and none of it can be verified.
    Unverifiable = 4,
    /// No answer to go by.
    Network = 5,
    /// A service refused.
    Refused = 6,
    /// There is nothing to pay with.
    NoToken = 7,
    /// There is nobody to store for.
    NoKey = 8,
    /// An issuer does not account for its keys.
    Unaccounted = 9,
    /// The time was up before all was read.
    Unfinished = 10,
    /// The CPS takes keys of an issuer whose log was not named.
    IssuerNotFollowed = 11,
    /// There is a key, and nothing here says that its signer holds the number.
    Unchecked = 12,
    /// A request was to go through a relay, and none could carry it.
    NoRelay = 13,
    /// The newest roster is not valid now.
    RosterNotCurrent = 14,
    /// [`Misbehaviour::Fork`], and so on; the numbers are theirs.
    Fork = Misbehaviour::Fork.exit_code(),
    Rollback = Misbehaviour::Rollback.exit_code(),
    RewrittenEntry = Misbehaviour::RewrittenEntry.exit_code(),
    MissingTile = Misbehaviour::MissingTile.exit_code(),
    BadSignature = Misbehaviour::BadSignature.exit_code(),
    FalseAccusation = Misbehaviour::FalseAccusation.exit_code(),
    MoreSpentThanIssued = Misbehaviour::MoreSpentThanIssued.exit_code(),
    TooFewWitnesses = Misbehaviour::TooFewWitnesses.exit_code(),
    UnknownKey = Misbehaviour::UnknownKey.exit_code(),
    Contradiction = Misbehaviour::Contradiction.exit_code(),
    Excess = Misbehaviour::Excess.exit_code(),
    KeysTooClose = Misbehaviour::KeysTooClose.exit_code(),
}

impl From<Misbehaviour> for Exit {
    fn from(misbehaviour: Misbehaviour) -> Self {
        match misbehaviour {
            Misbehaviour::Fork => Self::Fork,
            Misbehaviour::Rollback => Self::Rollback,
            Misbehaviour::RewrittenEntry => Self::RewrittenEntry,
            Misbehaviour::MissingTile => Self::MissingTile,
            Misbehaviour::BadSignature => Self::BadSignature,
            Misbehaviour::FalseAccusation => Self::FalseAccusation,
            Misbehaviour::MoreSpentThanIssued => Self::MoreSpentThanIssued,
            Misbehaviour::TooFewWitnesses => Self::TooFewWitnesses,
            Misbehaviour::UnknownKey => Self::UnknownKey,
            Misbehaviour::Contradiction => Self::Contradiction,
            Misbehaviour::Excess => Self::Excess,
            Misbehaviour::KeysTooClose => Self::KeysTooClose,
        }
    }
}

impl Exit {
    /// Every code.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 27] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::NoPassport,
        Self::Unverifiable,
        Self::Network,
        Self::Refused,
        Self::NoToken,
        Self::NoKey,
        Self::Unaccounted,
        Self::Unfinished,
        Self::IssuerNotFollowed,
        Self::Unchecked,
        Self::NoRelay,
        Self::RosterNotCurrent,
        Self::Fork,
        Self::Rollback,
        Self::RewrittenEntry,
        Self::MissingTile,
        Self::BadSignature,
        Self::FalseAccusation,
        Self::MoreSpentThanIssued,
        Self::TooFewWitnesses,
        Self::UnknownKey,
        Self::Contradiction,
        Self::Excess,
        Self::KeysTooClose,
    ];
}
