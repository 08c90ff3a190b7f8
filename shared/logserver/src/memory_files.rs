//! Files in memory that lose power: of what was being written then, any part may
//! be there, each file whole.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::files::LogFiles;

type Contents = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Default)]
struct State {
    files: Contents,
    /// Steps until the power is lost; `None` if it is not.
    left: Option<usize>,
    rng: Option<StdRng>,
}

/// The files. Clones are the same files.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryFiles(Arc<Mutex<State>>);

impl MemoryFiles {
    /// After so many more steps nothing is written any more; of the step then
    /// under way, some files are.
    pub(crate) fn lose_power_after(&self, steps: usize, seed: u64) {
        let mut state = self.state();
        state.left = Some(steps);
        state.rng = Some(StdRng::seed_from_u64(seed));
    }

    /// What is found after the power was lost.
    pub(crate) fn after_power_loss(&self) -> Self {
        Self::of(self.contents())
    }

    pub(crate) fn of(files: Contents) -> Self {
        Self(Arc::new(Mutex::new(State {
            files,
            ..State::default()
        })))
    }

    pub(crate) fn contents(&self) -> Contents {
        self.state().files.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// True while there is power.
    fn step(&mut self) -> bool {
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                *left > 0
            }
        }
    }
}

impl LogFiles for MemoryFiles {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().files.get(path).cloned())
    }

    fn write(&self, files: &[(String, Vec<u8>)]) -> io::Result<()> {
        let mut state = self.state();
        let dark = state.left == Some(0);
        let powered = state.step();
        for (path, bytes) in files {
            let written = powered || (!dark && state.rng.as_mut().is_some_and(|rng| rng.random()));
            if written {
                state.files.insert(path.clone(), bytes.clone());
            }
        }
        if powered {
            Ok(())
        } else {
            Err(io::Error::other("no power"))
        }
    }

    fn remove_directory(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        if !state.step() {
            return Err(io::Error::other("no power"));
        }
        let prefix = format!("{path}/");
        state.files.retain(|path, _| !path.starts_with(&prefix));
        Ok(())
    }
}
