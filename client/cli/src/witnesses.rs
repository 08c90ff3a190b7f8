//! Options that say which witnesses must have cosigned a log. Not here: running one
//! (`audit witness`).

use clap::Args;
use pennyblack_tlog::{VerifierKey, WitnessPolicy};

use super::outcome::{Exit, Failure};

/// Who must have cosigned.
#[derive(Debug, Args)]
#[command(next_help_heading = "Witnesses")]
pub(crate) struct WitnessOptions {
    /// Key of a witness, as the witness publishes it; repeat the option for several.
    #[arg(long = "witness", value_name = "KEY")]
    witnesses: Vec<VerifierKey>,
    /// How many of them must have cosigned. Default: all.
    #[arg(long, value_name = "NUMBER")]
    witnesses_needed: Option<usize>,
}

impl WitnessOptions {
    pub(crate) fn policy(&self) -> Result<WitnessPolicy, Failure> {
        let needed = self.witnesses_needed.unwrap_or(self.witnesses.len());
        WitnessPolicy::new(self.witnesses.clone(), needed)
            .map_err(|error| Failure::new(Exit::Usage, error))
    }
}
