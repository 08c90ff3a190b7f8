//! `[retrieval]`: when polls are answered.

use std::time::Duration;

use pennyblack_runtime::config::ConfigurationError;
use pennyblack_service::answer_times::AnswerTimes;
use serde::{Deserialize, Serialize};

/// Longer, and an OOB-VS would wait for longer than calls do.
const LONGEST: Duration = Duration::from_secs(1);

/// `[retrieval]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrievalConfig {
    /// Each answer to a poll leaves so long after the poll arrived, or a whole multiple
    /// later, so that no time tells what is in a mailbox. Default: 20ms.
    #[serde(with = "humantime_serde")]
    pub answer_delay: Duration,
}

impl Default for RetrievalConfig {
    fn default() -> Self {
        Self {
            answer_delay: Duration::from_millis(20),
        }
    }
}

impl RetrievalConfig {
    pub(super) fn check(&self) -> Result<(), ConfigurationError> {
        if (AnswerTimes::SHORTEST..=LONGEST).contains(&self.answer_delay) {
            return Ok(());
        }
        Err(ConfigurationError::refused(
            "retrieval.answer_delay",
            "answers to polls leave between 1 ms and 1 s after their requests arrived: \
             without a delay their times tell strangers who is called",
            "leave it out (20ms), or set more than nearly every poll takes",
        ))
    }

    pub(crate) fn answer_times(&self) -> AnswerTimes {
        AnswerTimes::new(self.answer_delay)
    }
}
