//! What stands in a log by its files, as far as its last checkpoint says. Not here: whether
//! it is true.

use std::path::Path;

use pennyblack_evidence::log_entry::{LogEntry, Statement};
use pennyblack_tlog::{LogReader, Mirror, Position, ReadLogError, VerifierKey, WitnessPolicy};

use crate::demo::{DemoError, WhileDoing as _};

/// The files of a log.
pub(super) struct LogFiles(LogReader<Mirror>);

impl LogFiles {
    pub(super) fn new(files: &Path, key: VerifierKey, policy: WitnessPolicy) -> Self {
        let reader = LogReader::new(Mirror::new(files), key, policy);
        Self(reader.with_max_bundle_size(LogEntry::MAX_BUNDLE_SIZE))
    }

    /// How many key epochs are closed, and the index of the first double spend. Nothing is
    /// there as long as the witnesses have not cosigned the last checkpoint.
    pub(super) async fn contents(&self) -> Result<(usize, Option<u64>), DemoError> {
        let checkpoint = match self.0.checkpoint().await {
            Err(ReadLogError::Witnesses(_)) => return Ok((0, None)),
            checkpoint => checkpoint.during("reading a checkpoint")?,
        };
        let (mut closed, mut double_spend) = (0, None);
        let visit = |index, bytes: &[u8]| {
            match LogEntry::parse(bytes).map(|entry| entry.statement) {
                Ok(Statement::KeyEpochClosed { .. }) => closed += 1,
                Ok(Statement::DoubleSpend(_)) => double_spend = double_spend.or(Some(index)),
                _ => {}
            }
            Ok::<_, ReadLogError>(())
        };
        let beginning = Position::default();
        let read = self.0.advance(&beginning, &checkpoint, visit);
        read.await.during("reading a log")?;
        Ok((closed, double_spend))
    }
}
