//! All key records of a block of numbers, for a service that has them at hand before calls
//! come: the CPS then sees no look-up at a call. Not here: when they are read, and where
//! they are kept.

use std::collections::HashSet;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_http::HttpClient;
use pennyblack_protocol::key_record::{KeyRecordError, UnverifiedKeyRecord, VerifiedKeyRecord};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::keys::{KeyLookup, MAX_PAGES, next_page};
use super::record_chain::chain_of;
use super::refusals::RefusedRecord;
use super::{OobAuthenticationError, OobAuthenticationService};
use crate::certificates::Certificates;

/// How much is read of a block.
#[derive(Debug, Clone, Copy)]
pub struct BlockLimits {
    /// Most records.
    pub records: usize,
    /// Most bytes of records.
    pub bytes: usize,
}

/// What the CPS has of a block. Nobody has checked it.
#[derive(Debug, Default, Clone)]
pub struct BlockOfRecords {
    /// The records, each once.
    pub records: Vec<UnverifiedKeyRecord>,
    /// Texts that are no key records.
    pub malformed: u64,
    /// Whether there are more than were read.
    pub is_partial: bool,
    /// How long this counts.
    pub lifetime: Duration,
}

impl OobAuthenticationService {
    /// Reads the records of all numbers that begin with `prefix` (4 to 15 digits), up to the
    /// limits.
    ///
    /// # Errors
    /// [`OobAuthenticationError::KeyLookup`] or [`OobAuthenticationError::KeyList`].
    pub async fn records_of_block(
        &self,
        client: &HttpClient,
        prefix: &TelephoneNumber,
        limits: BlockLimits,
    ) -> Result<BlockOfRecords, OobAuthenticationError> {
        let digits = prefix.as_str().len();
        let mut block = BlockOfRecords {
            lifetime: Duration::MAX,
            ..BlockOfRecords::default()
        };
        let mut bytes = 0_usize;
        let (mut texts, mut after) = (HashSet::new(), None);
        for _ in 0..MAX_PAGES {
            let look_up = KeyLookup::Block { digits };
            let (list, lifetime) = self.fetch_list(client, prefix, look_up, after).await?;
            block.lifetime = block.lifetime.min(lifetime);
            after = next_page(&list)?;
            for text in list.records {
                // A record can be in several pages.
                if texts.contains(&text) {
                    continue;
                }
                bytes = bytes.saturating_add(text.len());
                if bytes > limits.bytes || block.records.len() >= limits.records {
                    block.is_partial = true;
                    return Ok(block);
                }
                match UnverifiedKeyRecord::parse(&text) {
                    Ok(record) => block.records.push(record),
                    Err(_) => block.malformed += 1,
                }
                texts.insert(text);
            }
            if after.is_none() {
                return Ok(block);
            }
        }
        block.is_partial = true;
        Ok(block)
    }

    /// Gets the certificates of those records that name a URL.
    pub async fn certificates_of<'r>(
        &self,
        records: impl Iterator<Item = &'r UnverifiedKeyRecord>,
        client: &HttpClient,
        now: UnixTime,
    ) -> Certificates {
        let urls = records.filter_map(|record| record.certificate().url());
        self.certificates.gather(urls, client.deadline(), now).await
    }

    /// Verifies a record: the CPS is not trusted with that. `holders` has answers about numbers of
    /// which the numbering table says nothing.
    ///
    /// # Errors
    /// [`RefusedRecord`].
    pub fn verify_record(
        &self,
        record: UnverifiedKeyRecord,
        certificates: &Certificates,
        holders: Option<&NumberingTable>,
        now: UnixTime,
    ) -> Result<VerifiedKeyRecord, RefusedRecord> {
        let chain = chain_of(&record, certificates, &self.trust, now)?;
        match record.clone().verify(&chain, self.numbering.as_ref(), now) {
            Err(KeyRecordError::UnknownHolder { .. }) if holders.is_some() => {
                Ok(record.verify(&chain, holders, now)?)
            }
            verified => Ok(verified?),
        }
    }
}
