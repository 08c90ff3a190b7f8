//! Journey of a reader of double spends: a page of them, read and written on the threads for
//! large answers. A thousand take megabytes, and a request for them a hundred bytes.

use std::sync::Arc;

use pennyblack_sealing::envelope::Cursor;
use pennyblack_service::answer_room::AnswerRoom;

use crate::json_lines;
use crate::large_answers::LargeAnswers;
use crate::log::CpsLog;
use crate::refusal::Refusal;

/// Double spends in one answer.
const LINES_AT_ONCE: usize = 1_000;
/// Bytes of each, as an entry and as a line of JSON.
const LINE_ROOM: usize = 4 * 1024;

/// Makes the pages.
pub(crate) struct DoubleSpendPages {
    pub(crate) log: Arc<CpsLog>,
    pub(crate) large: Arc<LargeAnswers>,
}

impl DoubleSpendPages {
    /// The double spends from a place in the log on, as JSON lines; `None` at a follower of
    /// the log, which passes on what the leader answers.
    pub(crate) async fn page(
        &self,
        after: Cursor,
        room: &AnswerRoom,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        room.reserve(LINES_AT_ONCE * LINE_ROOM, 0).await?;
        let log = Arc::clone(&self.log);
        let page = move || {
            let Some(lines) = log.double_spends(after.0, LINES_AT_ONCE) else {
                return Ok(None);
            };
            let lines = lines.map_err(|error| Refusal::Internal(error.to_string()))?;
            let text = json_lines::encode(&lines);
            text.map(Some)
                .map_err(|error| Refusal::Internal(error.to_string()))
        };
        self.large.make(room, page).await?
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_service::worker_pool::PoolError;

    use super::*;
    use crate::large_answers::testing::while_full;

    #[tokio::test]
    async fn double_spends_wait_for_the_threads_of_large_answers() {
        let home = tempfile::tempdir().unwrap();
        let cps = "cps.example".parse().unwrap();
        let pages = DoubleSpendPages {
            log: Arc::new(CpsLog::open(&home.path().join("log"), &cps).unwrap()),
            large: Arc::new(LargeAnswers::start().unwrap()),
        };
        let room = AnswerRoom::uncounted();
        let page = async || pages.page(Cursor::START, &room).await;
        assert_eq!(page().await.unwrap().unwrap(), b"");
        let refused = while_full(&pages.large, &room, &page).await;
        assert!(
            matches!(refused, Err(Refusal::Pool(PoolError::Busy { .. }))),
            "it was made without waiting for its turn"
        );
        assert!(page().await.is_ok());
    }
}
