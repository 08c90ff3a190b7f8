//! An exercise for auditors: an issuer, a CPS and a witness in this process, whose clock
//! runs through key epochs of an hour in seconds, some honest calls, and one token that
//! is spent twice. What stays is a directory with the two logs. Not here: the audit.

mod federation;
mod log_files;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_runtime::clock::{Clock, ClockHand};

use crate::demo::DemoError;
use federation::Federation;

/// How long a token key signs here.
const EPOCH: Duration = Duration::from_secs(3600);
/// By how much the clock is moved at a time: a CPS asks for new keys as often.
const STEP: Duration = Duration::from_secs(600);
/// How long the services work at each time: real time.
const PACE: Duration = Duration::from_millis(150);
/// How long ago the exercise begins, by its own clock: nothing of it lies in the future, also
/// where a busy machine makes it take all its steps.
const BEGAN: Duration = Duration::from_secs(48 * 3600);
/// Tokens that are spent in all: 12, 7, and the one that is spent twice; 9 and 4.
const SPENT: u64 = 33;
/// Tokens that are issued in all: a batch for each of the five draws.
const ISSUED: u64 = 80;
/// Steps until all of them are in closed epochs, at most.
const MAX_STEPS: usize = 270;

/// A log that an exercise has left.
#[derive(Debug, Clone)]
pub struct PracticeLog {
    /// The directory of its public files.
    pub files: PathBuf,
    /// The file with its verifier key.
    pub key: PathBuf,
}

/// What an exercise has left.
#[derive(Debug, Clone)]
pub struct Exercise {
    /// The CPS's log.
    pub cps: PracticeLog,
    /// The issuer's log.
    pub issuer: PracticeLog,
    /// The file with the verifier key of the witness that cosigns the CPS's log.
    pub witness: PathBuf,
    /// The index of the planted double spend in the CPS's log.
    pub double_spend: u64,
}

/// Plays the exercise in a directory that is empty: some hours of the two days before `now`.
/// `begins` is told what is done.
///
/// # Errors
/// [`DemoError`].
pub async fn play(
    directory: &Path,
    now: UnixTime,
    begins: &(dyn Fn(&str) + Sync),
) -> Result<Exercise, DemoError> {
    let (clock, hand) = Clock::by_hand(now.minus(BEGAN));
    begins("starting an issuer, a CPS and a witness");
    let federation = Federation::start(directory, &clock).await?;
    begins("making calls in the first key epoch");
    federation.calls("carrier-a", 12).await?;
    federation.calls("carrier-b", 7).await?;
    begins("sending three requests with one token of carrier-b");
    federation.spend_twice("carrier-b").await?;
    begins("letting the first key epoch pass");
    let first = federation.usable_key().await?;
    let mut steps = 0..MAX_STEPS;
    // A busy machine may take longer to make a key and to hear of it.
    while !is_another(federation.usable_key().await?, first) {
        step(&hand, &mut steps).await?;
    }
    begins("making calls in the second key epoch");
    federation.calls("carrier-a", 9).await?;
    federation.calls("carrier-b", 4).await?;
    begins("letting two more key epochs pass");
    let (log, issuer_log) = (federation.cps_log().await?, federation.issuer_log().await?);
    loop {
        let (contents, totals) = (log.contents().await?, issuer_log.contents().await?);
        let is_told = contents.spent >= SPENT && totals.issued >= ISSUED;
        let is_over = contents.closed >= 2 && is_told;
        if let Some(double_spend) = contents.double_spend.filter(|_| is_over) {
            return federation.stop(double_spend).await;
        }
        step(&hand, &mut steps).await?;
    }
}

fn is_another(key: Option<TokenKeyId>, first: Option<TokenKeyId>) -> bool {
    key.is_some() && key != first
}

/// The services work while the time passes: a CPS that comes by a key only after its
/// beginning refuses it, since it was not announced ahead.
async fn step(hand: &ClockHand, left: &mut Range<usize>) -> Result<(), DemoError> {
    let left = left.next();
    left.ok_or(DemoError::Never("closing two key epochs"))?;
    hand.advance(STEP);
    tokio::time::sleep(PACE).await;
    Ok(())
}
