//! What stands in a log's journal: entries that are not in tiles yet, and how many
//! are, so that tiles which have vanished are missed.

use pennyblack_base::wire::{Reader, WireError};
use pennyblack_storage::group_commit::FrameBuilder;

const ENTRY: u8 = 0;
const IN_TILES: u8 = 1;

/// ```text
/// struct {
///   uint8 kind;
///   select (kind) {
///     case 0: uint64 index; opaque entry[];    // up to the record's end
///     case 1: uint64 size;
///   };
/// } JournalRecord;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JournalRecord<'a> {
    /// An entry and its place in the log.
    Entry {
        /// Its place, from 0.
        index: u64,
        /// The entry.
        entry: &'a [u8],
    },
    /// So many entries were in tiles and under a checkpoint.
    InTiles(u64),
}

impl<'a> JournalRecord<'a> {
    pub(crate) fn push_to(&self, frame: &mut FrameBuilder) {
        match self {
            Self::Entry { index, entry } => {
                frame.push(&[&[ENTRY], &index.to_be_bytes(), entry]);
            }
            Self::InTiles(size) => frame.push(&[&[IN_TILES], &size.to_be_bytes()]),
        }
    }

    /// Reads a record; `None` for a kind that is not known.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Option<Self>, WireError> {
        let mut reader = Reader::new(bytes);
        let (kind, number) = (reader.u8()?, reader.u64()?);
        Ok(match kind {
            ENTRY => Some(Self::Entry {
                index: number,
                entry: reader.rest(),
            }),
            IN_TILES => {
                reader.finish()?;
                Some(Self::InTiles(number))
            }
            _ => None,
        })
    }
}
