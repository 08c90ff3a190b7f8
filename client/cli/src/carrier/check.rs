//! `pennyblack carrier run --check-config`: all that a run reads of the world, each fault and
//! not only the first, and nothing changed.

use pennyblack_client::carrier::CarrierConfig;
use pennyblack_client::wallet::Wallet;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::to_toml;
use serde_json::json;

use super::{Exit, Failure, Outcome, carrier_identity};

/// The configuration that is in force, if a run would begin with it.
pub(super) fn check(config: &CarrierConfig) -> Result<Outcome, Failure> {
    let mut faults = Vec::new();
    match carrier_identity(config) {
        Err(fault) => faults.push(fault.sentence()),
        Ok(identity) => {
            let current = identity.check_current(Clock::system().now());
            faults.extend(
                current
                    .err()
                    .map(|why| format!("carrier.certificate: {why}")),
            );
        }
    }
    let wallet = Wallet::check(&config.carrier.wallet);
    faults.extend(wallet.err().map(|why| format!("carrier.wallet: {why}")));
    let client = config.http().client();
    faults.extend(client.err().map(|why| format!("http: {why}")));
    if !faults.is_empty() {
        return Err(Failure::new(Exit::Failed, faults.join("\n")));
    }
    let text = to_toml(config)?;
    Ok(Outcome::done(json!({ "good": true }), text.trim_end()))
}
