//! The goals of the telephone gateway: issuer, CPS and gateway run as the programs that are
//! deployed, over TLS among themselves, and are asked as switches ask. The program
//! `gateway-goals` prints a verdict for each goal.

mod alive;
mod asking;
mod away;
mod killed;
mod memory;
mod numbers;
mod packet_loss;
mod scene;
mod sip_signing;

use std::path::PathBuf;

use crate::finding::Finding;

/// How much is measured, and of which programs.
#[derive(Debug, Clone)]
pub struct Extent {
    /// The directory of the programs.
    pub programs: PathBuf,
    /// A first look: a tenth of the calls.
    pub quick: bool,
}

impl Extent {
    /// The part of `calls` that is made.
    #[must_use]
    pub const fn of(&self, calls: usize) -> usize {
        if self.quick { calls / 10 } else { calls }
    }
}

/// Measures one row; some have more than one line.
pub type Measure = fn(&Extent) -> Vec<Finding>;

/// Every row by its name.
pub const ROWS: &[(&str, Measure)] = &[
    ("calls", alive::over_http),
    ("calls-sip", alive::by_sip),
    ("sip-signing", sip_signing::measure),
    ("stopped", away::stopped),
    ("silent", away::silent),
    ("packet-loss", packet_loss::measure),
    ("killed", killed::measure),
    ("numbers", numbers::measure),
    ("memory", memory::measure),
];
