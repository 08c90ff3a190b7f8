//! The CPS as a program: command line, runtime, signals, exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use pennyblack_service::clock::Clock;
use pennyblack_service::config::{CommandLine, Invocation, Program};
use pennyblack_service::logging;

use crate::decoy_secret::DecoySecret;
use crate::store::never_twice::{NeverTwiceStore, Owners};
use crate::store::redis::RedisStore;
use crate::{Config, Cps, key_directory};

const PROGRAM: Program = Program {
    name: "pennyblack-cps",
    version: env!("CARGO_PKG_VERSION"),
    about: "A Call Placement Service for out-of-band STIR (RFC 8816): stores sealed PASSporTs \
            for a minute, one one-time token each, and serves mailboxes to everybody. It learns \
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
struct Verbs {
    /// Accepts the Redis of [store] as it is, though it is older than what its CPSs
    /// have seen, and exits; with [never_twice], this node's journal. Tokens that it
    /// has forgotten can be spent again.
    #[arg(long)]
    accept_older_store: bool,
    /// Moves spent tokens, entries, key records and the decoy secret from the data
    /// directory to the Redis of [store], and exits. No CPS may be running on the data directory.
    #[arg(long, conflicts_with = "accept_older_store")]
    move_store_to_redis: bool,
}

/// Runs a CPS until it is asked to stop. `arguments` are those of the
/// process, the first one its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = CommandLine::parse_with(&PROGRAM, arguments);
    let (line, verbs): (_, Verbs) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let outcome = match line.invocation::<Config>() {
        Ok(Invocation::Print(text)) => {
            print!("{text}");
            Ok(())
        }
        Ok(Invocation::Run { configuration, .. }) if verbs.accept_older_store => {
            accept_older_store(&configuration)
        }
        Ok(Invocation::Run { configuration, .. }) if verbs.move_store_to_redis => {
            move_store_to_redis(&configuration)
        }
        Ok(Invocation::Run {
            configuration,
            ready_file,
        }) => serve(configuration, ready_file.as_deref()),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pennyblack-cps: {error}");
            ExitCode::FAILURE
        }
    }
}

const NO_REDIS: &str = "the configuration has no [store], so there is no Redis: set store.url";

const NOT_MOVED: &str = "[never_twice] divides tokens among nodes from their first spend on: nothing \
     is moved. Wait until every key epoch of the old store has ended, move that store away, and start";

fn accept_older_store(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let options = config.store.as_ref().ok_or(NO_REDIS)?;
    if let Some(nodes) = &config.never_twice {
        let owners = Owners::new(nodes.nodes.clone(), nodes.node)?;
        runtime()?.block_on(NeverTwiceStore::accept_journal(options, &owners))?;
        println!("The journal of node {} is accepted as it is.", nodes.node);
        return Ok(());
    }
    let directory = config.redis_directory();
    runtime()?.block_on(RedisStore::accept_older(options, &directory))?;
    println!("The store at {} is accepted as it is.", options.url);
    Ok(())
}

fn move_store_to_redis(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
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
    let moved = runtime()?.block_on(async {
        store.examine().await;
        let now = Clock::system().now();
        // The store last: as long as it is there, all of this can be repeated.
        let decoys = Arc::new(DecoySecret::shared(config.decoy_secret_file()));
        decoys.agree(&store).await?;
        let (capacity, records) = (config.keys.capacity, config.key_directory());
        let records = key_directory::move_to_redis(&store, capacity, &records).await?;
        let moved = records + store.take_over(&old, limits, now).await?;
        store.save().await;
        Ok::<_, Box<dyn std::error::Error>>(moved)
    })?;
    println!("{moved} records are in the store at {}.", options.url);
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

fn serve(config: Config, ready_file: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    logging::start(&config.log)?;
    runtime()?.block_on(async {
        let cps = Cps::start(config, Clock::system()).await?;
        cps.shutdown().on_signals()?;
        cps.addresses().announce(ready_file)?;
        cps.stopped().await;
        Ok(())
    })
}
