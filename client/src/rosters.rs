//! Rosters from those who serve them: from what is kept to the newest, each verified by the one
//! before. Who serves them is not trusted. Not here: what makes a roster good, and the files.

mod cpss;
mod relays;
#[cfg(test)]
pub(crate) mod testing;
mod usable;

use pennyblack_http::{HttpClient, HttpError, Request, RetryPolicy, ServiceAddress};
use pennyblack_roster::{
    ChainError, KeptRosters, MAX_ROSTER_SIZE, Offered, ROSTER_PATH, RosterDirectoryError,
    RosterError, Sequence, SignedRoster,
};

pub use cpss::{RosterCps, RosterCpss};
pub use relays::{RelayRosterError, check_relays};
pub use usable::{RosterUse, RosterUseError};

/// Why nothing good came of a mirror.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorFault {
    /// No answer, or a refusal.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It has no such roster.
    #[error("{0}: there is no roster: ask the operator for one that serves rosters")]
    NotServed(String),
    /// What it answered is none.
    #[error("{url}: {error}")]
    Roster {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        error: RosterError,
    },
    /// It answered with another one than was asked for.
    #[error("{url}: the answer is roster {found}")]
    OtherSequence {
        /// What was asked.
        url: String,
        /// What came.
        found: Sequence,
    },
    /// A roster that does not follow.
    #[error("{mirror}: {error}")]
    Refused {
        /// Who showed it.
        mirror: ServiceAddress,
        /// Why.
        error: Box<ChainError>,
    },
}

impl MirrorFault {
    /// How bad it is for who trusts the federation: a fork is worst, silence least.
    fn weight(&self) -> u8 {
        match self {
            Self::Refused { error, .. } if matches!(**error, ChainError::Fork(..)) => 3,
            Self::Refused { .. } => 2,
            Self::Roster { .. } | Self::OtherSequence { .. } => 1,
            Self::Http(_) | Self::NotServed(_) => 0,
        }
    }
}

/// Why the newest roster is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterFetchError {
    /// No mirror showed a good one, or one showed a fork.
    #[error(transparent)]
    Mirror(#[from] MirrorFault),
    /// All show less than was shown before.
    #[error(
        "rollback: the newest roster that is shown is {shown}, and roster {kept} was shown before \
         or is pinned: what is kept stays in use; ask the governors why the newer one is gone"
    )]
    Rollback {
        /// What is kept, or pinned.
        kept: Sequence,
        /// The newest that is shown.
        shown: Sequence,
    },
    /// The files.
    #[error(transparent)]
    Directory(#[from] RosterDirectoryError),
}

/// What came of one mirror.
#[derive(Debug)]
pub struct MirrorReport {
    /// Which.
    pub mirror: ServiceAddress,
    /// The newest roster that it has, or why nothing good came of it.
    pub shown: Result<Sequence, MirrorFault>,
}

/// What came of a fetch.
#[derive(Debug)]
pub struct FetchedRosters {
    /// The rosters that are new.
    pub added: Vec<Sequence>,
    /// In the order in which they were asked.
    pub mirrors: Vec<MirrorReport>,
}

/// Fetches what is new of all mirrors, one after the other. What one of them does not show,
/// another one may; what is good stays kept, whatever else is found.
///
/// # Errors
/// [`RosterFetchError`].
pub async fn fetch_rosters(
    kept: &mut KeptRosters,
    mirrors: &[ServiceAddress],
    client: &HttpClient,
    retry: RetryPolicy,
) -> Result<FetchedRosters, RosterFetchError> {
    let last = kept.chain().map(|chain| chain.last().sequence());
    let before = last.unwrap_or(kept.pin().sequence);
    let mut fetched = FetchedRosters {
        added: Vec::new(),
        mirrors: Vec::new(),
    };
    for mirror in mirrors {
        let mut walk = Walk {
            kept,
            added: &mut fetched.added,
            mirror,
            client,
            retry,
        };
        let shown = match walk.reach_newest().await {
            Ok(newest) => Ok(newest),
            Err(RosterFetchError::Mirror(fault)) => Err(fault),
            Err(error) => return Err(error),
        };
        let mirror = mirror.clone();
        fetched.mirrors.push(MirrorReport { mirror, shown });
    }
    judge(fetched, before)
}

