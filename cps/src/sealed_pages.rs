//! A page of a mailbox, read and sealed afresh to its recipient: the same steps whatever
//! is in the mailbox. Not here: whose mailbox it is, and when the answer leaves.

#[cfg(test)]
pub(crate) mod poll_times;

use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_sealing::envelope::{Cursor, PageHeader, Slots};
use pennyblack_sealing::mailbox::{KeyConfig, MailboxId};
use pennyblack_service::answer_room::AnswerRoom;

use crate::envelope_sealing::EnvelopeSealing;
use crate::refusal::Refusal;
use crate::store::{Store, Window};

/// Reads and seals.
pub(crate) struct SealedPages<S> {
    pub(crate) sealing: EnvelopeSealing,
    pub(crate) store: Arc<S>,
}

impl<S: Store> SealedPages<S> {
    /// The envelope for a mailbox, sealed to `recipient`.
    pub(crate) async fn envelope(
        &self,
        mailbox: MailboxId,
        recipient: KeyConfig,
        (slots, after): (Slots, Cursor),
        now: UnixTime,
        room: &AnswerRoom,
    ) -> Result<Vec<u8>, Refusal> {
        let window = Window::new(after, slots, recipient.kem());
        let page = self.store.page(mailbox, window, now).await?;
        let header = PageHeader {
            more: page.more,
            dropped: page.dropped,
            next: page.next,
            server_time: now,
        };
        let sealed = self.sealing.seal(recipient, slots, page, header, room);
        sealed.await
    }
}
