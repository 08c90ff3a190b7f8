//! A file of records that all have the same size, each with its checksum, which
//! only grows: the spends of a key epoch, the list of closed epochs.

use std::io;

use pennyblack_storage::disk::{Disk, DiskFile};

/// Bytes of the CRC-32 behind each record.
const CHECKSUM_SIZE: usize = 4;
/// Records read at once when the file is opened.
const READ_AT_ONCE: u64 = 8_192;

/// A file of records of `N` bytes.
pub(super) struct RecordFile<F, const N: usize> {
    file: F,
    /// Sound records.
    count: u64,
    /// Something other than records is behind them: the last append failed, or
    /// broke off when the process died.
    untidy: bool,
    /// Records that were found unsound, or behind an unsound one, at opening.
    cut: u64,
}

impl<F: DiskFile, const N: usize> RecordFile<F, N> {
    const STRIDE: usize = N + CHECKSUM_SIZE;

    /// Opens or creates the file and shows every record in it to `visit`. What is
    /// behind the first unsound record is left out, and overwritten by the next
    /// append. Whether that was a torn append, or damage, the caller can tell from
    /// [`Self::cut`] and [`Self::left_out`]: the caller knows what was being appended,
    /// and from where on [`Self::make_durable`] is needed before records are relied upon.
    pub(super) fn open<D: Disk<File = F>>(
        disk: &D,
        name: &str,
        mut visit: impl FnMut(u64, &[u8; N]),
    ) -> io::Result<Self> {
        let file = match disk.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = disk.create(name)?;
                disk.sync_directory()?;
                file
            }
            other => other?,
        };
        let whole = file.length()? / Self::STRIDE as u64;
        let mut count = 0;
        while let chunk @ 1.. = (whole - count).min(READ_AT_ONCE) {
            let sound = visit_chunk(&file, count, chunk, &mut visit)?;
            count += sound;
            if sound < chunk {
                break;
            }
        }
        Ok(Self {
            untidy: file.length()? > count * Self::STRIDE as u64,
            file,
            count,
            cut: whole - count,
        })
    }

    /// Writes the records from `index` on again, and syncs them: those of an append
    /// whose sync failed in an earlier process may be in memory alone.
    pub(super) fn make_durable(&mut self, index: u64) -> io::Result<()> {
        let mut next = index;
        while let chunk @ 1.. = self.count.saturating_sub(next).min(READ_AT_ONCE) {
            let offset = next * Self::STRIDE as u64;
            let mut bytes =
                vec![0; usize::try_from(chunk).map_err(io::Error::other)? * Self::STRIDE];
            self.file.read_at(&mut bytes, offset)?;
            self.file.rewrite(&bytes, offset)?;
            next += chunk;
        }
        self.file.sync()
    }

    /// Appends records and syncs them. After an error none of them is in the file.
    pub(super) fn append(&mut self, records: &[[u8; N]]) -> io::Result<()> {
        if self.untidy {
            self.file.truncate(self.count * Self::STRIDE as u64)?;
        }
        let mut bytes = Vec::with_capacity(records.len() * Self::STRIDE);
        for record in records {
            bytes.extend_from_slice(record);
            bytes.extend(crc32fast::hash(record).to_be_bytes());
        }
        self.untidy = true;
        self.file.append(&bytes)?;
        self.file.sync()?;
        self.untidy = false;
        self.count += records.len() as u64;
        Ok(())
    }

    /// The record at this place, from 0.
    pub(super) fn read(&self, index: u64) -> io::Result<[u8; N]> {
        read_sound(&self.file, index)?.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("record {index} is damaged"),
            )
        })
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Whole records that were left out at opening.
    pub(super) const fn cut(&self) -> u64 {
        self.cut
    }

    /// Those of them whose checksum holds. Before anything was appended.
    pub(super) fn left_out(&self) -> impl Iterator<Item = io::Result<[u8; N]>> {
        let indices = self.count..self.count + self.cut;
        indices.filter_map(|index| read_sound(&self.file, index).transpose())
    }
}

/// The record at `index`, when its checksum holds.
fn read_sound<F: DiskFile, const N: usize>(file: &F, index: u64) -> io::Result<Option<[u8; N]>> {
    let mut bytes = vec![0; N + CHECKSUM_SIZE];
    file.read_at(&mut bytes, index * (N + CHECKSUM_SIZE) as u64)?;
    Ok(sound(&bytes).copied())
}

fn sound<const N: usize>(bytes: &[u8]) -> Option<&[u8; N]> {
    let (record, checksum) = bytes.split_first_chunk::<N>()?;
    (*checksum == crc32fast::hash(record).to_be_bytes()).then_some(record)
}

/// Shows the sound records at the start of a chunk, and says how many they are.
fn visit_chunk<F: DiskFile, const N: usize>(
    file: &F,
    first: u64,
    records: u64,
    visit: &mut impl FnMut(u64, &[u8; N]),
) -> io::Result<u64> {
    let stride = N + CHECKSUM_SIZE;
    let size = usize::try_from(records).map_err(io::Error::other)? * stride;
    let mut bytes = vec![0; size];
    file.read_at(&mut bytes, first * stride as u64)?;
    let mut index = first;
    for record in bytes.chunks_exact(stride).map_while(sound::<N>) {
        visit(index, record);
        index += 1;
    }
    Ok(index - first)
}
