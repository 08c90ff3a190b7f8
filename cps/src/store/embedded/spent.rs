//! The spent tokens of one key epoch. The newest are in memory whole; the others
//! are in a file, the archive, and in memory is only where.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;

use hashbrown::HashTable;
use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_privacypass::token::{Nonce, TokenKeyId};
use pennyblack_storage::disk::Disk;
use pennyblack_storage::journal::SegmentNumber;

use super::record_file::RecordFile;

/// Bytes of an archived spend: nonce and record.
const ARCHIVED_SIZE: usize = 32 + SpendRecord::SIZE;

/// Spends of one epoch in memory from which on they are archived, 1 MiB of them.
const MOST_RECENT: usize = 8_192;

pub(super) const FILE_PREFIX: &str = "spends-";

pub(super) fn file_name(epoch: TokenKeyId) -> String {
    format!("{FILE_PREFIX}{epoch}")
}

/// Where an archived spend is: 12 bytes; 8 of them are a keyed hash of its
/// nonce, so that nobody can choose nonces that collide. Equal hashes are told
/// apart by the nonce in the file.
#[derive(Debug, Clone, Copy)]
struct RecordLocation {
    hash: [u32; 2],
    index: u32,
}

impl RecordLocation {
    const fn new(hash: u64, index: u32) -> Self {
        Self {
            hash: [(hash >> 32) as u32, (hash & 0xffff_ffff) as u32],
            index,
        }
    }

    fn hash(&self) -> u64 {
        let [high, low] = self.hash;
        u64::from(high) << 32 | u64::from(low)
    }
}

/// Where all archived spends are: many small tables, by ten bits of the hash. A
/// single one would move every place whenever it doubles, for 200 ms with seven
/// million of them, and no spend could be judged meanwhile; these double one after
/// another.
#[derive(Default)]
struct Places {
    tables: HashMap<u16, HashTable<RecordLocation>>,
}

impl Places {
    fn insert(&mut self, hash: u64, index: u32) {
        let table = self.tables.entry(Self::table_of(hash)).or_default();
        table.insert_unique(hash, RecordLocation::new(hash, index), RecordLocation::hash);
    }

    /// The places of the spends with this hash, by all bits.
    fn find(&self, hash: u64) -> impl Iterator<Item = u64> {
        let table = self.tables.get(&Self::table_of(hash));
        let places = table
            .into_iter()
            .flat_map(move |table| table.iter_hash(hash));
        places
            .filter(move |place| place.hash() == hash)
            .map(|place| u64::from(place.index))
    }

    /// By bits from the middle: a table of its own goes by those at both ends.
    const fn table_of(hash: u64) -> u16 {
        (hash >> 40) as u16 & 0x3ff
    }
}

/// The spends of one epoch.
pub(super) struct SpentSet<D: Disk> {
    recent: HashMap<Nonce, SpendRecord>,
    /// The journal's segment in which the oldest of the recent ones is.
    recent_since: Option<SegmentNumber>,
    archive: RecordFile<D::File, ARCHIVED_SIZE>,
    /// The first of the archived ones that were found in the journal too, at opening.
    journalled_too: u64,
    places: Places,
    hasher: RandomState,
}

impl<D: Disk> SpentSet<D> {
    /// Opens an epoch's file, or makes it.
    pub(super) fn open(disk: &D, epoch: TokenKeyId) -> io::Result<Self> {
        let hasher = RandomState::new();
        let mut places = Places::default();
        let mut overflow = false;
        let archive = RecordFile::open(
            disk,
            &file_name(epoch),
            |index, bytes| match u32::try_from(index) {
                Ok(index) => places.insert(hash_of(&hasher, bytes), index),
                Err(_) => overflow = true,
            },
        )?;
        if overflow {
            return Err(io::Error::other("more than 2^32 spends in one key epoch"));
        }
        Ok(Self {
            recent: HashMap::new(),
            recent_since: None,
            journalled_too: archive.count(),
            archive,
            places,
            hasher,
        })
    }

    /// The record of a spent token.
    pub(super) fn find(&self, nonce: &Nonce) -> io::Result<Option<SpendRecord>> {
        if let Some(record) = self.recent.get(nonce) {
            return Ok(Some(*record));
        }
        let archived = self.find_archived(nonce)?;
        Ok(archived.map(|(_, record)| record))
    }

