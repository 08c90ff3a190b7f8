//! The CPS as a program: its name, and what it does instead of serving.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::Description;
use pennyblack_service::findings::Findings;
use pennyblack_service::program::{self, LoadAgain, Outcome, Program, block_on};
use pennyblack_service::start::RunningService;
use pennyblack_service::start_error::StartError;
use pennyblack_trust::accept_older_lists;

use crate::decoy_secret::DecoySecret;
use crate::oblivious::SeedFile;
use crate::store::embedded::SpentCounts;
use crate::store::never_twice::{NeverTwiceStore, Owners};
use crate::store::redis::{MOVED_STORE, RedisStore};
use crate::{Config, Cps, key_directory, outside};

const DESCRIPTION: Description = Description {
    name: "pennyblack-cps",
    version: env!("CARGO_PKG_VERSION"),
    about: "A Call Placement Service for out-of-band STIR (RFC 8816): stores sealed PASSporTs \
            for a minute, for one token each, and serves mailboxes to everybody. It learns \
            neither who calls nor who stores.",
    examples: "\
Examples:
  pennyblack-cps --config cps.toml
  # is the configuration good, and what is in force?
  pennyblack-cps --config cps.toml --check-config
  # one key by option, one by environment variable
  PENNYBLACK_CPS__ENTRIES__LIFETIME=30s \\
      pennyblack-cps --config cps.toml --set log.level=debug

cps/cps.example.toml explains every key of the configuration.",
};

/// The arguments that only a CPS has.
#[derive(Debug, Args)]
struct Options {
    /// Accepts the Redis of [store] as it is, though it is older than what its CPSs
    /// have seen, and exits; with [never_twice], this node's journal; without [store], the
    /// store of the data directory. Tokens that it has forgotten can be spent again.
    #[arg(long)]
    accept_older_store: bool,
    /// Moves spent tokens, entries, key records and the decoy secret from the data
    /// directory to the Redis of [store], and exits. Stop the CPS first.
    #[arg(long, conflicts_with = "accept_older_store")]
    move_store_to_redis: bool,
    /// Forgets which revocation lists this node has seen, and exits. When it starts next,
    /// it accepts the lists that it finds, though they may be older, and misses none:
    /// certificates that a later list revoked are good again. Stop it first.
    #[arg(long, conflicts_with_all = ["accept_older_store", "move_store_to_redis"])]
    accept_older_lists: bool,
    /// Makes the file of oblivious.seed, from which the keys of Oblivious HTTP are derived,
    /// and exits. Several nodes need copies of one, and so does a CPS whose seed is lost.
    #[arg(long, conflicts_with_all = [
        "accept_older_store", "move_store_to_redis", "accept_older_lists",
    ])]
    make_oblivious_seed: bool,
}

struct CpsProgram;

impl Program for CpsProgram {
    const DESCRIPTION: Description = DESCRIPTION;
    type Config = Config;
    type Options = Options;

    fn instead_of_serving(options: &Options, config: &Config) -> Option<Outcome> {
        match options {
            Options {
                accept_older_store: true,
                ..
            } => Some(accept_older_store(config)),
            Options {
                move_store_to_redis: true,
                ..
            } => Some(move_store_to_redis(config)),
            Options {
                accept_older_lists: true,
                ..
            } => Some(accept_older_lists(&config.trust_directory())),
            Options {
                make_oblivious_seed: true,
                ..
            } => Some(make_oblivious_seed(config)),
            _ => None,
        }
    }

    async fn check(config: Config, clock: Clock) -> Findings {
        outside::check(&config, &clock).await
    }

    async fn start(
        config: Config,
        _: LoadAgain<Config>,
        clock: Clock,
    ) -> Result<RunningService, StartError> {
        Cps::start(config, clock).await
    }
}

/// Runs a CPS until it is asked to stop. `arguments` are those of the
/// process, the first one its name.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    program::run::<CpsProgram>(arguments)
}

const NO_REDIS: &str = "the configuration has no [store], so there is no Redis: set store.url";

const NOT_MOVED: &str = "[never_twice] divides tokens among nodes from their first spend on: nothing \
     is moved. Wait until every key epoch of the old store has ended, move that store away, and start";

fn accept_older_store(config: &Config) -> Outcome {
    let Some(options) = &config.store else {
        let directory = config.embedded_directory();
        SpentCounts::beside(&directory).forget()?;
        println!("The store in {} is accepted as it is.", directory.display());
        return Ok(());
    };
    if let Some(nodes) = &config.never_twice {
        let owners = Owners::new(nodes.nodes.clone(), nodes.node)?;
        block_on(async { Ok(NeverTwiceStore::accept_journal(options, &owners).await?) })?;
        println!("The journal of node {} is accepted as it is.", nodes.node);
        return Ok(());
    }
    let directory = config.redis_directory();
    block_on(async { Ok(RedisStore::accept_older(options, &directory).await?) })?;
    println!("The store at {} is accepted as it is.", options.url);
    Ok(())
}

const NO_GATEWAY: &str =
    "the configuration has no [oblivious], so this CPS needs no seed: add the section";

fn make_oblivious_seed(config: &Config) -> Outcome {
    let file = SeedFile::of(config)?.ok_or(NO_GATEWAY)?;
    file.make(Clock::system().now())?;
    let path = file.path().display();
    println!("A new seed is in {path}. Every node of this CPS needs a copy of it, of mode 600.");
    Ok(())
}

fn move_store_to_redis(config: &Config) -> Outcome {
    let options = config.store.as_ref().ok_or(NO_REDIS)?;
    if config.never_twice.is_some() {
        return Err(NOT_MOVED.into());
    }
    let (limits, directory) = (config.limits(), config.redis_directory());
    let store = RedisStore::open(options, limits, config.repeatable(), &directory)?;
    let old = config.embedded_directory();
    if !old.exists() {
        return Err(format!(
            "{} does not exist: there is nothing to move (cps.data_directory)",
            old.display()
        )
        .into());
    }
    let aside = old.with_file_name(MOVED_STORE);
    if aside.exists() {
        let aside = aside.display();
        return Err(format!(
            "{aside} is there from an earlier move: delete it, and run this again"
        )
        .into());
    }
    block_on(async {
        store.examine().await;
        let now = Clock::system().now();
        // The store last: as long as it is there, all of this can be repeated.
        let decoys = Arc::new(DecoySecret::shared(config.decoy_secret_file()));
        decoys.agree(&store).await?;
        let records = config.key_directory();
        let records = key_directory::move_to_redis(&store, &records).await?;
        let moved = records + store.take_over(&old, limits, now).await?;
        store.save().await;
        println!("{moved} records are in the store at {}.", options.url);
        Ok(())
    })
}
