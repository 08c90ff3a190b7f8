//! Sealing the pages of mailboxes. A large page keeps a core busy for as long as dozens
//! of small polls: it is sealed on threads that stand back behind those that answer.

use std::io;
use std::num::NonZeroUsize;

use pennyblack_base::authority::Authority;
use pennyblack_sealing::envelope::{PageHeader, Slots, seal_envelope};
use pennyblack_sealing::mailbox::KeyConfig;
use pennyblack_service::answer_room::most_large_answers;
use pennyblack_service::worker_pool::WorkerPool;

use crate::refusal::Refusal;
use crate::store::Page;

/// Most slots that are sealed in the task that answers.
const SMALL: u16 = 16;

/// Seals pages as this CPS.
#[derive(Debug)]
pub(crate) struct EnvelopeSealing {
    authority: Authority,
    pool: WorkerPool,
}

impl EnvelopeSealing {
    /// Starts its threads.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(crate) fn start(authority: Authority) -> Result<Self, io::Error> {
        let workers = WorkerPool::one_worker_a_core();
        let queue = NonZeroUsize::new(most_large_answers()).unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            authority,
            pool: WorkerPool::start("seal", workers, queue)?,
        })
    }

    /// The envelope of a page.
    pub(crate) async fn seal(
        &self,
        recipient: KeyConfig,
        slots: Slots,
        page: Page,
        header: PageHeader,
    ) -> Result<Vec<u8>, Refusal> {
        let cps = self.authority.clone();
        let seal = move || {
            let mut rng = rand::rng();
            seal_envelope(&recipient, &cps, slots, &page.entries, header, &mut rng)
        };
        let sealed = if slots.count() <= SMALL {
            seal()
        } else {
            self.pool.run(seal).await?
        };
        sealed.map_err(|error| Refusal::Internal(error.to_string()))
    }
}