fn judge(
    mut fetched: FetchedRosters,
    before: Sequence,
) -> Result<FetchedRosters, RosterFetchError> {
    let shown = fetched
        .mirrors
        .iter()
        .filter_map(|one| one.shown.as_ref().ok());
    let newest = shown.max().copied();
    let faults = fetched.mirrors.iter().enumerate();
    let faults =
        faults.filter_map(|(place, one)| Some((place, one.shown.as_ref().err()?.weight())));
    let worst = faults.max_by_key(|(_, weight)| *weight);
    match (newest, worst) {
        (None, Some((place, _))) | (Some(_), Some((place, 3..))) => {
            let MirrorReport { mirror, shown } = fetched.mirrors.swap_remove(place);
            let fault = shown.err();
            Err(fault
                .unwrap_or_else(|| MirrorFault::NotServed(mirror.url(ROSTER_PATH)))
                .into())
        }
        (Some(shown), _) if shown < before => Err(RosterFetchError::Rollback {
            kept: before,
            shown,
        }),
        _ => Ok(fetched),
    }
}

/// The way to the newest roster of one mirror.
struct Walk<'w> {
    kept: &'w mut KeptRosters,
    added: &'w mut Vec<Sequence>,
    mirror: &'w ServiceAddress,
    client: &'w HttpClient,
    retry: RetryPolicy,
}

impl Walk<'_> {
    /// Its newest. What is older than the pin says nothing but that the mirror is behind.
    async fn reach_newest(&mut self) -> Result<Sequence, RosterFetchError> {
        let newest = self.get(None).await?;
        let first = self.kept.pin().sequence;
        let mut next = self.where_both_agree(&newest).await?;
        while first <= next && next <= newest.sequence() {
            let roster = self.roster(next, &newest).await?;
            self.offer(roster)?;
            if next == next.next() {
                break;
            }
            next = next.next();
        }
        Ok(newest.sequence())
    }

    /// Where to begin: behind what is kept, if the mirror has the same there, and so the same
    /// before it; else at the pin, so that the first roster which is another one is found.
    async fn where_both_agree(&self, newest: &SignedRoster) -> Result<Sequence, MirrorFault> {
        let first = self.kept.pin().sequence;
        let Some(last) = self.kept.chain().map(|chain| chain.last().sequence()) else {
            return Ok(first);
        };
        let common = last.min(newest.sequence());
        if common < first {
            return Ok(first);
        }
        let theirs = self.roster(common, newest).await?;
        let ours = self.kept.chain().and_then(|chain| chain.get(common));
        match ours.map(SignedRoster::digest) == Some(theirs.digest()) {
            true => Ok(common.next()),
            false => Ok(first),
        }
    }

    /// The mirror's roster of this sequence.
    async fn roster(
        &self,
        sequence: Sequence,
        newest: &SignedRoster,
    ) -> Result<SignedRoster, MirrorFault> {
        match sequence == newest.sequence() {
            true => Ok(newest.clone()),
            false => self.get(Some(sequence)).await,
        }
    }

    async fn get(&self, sequence: Option<Sequence>) -> Result<SignedRoster, MirrorFault> {
        let path = match sequence {
            Some(sequence) => format!("{ROSTER_PATH}/{sequence}"),
            None => ROSTER_PATH.to_owned(),
        };
        let url = self.mirror.url(&path);
        let request = Request::get(url.clone(), MAX_ROSTER_SIZE);
        let found = self.client.find(&request, self.retry).await?;
        let Some(found) = found else {
            return Err(MirrorFault::NotServed(url));
        };
        let text = String::from_utf8_lossy(&found);
        let roster: SignedRoster = match text.parse() {
            Ok(roster) => roster,
            Err(error) => return Err(MirrorFault::Roster { url, error }),
        };
        match sequence {
            Some(asked) if asked != roster.sequence() => Err(MirrorFault::OtherSequence {
                url,
                found: roster.sequence(),
            }),
            _ => Ok(roster),
        }
    }

    fn offer(&mut self, roster: SignedRoster) -> Result<(), RosterFetchError> {
        let sequence = roster.sequence();
        match self.kept.offer(roster) {
            Ok(Offered::Added) => self.added.push(sequence),
            Ok(Offered::Known) => {}
            Err(RosterDirectoryError::Chain { error, .. }) => {
                let mirror = self.mirror.clone();
                let error = Box::new(error);
                return Err(MirrorFault::Refused { mirror, error }.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
