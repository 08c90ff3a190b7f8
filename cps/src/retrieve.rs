//! Journey of a poll: a page of the mailbox, sealed afresh to its recipient. A
//! full, an empty and an unknown mailbox take the same steps (docs/protocol.md
//! section 4). When the answer leaves is the router's (`answer_times`).

use std::sync::Arc;

use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_service::answer_room::AnswerRoom;

use crate::counts::Counts;
use crate::decoy_secret::DecoySecret;
use crate::key_directory::KeyDirectory;
use crate::refusal::Refusal;
use crate::sealed_pages::SealedPages;
use crate::store::Store;

/// What it takes to answer a poll.
pub(crate) struct Retrieval<S> {
    pub(crate) pages: SealedPages<S>,
    pub(crate) clock: Clock,
    pub(crate) decoys: Arc<DecoySecret>,
    pub(crate) keys: Arc<KeyDirectory>,
    pub(crate) counts: Arc<Counts>,
}

impl<S: Store> Retrieval<S> {
    /// The envelope for a mailbox.
    pub(crate) async fn envelope(
        &self,
        mailbox: MailboxId,
        slots: Slots,
        after: Cursor,
        room: &AnswerRoom,
    ) -> Result<Vec<u8>, Refusal> {
        let now = self.clock.now();
        // A mailbox that is unknown here may be registered at another node.
        self.keys.check_complete()?;
        let registered = self.keys.key_for_answers(mailbox, now);
        let recipient = self.decoys.keys()?.or_decoy(mailbox, registered.as_deref());
        let recipient = recipient.map_err(|error| Refusal::Internal(error.to_string()))?;
        let recipient = recipient.into_owned();
        // The envelope, and the page as the store gives it.
        let bytes = slots.envelope_size(recipient.kem());
        room.reserve(bytes, bytes).await?;
        self.counts.poll();
        let asked = (slots, after);
        let envelope = self.pages.envelope(mailbox, recipient, asked, now, room);
        envelope.await
    }
}
