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
    /// Somebody else has published a key for watched numbers.
    ForeignRecord = 15,
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
    /// The worst of what several services have come to: what an operator has signed and denies,
    /// other misbehaviour, what is wrong here, what was not reached, what was not read or not
    /// checked. Of what is equally bad the first.
    pub(crate) fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        let worst = |worst: Self, one: Self| match one.weight() > worst.weight() {
            true => one,
            false => worst,
        };
        all.into_iter().fold(Self::Done, worst)
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::IssuerNotFollowed => 1,
            Self::Unfinished => 2,
            Self::Network => 3,
            Self::Fork | Self::Rollback => 6,
            other if other as u8 >= Misbehaviour::RewrittenEntry.exit_code() => 5,
            _ => 4,
        }
    }

    /// Every code.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 28] = [
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
        Self::ForeignRecord,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_denies_is_worse_than_what_may_pass() {
        let order = [
            Exit::Done,
            Exit::IssuerNotFollowed,
            Exit::Unfinished,
            Exit::Network,
            Exit::Failed,
            Exit::BadSignature,
            Exit::Fork,
        ];
        for (place, exit) in order.into_iter().enumerate() {
            let lesser = order.into_iter().take(place + 1);
            assert_eq!(Exit::worst(lesser.clone()), exit);
            assert_eq!(Exit::worst(lesser.rev()), exit);
        }
        assert_eq!(Exit::worst([Exit::Rollback, Exit::Fork]), Exit::Rollback);
    }
}
