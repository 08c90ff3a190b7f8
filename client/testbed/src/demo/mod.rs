//! The demonstration: everything on this machine, with real certificates, real
//! services in processes of their own, real HTTP and durable storage; nothing is
//! simulated but the people. It tells what happened, what CPSs and relay could see
//! of it, and fails when anything was not as it should be.

mod calls;
mod cps;
mod gateways;
mod incidents;
mod network;
mod participants;
mod report;
mod roster;
mod search;
mod service;
mod services;
mod sight;
mod storer;
mod switch;
mod telephones;
mod traffic;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use futures_util::future::BoxFuture;
use pennyblack_issuer::signer::KeyType;
use pennyblack_runtime::clock::Clock;
use serde::Serialize;

pub use report::{
    Asked, CallLine, CpsView, CpsVisitor, Crash, Evidence, GatewayAnswer, Incident, MailboxCopies,
    MemberView, RelayView, RelayVisitor, Report, RosterView,
};

use network::Network;
use participants::Participants;
use roster::Federation;
use services::Services;

/// Calls that are made.
pub const CALLS: usize = 200;

/// By which way carriers store PASSporTs and look keys up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Through the relay, by Oblivious HTTP.
    Relay,
    /// To the CPS itself, which sees where they are.
    Direct,
}

/// A demonstration that broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A step that should have worked did not.
    #[error("{step}: {source}")]
    Step {
        /// What was being done.
        step: &'static str,
        /// Why it did not work.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A service did not become ready.
    #[error("the {service} did not become ready; its log:\n{log}")]
    NotReady {
        /// Which.
        service: &'static str,
        /// What it said.
        log: String,
    },
    /// Something was awaited in vain.
    #[error("{0} did not happen in time")]
    Never(&'static str),
}

/// Names the step in which something went wrong.
pub(crate) trait WhileDoing<T> {
    fn during(self, step: &'static str) -> Result<T, DemoError>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> WhileDoing<T> for Result<T, E> {
    fn during(self, step: &'static str) -> Result<T, DemoError> {
        self.map_err(|error| DemoError::Step {
            step,
            source: error.into(),
        })
    }
}

/// Who watches: is told what begins, and how many calls are done.
pub trait Audience: Sync {
    /// Something begins.
    fn begins(&self, what: &str);
    /// So many of [`CALLS`] are done.
    fn calls_done(&self, done: usize);
}

/// How the demonstration is played.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The type of tokens.
    pub tokens: KeyType,
    /// How carriers send.
    pub way: Way,
    /// At how many of the three CPSs each PASSporT is stored: 1 to 3.
    pub copies: u64,
}

/// Plays the demonstration in `directory`, which must be empty. The services are processes of
/// this very program.
///
/// # Errors
/// [`DemoError`] when it cannot go on; what merely went otherwise than it should
/// stands in the [`Report`].
pub fn play<'a>(
    directory: &'a Path,
    settings: Settings,
    audience: &'a dyn Audience,
) -> BoxFuture<'a, Result<Report, DemoError>> {
    Box::pin(async move {
        let Settings {
            tokens,
            way,
            copies,
        } = settings;
        let start = Instant::now();
        let clock = Clock::system();
        audience.begins("making certificates");
        let mut cast = Participants::assemble(directory, &clock)?;
        audience.begins("starting issuer, three CPSs and relay");
        let network = Network::find();
        let mut services = Services::start(directory, tokens, &cast.pki, &network).await?;
        audience.begins("signing the federation's roster");
        let federation = Federation::found(directory, &services, &network, &clock).await?;
        federation.check_relay(&services, &clock)?;
        let roster = federation.roster();
        cast.meet(&services, &network, (way, &roster)).await?;
        audience.begins("registering the recipients' keys");
        cast.register_keys(copies, &clock).await?;
        audience.begins("drawing blinded tokens");
        let tokens_drawn = cast.draw_tokens(&clock).await?;
        audience.begins("placing calls");
        let (calls, crash) = calls::place(&mut cast, &mut services, &clock, audience).await?;
        audience.begins("calling between telephone networks");
        let gateways = telephones::play(directory, &cast, &clock).await?;
        audience.begins("playing tricks");
        let (mut incidents, evidence) =
            incidents::play(directory, &mut cast, &services, &network, &clock).await?;
        incidents.extend(federation.incidents(&clock)?);
        audience.begins("looking at what CPSs and relay saw");
        let shown = services.shown_by_cpss().await?;
        let shown_by_relay = services.shown_by_relay().await?;
        services.stop();
        let cpss = services.cpss.iter().zip(shown);
        let cpss = cpss
            .map(|(cps, shown)| sight::of_cps(directory, &cast, cps, &network, (&calls, shown)));
        let cpss = cpss.collect::<Result<_, _>>()?;
        let relay_sight = sight::of_relay(directory, &cast, &services, &network, shown_by_relay)?;
        let report = Report {
            ok: false,
            seconds: start.elapsed().as_secs_f64(),
            way,
            copies,
            roster: federation.view()?,
            tokens_drawn,
            calls,
            crash,
            gateways,
            incidents,
            evidence,
            cpss,
            relay_sight,
        };
        Ok(report.concluded())
    })
}
