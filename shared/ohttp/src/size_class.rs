//! How long messages are: what a relay sees of a request is one length, and of an answer one
//! of six. Padding is zero octets after the message (RFC 9292 section 3.8). Not here: what
//! encapsulation adds, which depends on the KEM alone.

use http::HeaderMap;

/// Bytes of an inner request with its padding. A store to an X-Wing mailbox needs more than
/// half of them. So **all have as many, under every key**: a relay would learn from two sizes
/// which called parties have such mailboxes.
pub const REQUEST_SIZE: usize = 8_192;
/// Most bytes of an inner response.
pub const LARGEST_RESPONSE: usize = ResponseClass::Kib1032.size();

/// The field of an inner request that asks for a response of at least so many bytes.
pub const PAD_FIELD: &str = "pennyblack-pad";

/// A message longer than any that goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a message of {actual} bytes is too long for Oblivious HTTP, which carries {max}: ask the service directly"
)]
pub struct TooLong {
    /// Its bytes, without padding.
    pub actual: usize,
    /// Most that go through.
    pub max: usize,
}

/// The length of an inner response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResponseClass {
    /// 2,048 bytes: what has no content, or a problem document.
    Kib2,
    /// 9,216 bytes: a page of 4 slots, the key records of a number.
    Kib9,
    /// 34,816 bytes: a page of 16 slots.
    Kib34,
    /// 135,168 bytes: a page of 64 slots.
    Kib132,
    /// 529,408 bytes: a page of 256 slots.
    Kib517,
    /// 1,056,768 bytes: a page of 256 slots of an X-Wing mailbox.
    Kib1032,
}

/// A `pennyblack-pad` that is not one of the classes a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{PAD_FIELD} must stand there once and be 2048, 9216 or 34816")]
pub struct PadFieldError;

impl ResponseClass {
    const ALL: [Self; 6] = [
        Self::Kib2,
        Self::Kib9,
        Self::Kib34,
        Self::Kib132,
        Self::Kib517,
        Self::Kib1032,
    ];
    /// What a client may ask for: nobody makes a gateway send megabytes by a field.
    const ASKED: [Self; 3] = [Self::Kib2, Self::Kib9, Self::Kib34];

    /// Bytes with the padding.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Kib2 => 2_048,
            Self::Kib9 => 9_216,
            Self::Kib34 => 34_816,
            Self::Kib132 => 135_168,
            Self::Kib517 => 529_408,
            Self::Kib1032 => 1_056_768,
        }
    }

    /// The smallest class with room for so many bytes that is not below `least`.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn of(message: usize, least: Option<Self>) -> Result<Self, TooLong> {
        let fits = |class: &Self| message <= class.size() && least <= Some(*class);
        Self::ALL.into_iter().find(fits).ok_or(TooLong {
            actual: message,
            max: LARGEST_RESPONSE,
        })
    }

    /// What the fields of a request ask for.
    ///
    /// # Errors
    /// [`PadFieldError`].
    pub fn asked(fields: &HeaderMap) -> Result<Option<Self>, PadFieldError> {
        let mut values = fields.get_all(PAD_FIELD).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let is_asked = |class: &Self| class.size().to_string().as_bytes() == value.as_bytes();
        let class = Self::ASKED.into_iter().find(is_asked);
        if values.next().is_some() {
            return Err(PadFieldError);
        }
        class.map(Some).ok_or(PadFieldError)
    }
}
