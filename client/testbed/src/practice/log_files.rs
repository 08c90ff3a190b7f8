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

    /// What it says. Nothing as long as the witnesses have not cosigned the last checkpoint.
    pub(super) async fn contents(&self) -> Result<Contents, DemoError> {
        let mut contents = Contents::default();
        let checkpoint = match self.0.checkpoint().await {
            Err(ReadLogError::Witnesses(_)) => return Ok(contents),
            checkpoint => checkpoint.during("reading a checkpoint")?,
        };
        let visit = |index, bytes: &[u8]| {
            if let Ok(entry) = LogEntry::parse(bytes) {
                contents.add(index, &entry.statement);
            }
            Ok::<_, ReadLogError>(())
        };
        let beginning = Position::default();
        let read = self.0.advance(&beginning, &checkpoint, visit);
        read.await.during("reading a log")?;
        Ok(contents)
    }
}

/// What the log of a CPS or an issuer says.
#[derive(Default)]
pub(super) struct Contents {
    /// How many key epochs were closed.
    pub(super) closed: usize,
    /// Tokens spent in those that were closed.
    pub(super) spent: u64,
    /// Tokens issued, of keys that sign no more.
    pub(super) issued: u64,
    /// The index of the first double spend.
    pub(super) double_spend: Option<u64>,
}

impl Contents {
    fn add(&mut self, index: u64, statement: &Statement) {
        match statement {
            Statement::KeyEpochClosed { totals, .. } => {
                self.closed += 1;
                self.spent += totals.spent;
            }
            Statement::IssuanceTotal { issued, .. } => self.issued += issued,
            Statement::DoubleSpend(_) => self.double_spend = self.double_spend.or(Some(index)),
            _ => {}
        }
    }
}
