//! What seals the one answer to a request: the first that gets so far. An answer for which
//! there is no thread, or no room, leaves it to the refusal that takes its place.

use std::sync::{Arc, Mutex, PoisonError};

use pennyblack_ohttp::binary_http::Response;
use pennyblack_ohttp::encapsulation::ResponseSealer;
use pennyblack_ohttp::exchange::seal_response;
use pennyblack_ohttp::size_class::ResponseClass;

use crate::refusal::Refusal;

/// Seals once; its clones share that.
#[derive(Debug, Clone)]
pub(super) struct OneAnswer(Arc<Mutex<Option<ResponseSealer>>>);

impl OneAnswer {
    pub(super) fn by(sealer: ResponseSealer) -> Self {
        Self(Arc::new(Mutex::new(Some(sealer))))
    }

    /// Seals an answer, padded to this class.
    ///
    /// # Errors
    /// [`Refusal::Internal`], for faults of this program: one was sealed before, the class is
    /// too small, or the library fails.
    pub(super) fn seal(&self, answer: &Response, class: ResponseClass) -> Result<Vec<u8>, Refusal> {
        let mut sealer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sealer = sealer.take();
        let internal = |why: String| Refusal::Internal(why);
        let sealer = sealer.ok_or_else(|| internal("an answer was sealed before".to_owned()))?;
        let sealed = seal_response(sealer, answer, Some(class), &mut rand::rng());
        sealed.map_err(|error| internal(error.to_string()))
    }
}
