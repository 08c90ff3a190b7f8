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
pub use relays::{RelayRosterError, check_relays, check_relays_by};
pub use usable::{RosterUse, RosterUseError, usable_roster};

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
    /// No mirror showed a good one, or one showed a fork: the worst fault of all.
    #[error(transparent)]
    Mirror(#[from] MirrorFault),
    /// All that show one show less than was shown before.
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
    /// The rosters that are new. They are kept, whatever the verdict is.
    pub added: Vec<Sequence>,
    /// In the order in which they were asked, but for the one whose fault is the verdict.
    pub mirrors: Vec<MirrorReport>,
    /// Whether the last roster that is kept is the newest that anybody shows.
    pub verdict: Result<(), RosterFetchError>,
}

/// Fetches what is new of all mirrors, one after the other. What one of them does not show,
/// another one may. **Each has its share of the time**: one that answers slowly keeps nobody from
/// what the others have.
///
/// # Errors
/// [`RosterDirectoryError`].
pub async fn fetch_rosters(
    kept: &mut KeptRosters,
    mirrors: &[ServiceAddress],
    client: &HttpClient,
    retry: RetryPolicy,
) -> Result<FetchedRosters, RosterDirectoryError> {
    let last = kept.chain().map(|chain| chain.last().sequence());
    let before = last.unwrap_or(kept.pin().sequence);
    let (mut added, mut reports) = (Vec::new(), Vec::new());
    for (place, mirror) in mirrors.iter().enumerate() {
        let client = match client.deadline() {
            Some(deadline) => client.within(deadline.share(mirrors.len() - place)),
            None => client.clone(),
        };
        let mut walk = Walk {
            kept,
            added: &mut added,
            mirror,
            client,
            retry,
        };
        let shown = match walk.reach_newest().await {
            Ok(newest) => Ok(newest),
            Err(WalkError::Mirror(fault)) => Err(fault),
            Err(WalkError::Directory(error)) => return Err(error),
        };
        let mirror = mirror.clone();
        reports.push(MirrorReport { mirror, shown });
    }
    let verdict = judge(&mut reports, before);
    Ok(FetchedRosters {
        added,
        mirrors: reports,
        verdict,
    })
}

/// Takes out the mirror whose fault is the verdict.
fn judge(mirrors: &mut Vec<MirrorReport>, before: Sequence) -> Result<(), RosterFetchError> {
    let shown = mirrors.iter().filter_map(|one| one.shown.as_ref().ok());
    let newest = shown.max().copied();
    let faults = mirrors.iter().enumerate();
    let faults =
        faults.filter_map(|(place, one)| Some((place, one.shown.as_ref().err()?.weight())));
    let worst = faults.max_by_key(|(_, weight)| *weight);
    match (newest, worst) {
        (None, Some((place, _))) | (Some(_), Some((place, 3..))) => {
            mirrors.remove(place).shown.map(drop).map_err(Into::into)
        }
        (Some(shown), _) if shown < before => Err(RosterFetchError::Rollback {
            kept: before,
            shown,
        }),
        _ => Ok(()),
    }
}

/// Why a walk ends before the newest.
enum WalkError {
    Mirror(MirrorFault),
    Directory(RosterDirectoryError),
}

impl From<MirrorFault> for WalkError {
    fn from(fault: MirrorFault) -> Self {
        Self::Mirror(fault)
    }
}

/// The way to the newest roster of one mirror.
struct Walk<'w> {
    kept: &'w mut KeptRosters,
    added: &'w mut Vec<Sequence>,
    mirror: &'w ServiceAddress,
    client: HttpClient,
    retry: RetryPolicy,
}

impl Walk<'_> {
    /// Its newest. What is older than the pin says nothing but that the mirror is behind.
    async fn reach_newest(&mut self) -> Result<Sequence, WalkError> {
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

    fn offer(&mut self, roster: SignedRoster) -> Result<(), WalkError> {
        let sequence = roster.sequence();
        match self.kept.offer(roster) {
            Ok(Offered::Added) => self.added.push(sequence),
            Ok(Offered::Known) => {}
            Err(RosterDirectoryError::Chain { error, .. }) => {
                let mirror = self.mirror.clone();
                let error = Box::new(error);
                return Err(MirrorFault::Refused { mirror, error }.into());
            }
            Err(error) => return Err(WalkError::Directory(error)),
        }
        Ok(())
    }
}
