//! Rounds in which all CPSs of a roster are followed: one, or one after the other until the
//! program is told to stop. What a round goes by is read again for each. Not here: what is
//! told of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use pennyblack_client::directory::{
    Directory, DirectorySync, FOR_CALLS, Judge, NumberWatch, Observer, Synced,
};
use pennyblack_client::rosters::{RosterCpss, RosterUse};
use pennyblack_http::{Deadline, HttpOptions, RetryPolicy, ServiceAddress};
use pennyblack_numbering::NumberingService;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::LogConfig;
use pennyblack_runtime::logging;
use pennyblack_runtime::reload::Reload;
use tokio::time::sleep;

use super::super::options::{ConnectionOptions, TrustOptions};
use super::super::outcome::{Exit, Failure};
use super::super::signals::Signals;
use super::super::standard_error::tell;
use super::super::witnesses::WitnessOptions;

/// Once more; the next round asks again.
const RETRY: RetryPolicy = RetryPolicy {
    retries: 1,
    ..RetryPolicy::SHORT
};

/// Rounds that ask without end, or leave keys of yesterday, are slips.
const SENSIBLE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(86_400);

/// What all rounds go by.
#[derive(Debug, Args)]
pub(crate) struct RoundOptions {
    /// Directory of `federation fetch`: the CPSs of its newest roster are followed.
    #[arg(long, value_name = "DIR")]
    pub(crate) rosters: PathBuf,
    /// The directory's file, which is made if it is missing.
    #[arg(long, value_name = "FILE")]
    pub(crate) db: PathBuf,
    /// Go on until stopped: a round after this time, a tenth sooner or later, such as 5m.
    /// Without it there is one round.
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub(crate) every: Option<Duration>,
    /// A CPS of the roster that is reached by another URL than the roster has; repeat the option.
    #[arg(long, value_name = "AUTHORITY=URL")]
    cps: Vec<ServiceAddress>,
    /// URL of a numbering service, which is asked who holds the numbers of a record that is new
    /// and of which the table says nothing. It is never asked at a call.
    #[arg(long, value_name = "URL")]
    numbering_service: Option<ServiceAddress>,
    /// Seconds that a round may take. What it has taken up by then stays.
    #[arg(long, default_value_t = 600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,
    /// Of a watch: which, as the purpose of its file. Then what a feed leaves out is asked for.
    #[arg(skip)]
    watch: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustOptions,
    #[command(flatten)]
    witnesses: WitnessOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
}

/// A round that took place.
pub(crate) struct Round {
    pub(crate) cpss: RosterCpss,
    pub(crate) synced: Synced,
}

fn interval(text: &str) -> Result<Duration, String> {
    let time: SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is no time: write it as 5m or 30s"))?;
    let time = Duration::try_from(time).map_err(|error| error.to_string())?;
    match SENSIBLE.contains(&time) {
        true => Ok(time),
        false => Err("write a time from 1s to 24h".to_owned()),
    }
}

impl RoundOptions {
    /// The same for a watch, in a file that it has for itself: what a feed leaves out is asked for.
    pub(crate) fn watching(self, watch: &NumberWatch) -> Self {
        Self {
            watch: Some(watch.purpose()),
            ..self
        }
    }

    /// One round.
    pub(crate) async fn round(&self, observer: &dyn Observer) -> Result<Round, Failure> {
        let now = Clock::system().now();
        let cpss = RosterCpss::read(&self.rosters, RosterUse::Believing, now)?;
        let cpss = cpss.reached_at(&self.cps);
        let sync = self.sync()?;
        let synced = sync.round(&cpss, now, observer).await;
        let synced = synced.map_err(|error| Failure::from(error).of_option("--db"))?;
        Ok(Round { cpss, synced })
    }

    /// Rounds until SIGINT or SIGTERM; what is wrong with one is a log line.
    pub(crate) async fn rounds(
        &self,
        every: Duration,
        observer: &dyn Observer,
    ) -> Result<(), Failure> {
        let signals = Signals::catch()?;
        logging::start(&LogConfig::default()).map_err(|error| Failure::new(Exit::Failed, error))?;
        let shutdown = signals.heed(&Reload::new())?;
        loop {
            tokio::select! {
                round = self.round(observer) => log(round),
                () = shutdown.requested() => return Ok(()),
            }
            tokio::select! {
                () = sleep(every.mul_f64(rand::random_range(0.9..1.1))) => {}
                () = shutdown.requested() => return Ok(()),
            }
        }
    }

    fn http(&self) -> HttpOptions {
        HttpOptions {
            deadline: Some(Deadline::after(Duration::from_secs(self.deadline))),
            ..self.connection.http()
        }
    }

    fn sync(&self) -> Result<DirectorySync, Failure> {
        let http = self.http();
        let client = http.client()?;
        let service = self.numbering_service.clone();
        let judge = Judge {
            trust: self.trust.policy()?,
            numbering: self.trust.numbering()?,
            service: service.map(|address| NumberingService::new(address, client.clone())),
            certificates: self.trust.certificates(http),
        };
        let purpose = self.watch.as_deref().unwrap_or(FOR_CALLS);
        let directory = Directory::open_for(&self.db, purpose);
        let directory = directory.map_err(|error| Failure::from(error).of_option("--db"))?;
        Ok(DirectorySync {
            witnesses: self.witnesses.policy()?,
            retry: RETRY,
            asks_for_withheld: self.watch.is_some(),
            ..DirectorySync::new(directory, judge, client)
        })
    }
}

fn log(round: Result<Round, Failure>) {
    match round {
        Ok(round) => round.synced.log(),
        Err(failure) => tell("error:", &failure.sentence()),
    }
}
