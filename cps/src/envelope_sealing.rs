//! Sealing the pages of mailboxes: large ones on the threads for large answers.

use std::sync::Arc;

use pennyblack_base::authority::Authority;
use pennyblack_sealing::envelope::{PageHeader, Slots, seal_envelope};
use pennyblack_sealing::mailbox::KeyConfig;
use pennyblack_service::answer_room::AnswerRoom;

use crate::large_answers::LargeAnswers;
use crate::refusal::Refusal;
use crate::store::Page;

/// Most slots that are sealed in the task that answers.
const SMALL: u16 = 16;

/// Seals pages as this CPS.
#[derive(Debug)]
pub(crate) struct EnvelopeSealing {
    authority: Authority,
    large: Arc<LargeAnswers>,
}

impl EnvelopeSealing {
    /// As the CPS of this name.
    pub(crate) const fn new(authority: Authority, large: Arc<LargeAnswers>) -> Self {
        Self { authority, large }
    }

    /// The envelope of a page.
    pub(crate) async fn seal(
        &self,
        recipient: KeyConfig,
        slots: Slots,
        page: Page,
        header: PageHeader,
        room: &AnswerRoom,
    ) -> Result<Vec<u8>, Refusal> {
        let cps = self.authority.clone();
        let seal = move || {
            let entries: Vec<_> = page.entries().collect();
            let mut rng = rand::rng();
            seal_envelope(&recipient, &cps, slots, &entries, header, &mut rng)
        };
        let sealed = if slots.count() <= SMALL {
            seal()
        } else {
            self.large.make(room, seal).await?
        };
        sealed.map_err(|error| Refusal::Internal(error.to_string()))
    }
}
