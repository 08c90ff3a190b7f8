//! When batches are drawn: at intervals that calls have no part in.

use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::shutdown::Shutdown;

use super::{Carrier, CarrierError, current_key};
use crate::wallet::Wallet;
use pennyblack_http::HttpClient;

/// Draws whenever an interval has passed and the wallet is below its level.
///
/// Issuer and CPS together see when tokens are drawn and when they are spent.
/// So a draw is never caused by a call: it is decided at the schedule's own,
/// randomly shaken moments, asks for the same number each time, and tokens wait
/// a minimum age before they are spent.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// CPSs that tokens are drawn for.
    pub cps: Vec<Authority>,
    /// Tokens for each CPS, under the issuer's current key, that the wallet is
    /// kept at.
    pub target: u64,
    /// The mean time between two looks at the wallet. Each wait is random,
    /// between half of it and one and a half.
    pub interval: Duration,
}

impl Schedule {
    /// Runs until `shutdown`. Failures are logged and tried again at the next
    /// interval: pending draws first, then new ones.
    pub async fn run(
        &self,
        carrier: &Carrier,
        client: &HttpClient,
        wallet: &Wallet,
        clock: &Clock,
        shutdown: &Shutdown,
    ) {
        while !shutdown.is_triggered() {
            if let Err(error) = self.top_up(carrier, client, wallet, clock).await {
                tracing::warn!(error = %error, "no tokens drawn; trying again at the next interval");
            }
            tokio::select! {
                () = tokio::time::sleep(shaken(self.interval)) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// Fills the wallet once: drops what no CPS takes any more, resumes what is
    /// pending, then draws one batch for each CPS that is below its level.
    /// Returns how many tokens came in.
    ///
    /// Only tokens under the issuer's current key are stock. Those under the
    /// previous one are still spent, but all of them die at the next change of
    /// keys, and their successors must by then be old enough to be spent.
    ///
    /// # Errors
    /// [`CarrierError`], the first one.
    pub async fn top_up(
        &self,
        carrier: &Carrier,
        client: &HttpClient,
        wallet: &Wallet,
        clock: &Clock,
    ) -> Result<usize, CarrierError> {
        // Fetched every time, needed or not: what is asked of the issuer
        // follows the schedule, not what has been spent.
        let directory = carrier.directory(client).await?;
        carrier
            .sort_tokens(client, wallet, &directory, clock.now())
            .await?;
        let pending = carrier.pending(wallet).await?;
        let mut received = carrier
            .resume_by(&directory, client, wallet, pending, clock.now())
            .await?
            .received;
        let key = current_key(&directory, clock.now());
        let key = key.map_err(|error| error.by_the_clock_of(client))?.id();
        for cps in &self.cps {
            let (issuer, origin) = (carrier.issuer.authority().clone(), cps.clone());
            let held = wallet
                .off_thread(move |wallet| wallet.count_of_key(&issuer, &origin, key))
                .await?;
            if held < self.target {
                let drawn = carrier
                    .draw_by(&directory, client, wallet, cps, clock.now())
                    .await?;
                tracing::info!(received = drawn.received, held, "drew a batch of tokens");
                received += drawn.received;
            }
        }
        Ok(received)
    }
}

fn shaken(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.5..1.5))
}
