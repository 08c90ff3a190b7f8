//! The SIP front end: a redirect server for each side of calls, over datagrams and
//! connections. Each side has one task that owns what is remembered of it
//! ([`Server`](pennyblack_sip::server::Server)); further tasks read its sockets. Not here:
//! SIP itself, and what a call comes to.

mod answering;
mod connections;
mod counts;
mod datagrams;
mod door;
mod outbox;
mod side;
mod sockets;
mod strangers;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pennyblack_engine::VerifyConfig;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;

use crate::config::Config;
use crate::in_force::Settings;
use crate::sip_call::deciding::Deciding;
use answering::Answering;
use side::SideTask;

pub(crate) use counts::begin;
pub(crate) use sockets::{Sockets, bind, probe};

/// Which side of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Calls that leave.
    Signing,
    /// Calls that arrive.
    Verification,
}

impl Side {
    /// The word of metrics.
    const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Verification => "verification",
        }
    }

    /// By when calls are answered.
    fn deadline(self, config: &Config) -> Duration {
        match self {
            Self::Signing => config.signing.deadline,
            Self::Verification => match config.verifying() {
                Some(verify) => verify.deadline,
                None => VerifyConfig::default().deadline,
            },
        }
    }

    /// The section of the configuration.
    const fn section(self) -> &'static str {
        match self {
            Self::Signing => "sip.sign",
            Self::Verification => "sip.verify",
        }
    }
}

/// What both sides go by.
pub(crate) struct Redirects {
    pub(crate) config: Arc<Config>,
    pub(crate) deciding: Deciding,
    pub(crate) settings: Arc<Settings>,
    pub(crate) readiness: Readiness,
}

impl Redirects {
    /// Answers at these sockets, until `shutdown` and until what has begun then is finished.
    pub(crate) async fn run(self, sides: Vec<Sockets>, shutdown: Shutdown) {
        let drain: Duration = self.config.public.limits.drain;
        let sides = sides.into_iter().map(|sockets| {
            sockets.report();
            let answering = Answering {
                side: sockets.side,
                deciding: self.deciding.clone(),
                settings: Arc::clone(&self.settings),
                how: sockets.config.clone(),
                deadline: sockets.side.deadline(&self.config),
                blocks_failed: self.config.policy.block_failed,
            };
            let (limits, readiness) = (self.config.sip.limits.clone(), self.readiness.clone());
            SideTask::run(
                answering,
                sockets,
                limits,
                readiness,
                shutdown.clone(),
                drain,
            )
        });
        join_all(sides).await;
    }
}

#[cfg(test)]
mod tests;
