//! A charge as a record of the journal. A list of many numbers is long, and its holder may
//! draw tokens one by one: so the first record of an epoch that names a long subject has its
//! text, and those that follow have its digest.
//!
//! A segment stays as long as an epoch is live of which it has a record, so the text is
//! there whenever a digest is read.

use std::collections::{HashMap, HashSet};

use pennyblack_base::encoding::sha256;
use pennyblack_base::wire::Reader;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_stir::Coverage;
use pennyblack_storage::group_commit::FrameBuilder;

use super::LedgerError;
use crate::quota::Charge;

/// What a digest stands behind in place of a text, which has no such byte.
const DIGEST: u8 = 0;
const DIGEST_SIZE: usize = 32;

/// The subjects of an epoch that the journal has in full.
pub(super) type Written = HashSet<[u8; DIGEST_SIZE]>;

/// `TokenKeyId epoch; opaque drawing[32]; uint32 tokens; opaque subject[];` The subject that
/// is written in full for the first time, if it is a long one.
pub(super) fn push(
    frame: &mut FrameBuilder,
    epoch: TokenKeyId,
    charge: &Charge,
    written: &mut Written,
) -> Option<[u8; DIGEST_SIZE]> {
    let (text, tokens) = (charge.subject.to_string(), charge.tokens.to_be_bytes());
    let digest = sha256(text.as_bytes());
    let is_long = text.len() > DIGEST_SIZE;
    let is_new = is_long && written.insert(digest);
    let reference = [&[DIGEST], digest.as_slice()].concat();
    let subject = match is_long && !is_new {
        true => &reference,
        false => text.as_bytes(),
    };
    frame.push(&[&epoch.0, &charge.drawing, &tokens, subject]);
    is_new.then_some(digest)
}

/// Reads records in the order in which they were written, and what those of live epochs say.
#[derive(Debug)]
pub(super) struct RecordReader(HashMap<TokenKeyId, HashMap<[u8; DIGEST_SIZE], Coverage>>);

impl RecordReader {
    pub(super) fn new(live: &[TokenKeyId]) -> Self {
        Self(live.iter().map(|live| (*live, HashMap::new())).collect())
    }

    /// The epoch of a record; and its charge, if that epoch is live: of another one some
    /// records may be gone already.
    pub(super) fn read(
        &mut self,
        record: &[u8],
    ) -> Result<(TokenKeyId, Option<Charge>), LedgerError> {
        let mut reader = Reader::new(record);
        let epoch = TokenKeyId(reader.array().map_err(LedgerError::Record)?);
        let drawing = reader.array().map_err(LedgerError::Record)?;
        let tokens = reader.u32().map_err(LedgerError::Record)?;
        let Some(known) = self.0.get_mut(&epoch) else {
            return Ok((epoch, None));
        };
        let charge = Charge {
            subject: subject(reader.rest(), known)?,
            drawing,
            tokens,
        };
        Ok((epoch, Some(charge)))
    }

    /// The subjects that were read in full.
    pub(super) fn written(self) -> HashMap<TokenKeyId, Written> {
        let epochs = self.0.into_iter();
        let written = epochs.map(|(epoch, known)| (epoch, known.into_keys().collect()));
        written.collect()
    }
}

fn subject(
    subject: &[u8],
    known: &mut HashMap<[u8; DIGEST_SIZE], Coverage>,
) -> Result<Coverage, LedgerError> {
    if let [DIGEST, digest @ ..] = subject {
        let digest = <[u8; DIGEST_SIZE]>::try_from(digest).ok();
        let found = digest.and_then(|digest| known.get(&digest));
        return found.cloned().ok_or(LedgerError::UnknownSubject);
    }
    let text = String::from_utf8_lossy(subject);
    let coverage: Coverage = text.parse().map_err(LedgerError::Subject)?;
    if subject.len() > DIGEST_SIZE {
        known.insert(sha256(subject), coverage.clone());
    }
    Ok(coverage)
}