    /// The same in the archive, and where it is there.
    fn find_archived(&self, nonce: &Nonce) -> io::Result<Option<(u64, SpendRecord)>> {
        for index in self.places.find(self.hasher.hash_one(nonce.0)) {
            let archived = self.archive.read(index)?;
            let (found, record) = archived.split_at(32);
            if *found == nonce.0 {
                let record = SpendRecord::from_bytes(record).map_err(io::Error::other)?;
                return Ok(Some((index, record)));
            }
        }
        Ok(None)
    }

    /// Notes a spend that the journal still has, at opening.
    pub(super) fn replay(
        &mut self,
        nonce: Nonce,
        record: SpendRecord,
        segment: SegmentNumber,
    ) -> io::Result<()> {
        match self.find_archived(&nonce)? {
            Some((index, _)) => self.journalled_too = self.journalled_too.min(index),
            None => self.insert(nonce, record, segment),
        }
        Ok(())
    }

    /// Notes a spend that is durable in this segment of the journal.
    pub(super) fn insert(&mut self, nonce: Nonce, record: SpendRecord, segment: SegmentNumber) {
        self.recent.insert(nonce, record);
        self.recent_since.get_or_insert(segment);
    }

    /// Moves the spends from memory to the file when they are many: memory is
    /// dear, and so is a sync for a few.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub(super) fn archive_many(&mut self) -> io::Result<()> {
        if self.recent.len() < MOST_RECENT {
            return Ok(());
        }
        self.archive()
    }

    /// Makes sure that no spend is in this segment or an older one alone.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub(super) fn let_go_of(&mut self, segment: SegmentNumber) -> io::Result<()> {
        match self.recent_since {
            Some(since) if since <= segment => self.archive(),
            _ => Ok(()),
        }
    }

    /// Moves all spends from memory to the file, and makes them durable there.
    /// After an error they are all in memory still.
    fn archive(&mut self) -> io::Result<()> {
        let archived = |(nonce, record): (&Nonce, &SpendRecord)| {
            let mut archived = [0; ARCHIVED_SIZE];
            let (front, back) = archived.split_at_mut(32);
            front.copy_from_slice(&nonce.0);
            back.copy_from_slice(&record.to_bytes());
            archived
        };
        let records: Vec<_> = self.recent.iter().map(archived).collect();
        let first = self.archive.count();
        let end = first + records.len() as u64;
        if u32::try_from(end).is_err() {
            return Err(io::Error::other("more than 2^32 spends in one key epoch"));
        }
        self.archive.append(&records)?;
        for (index, record) in (first..end).zip(&records) {
            let index = u32::try_from(index).map_err(io::Error::other)?;
            self.places.insert(hash_of(&self.hasher, record), index);
        }
        self.recent.clear();
        self.recent_since = None;
        Ok(())
    }

    /// After everything is replayed: makes what was found durable. An append that
    /// failed or was torn held nothing but spends that are still in the journal; of
    /// those that the journal has given up, all are archived and durable.
    ///
    /// # Errors
    /// When more of the archive was left out than a torn append explains, or what the
    /// disk says. Tokens whose spends are lost must not be taken again.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        let mut torn = self.archive.cut() <= self.recent.len() as u64;
        for left_out in self.archive.left_out() {
            let nonce = left_out?.first_chunk().copied().map(Nonce);
            torn &= nonce.is_some_and(|nonce| self.recent.contains_key(&nonce));
        }
        if torn {
            return self.archive.make_durable(self.journalled_too);
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "an archive of spends is damaged at record {}: restore the disk, or move the \
                 directory away and have the issuer make new token keys",
                self.archive.count()
            ),
        ))
    }

    /// How many tokens are spent.
    pub(super) fn len(&self) -> u64 {
        self.recent.len() as u64 + self.archive.count()
    }
}

fn hash_of(hasher: &RandomState, archived: &[u8; ARCHIVED_SIZE]) -> u64 {
    let nonce: &[u8; 32] = archived.first_chunk().unwrap_or(&[0; 32]);
    hasher.hash_one(nonce)
}
