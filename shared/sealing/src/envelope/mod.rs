//! What a CPS answers to a request for a mailbox: a page of sealed entries,
//! sealed once more to the recipient, afresh for every request, so that nobody
//! else sees whether there was anything (docs/protocol.md section 4). Not here:
//! the entries themselves (`sealed`), and where they are kept.
//!
//! HPKE base mode with the suite of the mailbox's [`KeyConfig`];
//! `info` = `"pennyblack envelope v1" || mailbox[32]`, `aad` = the CPS's
//! authority in ASCII. The result is `enc || ct` of this plaintext:
//!
//! ```text
//! struct {
//!   uint8  version;             // 1
//!   uint8  flags;               // 1 = more: entries after these are waiting;
//!                               // 2 = dropped: entries were lost; other bits are 0
//!   uint16 filled;              // slots in use, from the first; 0 to N
//!   uint64 next;                // the cursor to ask with next time
//!   uint64 server_time;         // seconds since 1970
//!   opaque slots[N][SLOT];      // sealed PASSporTs; unused slots are zero
//! } Page;
//! ```
//!
//! Its length depends on the KEM and on N only. The work of sealing does too:
//! an unused slot costs the same copy and the same encryption as a used one.
//! What is left to tell them apart is how the caller came by the entries.

mod decoy;
mod question;

use std::fmt;
use std::ops::Range;

use pennyblack_hpke::HpkeError;
use rand::CryptoRng;
use zeroize::Zeroizing;

pub use decoy::{DECOY_SECRET_SIZE, DecoyKeys};
pub use question::{Cursor, CursorError, Slots, SlotsError};

use crate::mailbox::{Kem, KeyConfig, MailboxId, RecipientKey};
use crate::sealed::slot_size;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_base::wire::{Reader, WireError};

/// Media type of an envelope.
pub const MEDIA_TYPE: &str = "application/vnd.pennyblack.envelope";

const INFO_LABEL: &[u8] = b"pennyblack envelope v1";
const VERSION: u8 = 1;

/// The bit of `flags` that says "more".
const MORE: u8 = 1;
/// The one that says "dropped".
const DROPPED: u8 = 2;

/// Bytes in front of the slots.
const HEADER_SIZE: usize = 20;

/// What an unused slot is filled from; as long as the longest slot.
static EMPTY_SLOT: [u8; 4096] = [0; 4096];

/// What a page says besides its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// True when entries after these are waiting: ask again at once.
    pub more: bool,
    /// True when the mailbox was full and unexpired entries after the cursor that was
    /// asked with were dropped for newer ones: "no PASSporT" says less than usual.
    pub dropped: bool,
    /// The cursor to ask with next time.
    pub next: Cursor,
    /// The CPS's clock.
    pub server_time: UnixTime,
}

/// A page that could not be put into an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// More entries than slots: read at most [`Slots::count`] from the store.
    #[error("{entries} entries do not fit into {slots} slots")]
    TooManyEntries {
        /// Entries given.
        entries: usize,
        /// Slots asked for.
        slots: Slots,
    },
    /// An entry that is not of the mailbox's slot size must not have been stored.
    #[error("an entry of {actual} bytes in a mailbox whose slots have {expected}")]
    EntrySize {
        /// Bytes of a slot.
        expected: usize,
        /// Bytes of the entry.
        actual: usize,
    },
    /// The HPKE library refused; with a checked key this does not happen.
    #[error("sealing the envelope failed: {0}")]
    Hpke(HpkeError),
}

