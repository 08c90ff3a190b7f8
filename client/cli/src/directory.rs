//! `pennyblack directory`: key records of a federation at hand, so that no call asks for one, and
//! hints at where those of others are. Not here: how records are followed and verified (the
//! client library).

pub(crate) mod hints;
mod rounds;
mod show;
mod sync;

use clap::Subcommand;
use pennyblack_audit::Misbehaviour;
use pennyblack_client::directory::{DirectoryError, FeedError, FollowError};
use pennyblack_evidence::record_log::KeyRecordLogError;
use pennyblack_tlog::ReadLogError;

pub(crate) use rounds::RoundOptions;

use super::outcome::{Exit, Failure, Outcome, exit_of_http};

/// What to do about directories of keys.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  # every five minutes, at times that no call has a part in
  pennyblack directory sync --rosters rosters --db directory.db \\
      --roots roots/ --revocation lists/ --every 5m
  # then calls ask nobody for keys
  pennyblack call --directory directory.db --rosters rosters …
  pennyblack directory find --db directory.db 12155550100
  # at which CPS a certificate says that keys are
  pennyblack directory hints carrier-b.pem --rosters rosters")]
pub(crate) enum DirectoryCommand {
    /// Follow the feeds of all CPSs of a roster, and keep what is good of them.
    Sync(Box<sync::SyncArguments>),
    /// Show what a directory has, and how old it is.
    Show(show::ShowArguments),
    /// Show the key records of a number.
    Find(show::FindArguments),
    /// Show where a certificate or a CPS advertisement says that keys are.
    Hints(hints::Hints),
}

/// Does it.
pub(crate) async fn run(command: DirectoryCommand, json: bool) -> Result<Outcome, Failure> {
    match command {
        DirectoryCommand::Sync(arguments) => sync::sync(*arguments, json).await,
        DirectoryCommand::Show(arguments) => show::show(&arguments),
        DirectoryCommand::Find(arguments) => show::find(&arguments),
        DirectoryCommand::Hints(arguments) => hints::show(&arguments),
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        Self::new(Exit::Failed, error)
    }
}

/// What it means that a CPS could not be followed.
pub(crate) fn exit_of_follow(error: &FollowError) -> Exit {
    match error {
        FollowError::Http(error) => exit_of_http(error),
        FollowError::Feed {
            error: FeedError::Rollback { .. },
            ..
        } => Exit::Rollback,
        FollowError::Log(KeyRecordLogError::Log { error, .. }) => exit_of_log(error),
        FollowError::Log(_) | FollowError::NotLogged { .. } => Exit::Contradiction,
        _ => Exit::Failed,
    }
}

fn exit_of_log(error: &ReadLogError) -> Exit {
    match (Misbehaviour::of_reading(error), error) {
        (Some(misbehaviour), _) => misbehaviour.into(),
        (None, ReadLogError::Source(source)) => {
            let http = source.error.downcast_ref();
            http.map_or(Exit::Network, exit_of_http)
        }
        (None, _) => Exit::Failed,
    }
}
