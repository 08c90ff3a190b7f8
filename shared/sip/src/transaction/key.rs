//! Which INVITE a message belongs to (RFC 3261 section 17.2.3).

use pennyblack_base::encoding::sha256;

use crate::answer_headers::{AnswerHeaders, Identification};
use crate::peer::Peer;
use crate::uri::Uri;

/// What branches of RFC 3261 begin with; others need not be unique.
const MAGIC_COOKIE: &str = "z9hG4bK";

/// The name of a transaction: a hash, so that its size is not the sender's choice. It is
/// the same for an INVITE, its retransmissions, its ACK and its CANCEL.
///
/// The sender's address is part of it beside what the standard says, so that no peer can
/// acknowledge or cancel the calls of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// By branch and sent-by. A branch without the magic cookie is one of RFC 2543, which
    /// is matched by what its section 17.2.3 lists; to refuse such calls would cost more
    /// calls than these lines.
    pub(crate) fn of(
        headers: &AnswerHeaders,
        identification: &Identification,
        uri: &Uri,
        peer: Peer,
    ) -> Self {
        let via = headers.top();
        let address = peer.address.ip().to_canonical().to_string();
        let sent_by = via.sent_by().to_string().to_ascii_lowercase();
        let branch = via.branch().unwrap_or_default();
        match branch.strip_prefix(MAGIC_COOKIE) {
            // One that is only the cookie is as good as none (RFC 4475 section 3.2.1).
            Some(unique) if !unique.is_empty() => Self::hash(&[
                b"branch",
                address.as_bytes(),
                sent_by.as_bytes(),
                branch.as_bytes(),
            ]),
            _ => Self::hash(&[
                b"RFC 2543",
                address.as_bytes(),
                sent_by.as_bytes(),
                branch.as_bytes(),
                uri.to_string().as_bytes(),
                identification
                    .from_tag
                    .as_deref()
                    .unwrap_or_default()
                    .as_bytes(),
                headers.call_id().as_bytes(),
                &identification.cseq.number.to_be_bytes(),
            ]),
        }
    }

    fn hash(parts: &[&[u8]]) -> Self {
        let mut bytes = Vec::new();
        for part in parts {
            // With its length, so that no two lists of parts have the same bytes.
            bytes.extend_from_slice(&part.len().to_be_bytes());
            bytes.extend_from_slice(part);
        }
        Self(sha256(&bytes))
    }
}
