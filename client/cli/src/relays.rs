//! Options of commands whose requests a relay may carry. Not here: carrying them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use pennyblack_client::oblivious::{
    Fallback, KeyFetcher, ObliviousRoute, RelayAddress, RouteSetupError, TrustedKeys,
};
use pennyblack_client::rosters::{
    RelayRosterError, RosterCpss, RosterUse, RosterUseError, check_relays_by, usable_roster,
};
use pennyblack_client::wallet::Wallet;
use pennyblack_http::{HttpOptions, RetryPolicy, Route, ServiceAddress};
use pennyblack_runtime::clock::Clock;
use pennyblack_tlog::WitnessPolicy;

use super::options::quoted;
use super::outcome::{Exit, Failure};
use super::standard_error::warn;

/// What becomes of a request when no relay is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum FallbackName {
    /// The CPS does not get it: exit code 13.
    #[default]
    None,
    /// It is sent directly, and the CPS sees this machine's address.
    Direct,
}

impl fmt::Display for FallbackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Direct => "direct",
        })
    }
}

/// Which relays carry requests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Oblivious HTTP")]
pub(crate) struct RelayOptions {
    /// A relay to send through, so that the CPS does not see this machine's address: its URL
    /// with the name that it has for the CPS, such as `https://relay.example/cps-a`. Each
    /// request takes one of several at random; repeat the option. For a CPS that is not the
    /// one of --cps, write its authority and = in front. The relay's operator must be
    /// another than the CPS's. The wallet must have the CPS's key: `pennyblack oblivious
    /// keys`.
    #[arg(long = "relay", value_name = "[CPS=]URL")]
    relays: Vec<RelayAddress>,
    /// Directory of `federation fetch`. Its newest roster must have each relay, and the CPS
    /// with another operator. A CPS that is hinted at must be there, too. With --directory, copies
    /// go to its CPSs alone. It says where a CPS is that a relay names.
    #[arg(long, value_name = "DIR")]
    rosters: Option<PathBuf>,
    /// What to do when no relay is reached. Without a key of the CPS nothing is sent either way.
    #[arg(long, default_value_t, value_name = "WAY", requires = "relays")]
    fallback: FallbackName,
}

impl RelayOptions {
    /// Those that another command needs to take the same way.
    pub(crate) fn repeated(&self) -> Vec<String> {
        let relays = self.relays.iter();
        let relays = relays.map(|relay| format!("--relay {}", quoted(&relay.to_string())));
        let direct = self.fallback == FallbackName::Direct;
        let fallback = direct.then(|| "--fallback direct".to_owned());
        let rosters = self.rosters.iter();
        let rosters = rosters.map(|directory| quoted(&directory.display().to_string()));
        let rosters = rosters.map(|directory| format!("--rosters {directory}"));
        relays.chain(rosters).chain(fallback).collect()
    }

    /// Where rosters are kept.
    pub(crate) fn rosters(&self) -> Option<&Path> {
        self.rosters.as_deref()
    }

    /// Whether there is one.
    pub(crate) const fn is_empty(&self) -> bool {
        self.relays.is_empty()
    }

    /// `http` by these relays, with the keys that the wallet has; as it is without relays.
    pub(crate) async fn http(
        &self,
        http: HttpOptions,
        cps: Option<&ServiceAddress>,
        wallet: &Wallet,
    ) -> Result<HttpOptions, Failure> {
        if self.relays.is_empty() {
            return Ok(http);
        }
        let (cpss, relays) = self.cpss_and_relays(cps)?;
        let fallback = match self.fallback {
            FallbackName::None => Fallback::None,
            FallbackName::Direct => Fallback::Direct,
        };
        let fetcher = fetcher(wallet);
        let keys = fetcher.keys.clone();
        let route = ObliviousRoute::new(&cpss, &relays, keys, &http, fallback, Clock::system());
        let route = route.map_err(|error| match error {
            RouteSetupError::Relays(error) => Failure::new(Exit::Usage, error).of_option("--relay"),
            RouteSetupError::Http(error) => error.into(),
        })?;
        for cps in route.cpss() {
            fetcher.recall(cps.authority()).await?;
        }
        if self.rosters.is_none() {
            warn(&route.unknown_operators());
        }
        Ok(http.routed(route as Arc<dyn Route>))
    }

    /// The CPSs that there are, at the URLs at which they are reached, and the relays, as the
    /// roster allows them. One that names no CPS is for that of the command. **A CPS of the roster
    /// is where the roster says**, unless the command says otherwise.
    fn cpss_and_relays(
        &self,
        cps: Option<&ServiceAddress>,
    ) -> Result<(Vec<ServiceAddress>, Vec<RelayAddress>), Failure> {
        let mut cpss: Vec<_> = cps.cloned().into_iter().collect();
        let relays = self.relays.iter().cloned();
        let relays: Vec<_> = match cps {
            Some(cps) => relays.map(|one| one.or_for(cps.authority())).collect(),
            None => relays.collect(),
        };
        if let Some(directory) = &self.rosters {
            let now = Clock::system().now();
            let roster = usable_roster(directory, RosterUse::Storing, now)?;
            for member in RosterCpss::of(&roster, RosterUse::Storing, now)?.all() {
                let authority = member.address.authority();
                if cpss.iter().all(|known| known.authority() != authority) {
                    cpss.push(member.address.clone());
                }
            }
            check_relays_by(&roster, &cpss, &relays, now)?;
        }
        Ok((cpss, relays))
    }
}

impl From<RelayRosterError> for Failure {
    fn from(error: RelayRosterError) -> Self {
        match error {
            RelayRosterError::Roster(error) => error.into(),
            _ => Self::new(Exit::Usage, error).of_option("--relay"),
        }
    }
}

impl From<RosterUseError> for Failure {
    fn from(error: RosterUseError) -> Self {
        let failure = match error {
            RosterUseError::Directory(error) => Self::from(error),
            error => Self::new(Exit::RosterNotCurrent, error),
        };
        failure.of_option("--rosters")
    }
}

/// What keeps keys in a wallet.
pub(crate) fn fetcher(wallet: &Wallet) -> KeyFetcher {
    KeyFetcher {
        wallet: wallet.clone(),
        log_keys: Vec::new(),
        witnesses: WitnessPolicy::default(),
        retry: RetryPolicy::SHORT,
        keys: TrustedKeys::default(),
    }
}
