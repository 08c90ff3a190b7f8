//! What of a gateway's answer reaches the client: a sealed answer as it is, the status of a
//! refusal, and nothing else. Memory for it is reserved before it is read.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use pennyblack_base::problem::{PROBLEM_MEDIA_TYPE, Problem};
use pennyblack_base::service_paths::{OHTTP_KEY_PROBLEM, OHTTP_RESPONSE_MEDIA_TYPE};
use pennyblack_http::{KeptAnswer, KeptError};
use pennyblack_service::answer_room::{AnswerRoom, NoRoomForAnswer};

use crate::refusal::Refusal;

/// Bytes that each request has for its answer from the start ([`AnswerRoom`]).
const RESERVED: usize = 64 * 1024;

/// Bytes of a refusal that are read, to see its type.
const REFUSAL_BYTES: usize = 4096;

/// Why an answer cannot be passed on. Text for log lines: it says nothing of the answer but
/// its form.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the gateway answers with status {}", .0.as_u16())]
    Status(StatusCode),
    #[error("the gateway's answer is not {OHTTP_RESPONSE_MEDIA_TYPE}")]
    MediaType,
    #[error("the gateway's answer has more bytes than forward.answer_bytes")]
    TooLong,
    #[error(transparent)]
    Connection(#[from] KeptError),
    #[error(transparent)]
    NoRoom(#[from] NoRoomForAnswer),
}

/// What becomes of an answer that is whole.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is passed on.
    Sealed(Bytes),
    /// What the relay says instead.
    Refusal(Refusal),
}

impl Answer {
    /// Reads an answer of at most so many bytes. Statuses that say something of the sealed
    /// request, or of how much the gateway has to do, reach the client. The others say
    /// something of the relay, which the client cannot mend.
    pub(crate) async fn read(
        answer: KeptAnswer,
        answer_bytes: usize,
        room: &AnswerRoom,
    ) -> Result<Self, Unusable> {
        let status = answer.status;
        match status.as_u16() {
            200 if !is_of_type(&answer.headers, OHTTP_RESPONSE_MEDIA_TYPE) => {
                Err(Unusable::MediaType)
            }
            200 => Ok(Self::Sealed(whole(answer, answer_bytes, room).await?)),
            400 | 422 => {
                let is_key = is_key_problem(answer, room).await;
                Ok(Self::Refusal(Refusal::Refused { status, is_key }))
            }
            413 | 415 | 429 => Ok(Self::Refusal(Refusal::Refused {
                status,
                is_key: false,
            })),
            503 => Ok(Self::Refusal(Refusal::Overloaded)),
            _ => Err(Unusable::Status(status)),
        }
    }
}

/// The one media type, without regard to parameters.
fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
}

async fn is_key_problem(answer: KeptAnswer, room: &AnswerRoom) -> bool {
    if !is_of_type(&answer.headers, PROBLEM_MEDIA_TYPE) {
        return false;
    }
    let Ok(body) = whole(answer, REFUSAL_BYTES, room).await else {
        return false;
    };
    serde_json::from_slice(&body).is_ok_and(|problem: Problem| problem.kind == OHTTP_KEY_PROBLEM)
}

/// The body, if it has at most so many bytes. No byte is kept that is not reserved.
async fn whole(mut answer: KeptAnswer, limit: usize, room: &AnswerRoom) -> Result<Bytes, Unusable> {
    let too_long = |_| Unusable::TooLong;
    let length = answer.length().map(usize::try_from).transpose();
    let length = length.map_err(too_long)?;
    if length.is_some_and(|length| length > limit) {
        return Err(Unusable::TooLong);
    }
    let mut reserved = RESERVED;
    let mut body = BytesMut::with_capacity(match length {
        Some(length) => {
            reserved = reserved.max(length);
            room.reserve(length, 0).await?;
            length
        }
        None => 0,
    });
    while let Some(piece) = answer.piece().await? {
        let size = body.len() + piece.len();
        if size > limit {
            return Err(Unusable::TooLong);
        }
        // An answer of unknown length: now as for the longest.
        if size > reserved {
            room.reserve(limit, 0).await?;
            reserved = limit;
            body.reserve(limit - body.len());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