/// Seals a page to the mailbox's recipient: [`Slots::envelope_size`] bytes.
///
/// One buffer is made and encrypted in place; each slot is written once,
/// whether it is used or not.
///
/// # Errors
/// [`EnvelopeError`]: too many entries, or one of the wrong size.
pub fn seal_envelope(
    recipient: &KeyConfig,
    cps: &Authority,
    slots: Slots,
    entries: &[impl AsRef<[u8]>],
    header: PageHeader,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, EnvelopeError> {
    let kem = recipient.kem();
    let filled = u16::try_from(entries.len())
        .ok()
        .filter(|&filled| filled <= slots.count())
        .ok_or(EnvelopeError::TooManyEntries {
            entries: entries.len(),
            slots,
        })?;

    let mut envelope = Vec::with_capacity(slots.envelope_size(kem));
    envelope.resize(kem.enc_size(), 0);
    put_header(&mut envelope, filled, header);
    put_slots(&mut envelope, slot_size(kem), slots, entries)?;
    envelope.resize(slots.envelope_size(kem), 0);
    recipient
        .seal(
            &info(recipient.mailbox()),
            cps.as_bytes(),
            &mut envelope,
            rng,
        )
        .map_err(EnvelopeError::Hpke)?;
    Ok(envelope)
}

fn put_header(out: &mut Vec<u8>, filled: u16, header: PageHeader) {
    out.push(VERSION);
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.push(flag(header.more, MORE) | flag(header.dropped, DROPPED));
    out.extend(filled.to_be_bytes());
    out.extend(header.next.0.to_be_bytes());
    out.extend(header.server_time.0.to_be_bytes());
}

fn put_slots(
    out: &mut Vec<u8>,
    slot_size: usize,
    slots: Slots,
    entries: &[impl AsRef<[u8]>],
) -> Result<(), EnvelopeError> {
    let empty_slot = EMPTY_SLOT.get(..slot_size).unwrap_or_default();
    let used = entries.iter().map(AsRef::as_ref);
    let padded = used.chain(std::iter::repeat(empty_slot));
    for entry in padded.take(usize::from(slots.count())) {
        if entry.len() != slot_size {
            return Err(EnvelopeError::EntrySize {
                expected: slot_size,
                actual: entry.len(),
            });
        }
        out.extend_from_slice(entry);
    }
    Ok(())
}

/// Bytes that are not an envelope for this key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenEnvelopeError {
    /// No number of slots gives this size for this key's KEM.
    #[error("an envelope for {kem} has no {actual} bytes, whatever its number of slots")]
    Size {
        /// The key's KEM.
        kem: Kem,
        /// Bytes that there were.
        actual: usize,
    },
    /// Altered, or sealed to another key, or by another CPS.
    #[error("not sealed to this key by this CPS, or altered: {0}")]
    Hpke(HpkeError),
    /// A version of the page that this program does not know.
    #[error("page version {0} is not known: update this program")]
    Version(u8),
    /// A flag that this program does not know.
    #[error("the page's flags are {0}: 1 (more) and 2 (dropped) alone are known")]
    Flags(u8),
    /// More slots in use than there are.
    #[error("{filled} slots in use of {slots}")]
    Filled {
        /// Slots said to be in use.
        filled: u16,
        /// Slots that there are.
        slots: Slots,
    },
    /// Something other than zeros in an unused slot.
    #[error("an unused slot is not all zeros")]
    UnusedSlot,
    /// The page ends too early or too late.
    #[error("page: {0}")]
    Form(#[from] WireError),
}

/// An opened envelope: the entries are still sealed, each by its OOB-AS.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    header: PageHeader,
    slot_size: usize,
    /// The whole page, as it was sealed.
    plaintext: Zeroizing<Vec<u8>>,
    /// Where in it the slots in use are.
    filled: Range<usize>,
}

impl Page {
    /// The entries, oldest first, each one slot long.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let filled = self.plaintext.get(self.filled.clone()).unwrap_or_default();
        filled.chunks_exact(self.slot_size)
    }

    /// What the page says besides its entries.
    #[must_use]
    pub const fn header(&self) -> PageHeader {
        self.header
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("header", &self.header)
            .field("entries", &self.entries().len())
            .finish_non_exhaustive()
    }
}

/// Opens an envelope that the CPS `cps` sealed to this key.
///
/// Base mode says nothing of who sealed it: that it came from the CPS is known
/// from the connection, and that an entry is worth anything from the PASSporT in it.
///
/// # Errors
/// [`OpenEnvelopeError`]; none of them means that the mailbox is empty.
pub fn open_envelope(
    key: &RecipientKey,
    cps: &Authority,
    envelope: &[u8],
) -> Result<Page, OpenEnvelopeError> {
    let kem = key.config().kem();
    let slots = Slots::ALL
        .into_iter()
        .find(|slots| slots.envelope_size(kem) == envelope.len())
        .ok_or(OpenEnvelopeError::Size {
            kem,
            actual: envelope.len(),
        })?;
    let plaintext = key
        .open(&info(key.mailbox()), cps.as_bytes(), envelope)
        .map_err(OpenEnvelopeError::Hpke)?;
    parse_page(plaintext, slots, slot_size(kem))
}

fn parse_page(
    plaintext: Zeroizing<Vec<u8>>,
    slots: Slots,
    slot_size: usize,
) -> Result<Page, OpenEnvelopeError> {
    let mut reader = Reader::new(&plaintext);
    match reader.u8()? {
        VERSION => {}
        other => return Err(OpenEnvelopeError::Version(other)),
    }
    let flags = reader.u8()?;
    if flags & !(MORE | DROPPED) != 0 {
        return Err(OpenEnvelopeError::Flags(flags));
    }
    let filled = reader.u16()?;
    if filled > slots.count() {
        return Err(OpenEnvelopeError::Filled { filled, slots });
    }
    let header = PageHeader {
        more: flags & MORE != 0,
        dropped: flags & DROPPED != 0,
        next: Cursor(reader.u64()?),
        server_time: UnixTime(reader.u64()?),
    };
    let used = usize::from(filled) * slot_size;
    reader.take(used)?;
    let unused = usize::from(slots.count() - filled) * slot_size;
    if reader.take(unused)?.iter().any(|&byte| byte != 0) {
        return Err(OpenEnvelopeError::UnusedSlot);
    }
    reader.finish()?;

    Ok(Page {
        header,
        slot_size,
        plaintext,
        filled: HEADER_SIZE..HEADER_SIZE + used,
    })
}

fn info(mailbox: MailboxId) -> Vec<u8> {
    [INFO_LABEL, &mailbox.0].concat()
}

#[cfg(test)]
mod tests;
