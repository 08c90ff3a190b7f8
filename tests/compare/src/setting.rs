//! How much is measured in this run, and on which cores.

use std::path::PathBuf;

use crate::machine::Cores;

/// The same for every row.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Pairs of turns.
    pub pairs: usize,
    /// The length of a turn: 1, or less for a first look.
    pub length: f64,
    /// Which core does what.
    pub cores: Cores,
    /// A clone of TransNexus' call-placement-service with its modules installed.
    pub transnexus: Option<PathBuf>,
    /// The program `peers`, if it is not in one of the usual places.
    pub peers: Option<PathBuf>,
}

impl Setting {
    /// What a published number takes: eight pairs.
    #[must_use]
    pub fn full() -> Self {
        Self {
            pairs: 8,
            length: 1.0,
            cores: Cores::of_this_machine(),
            transnexus: None,
            peers: None,
        }
    }

    /// A first look: three short pairs.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            pairs: 3,
            length: 0.25,
            ..Self::full()
        }
    }

    /// The part of `items` that a turn of this length handles; at least one.
    #[must_use]
    pub fn scaled(&self, items: usize) -> usize {
        ((items as f64 * self.length) as usize).max(1)
    }
}
