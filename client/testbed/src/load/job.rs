//! One request of a run: sent once, and judged by its answer. Not here: making
//! it (`stock`), and when it is sent (`worker`).

use http::StatusCode;
use pennyblack_sealing::envelope;

use super::failure::FailureKind;
use super::mix::Operation;
use pennyblack_client::carrier::AttestedDraw;
use pennyblack_client::wallet::StoreCall;
use pennyblack_http::{HttpClient, Request, RetryPolicy};

/// A request with everything that goes into it.
pub(super) enum Job {
    Draw {
        draw: AttestedDraw,
        /// Tokens that the answer must bring.
        tokens: usize,
    },
    Store(StoreCall),
    Retrieve {
        request: Request<'static>,
        /// Bytes that the answer must have.
        size: usize,
    },
}

impl Job {
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::Draw { .. } => Operation::Draw,
            Self::Store(_) => Operation::Store,
            Self::Retrieve { .. } => Operation::Retrieve,
        }
    }

    /// Sends it, once: a retry would hide what is to be measured.
    pub(super) async fn send(&self, client: &HttpClient) -> Result<(), FailureKind> {
        let right = match self {
            Self::Draw { draw, tokens } => {
                let answer = client.send(&draw.request(), RetryPolicy::NONE).await?;
                AttestedDraw::count(&answer)? == *tokens
            }
            Self::Store(call) => {
                let answer = client.send(&call.request(), RetryPolicy::NONE).await?;
                answer.status == StatusCode::CREATED
            }
            Self::Retrieve { request, size } => {
                let answer = client.send(request, RetryPolicy::NONE).await?;
                answer.content(envelope::MEDIA_TYPE)?.len() == *size
            }
        };
        right.then_some(()).ok_or(FailureKind::WrongAnswer)
    }
}
