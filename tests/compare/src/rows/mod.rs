//! The rows of the table of goals, in its order.

mod certificates;
mod demonstration;
mod issuing;
mod oblivious;
mod relay;
mod responsiveness;
pub mod restart;
mod retrieving;
mod spent_set;
pub(crate) mod storing;
mod transnexus;
mod voprf;

use crate::finding::Finding;
use crate::setting::Setting;

/// Measures one row; some have more than one line.
pub type Measure = fn(&Setting) -> Vec<Finding>;

/// Every row by its name.
pub const ROWS: &[(&str, Measure)] = &[
    ("issuing", issuing::measure),
    ("issuing-peer", issuing::against_peer),
    ("responsiveness", responsiveness::measure),
    ("voprf", voprf::measure),
    ("storing", storing::measure),
    ("spent-set", spent_set::measure),
    ("commit-latency", spent_set::latency),
    ("retrieving", retrieving::measure),
    ("oblivious", oblivious::measure),
    ("relay", relay::measure),
    ("relay-memory", relay::memory),
    ("certificates", certificates::measure),
    ("memory", restart::memory),
    ("restart", restart::measure),
    ("demonstration", demonstration::measure),
];
