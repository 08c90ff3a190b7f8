//! A called number's keys by its block: from what is kept, or from a CPS that is asked for
//! several blocks at once and learns neither the number nor which block was called. Not here:
//! which blocks those are (`block_look_ups`).

use futures_util::future::join_all;
use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_http::HttpClient;
use pennyblack_protocol::key_record::UnverifiedKeyRecord;
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::breadth::claimed_breadth;
use super::keys::MAX_VERIFIED;
use super::{
    BlockLimits, BlockOfRecords, FoundKeys, OobAuthenticationError, OobAuthenticationService,
    RefusedRecord,
};
use crate::block_look_ups::{BlockLookUps, CalledBlock, KeptBlock, Plan};

/// How much of one block is read and kept: more than five thousand records of common size.
const LIMITS: BlockLimits = BlockLimits {
    records: 10_000,
    bytes: 16 * 1024 * 1024,
};

impl OobAuthenticationService {
    /// Looks up who answers for `number`, a number of `block`, and verifies each record. What
    /// is kept of the block is used until it ends, and then nobody is asked. **The CPS is never
    /// told the number.**
    ///
    /// # Errors
    /// [`OobAuthenticationError::KeyLookup`], [`OobAuthenticationError::KeyList`] or
    /// [`OobAuthenticationError::Blocks`].
    pub async fn keys_of_block(
        &self,
        number: &TelephoneNumber,
        block: &CalledBlock,
        look_ups: &BlockLookUps,
        now: UnixTime,
    ) -> Result<FoundKeys, OobAuthenticationError> {
        let client = self.http.client();
        let client = client.map_err(OobAuthenticationError::KeyLookup)?;
        // A CPS that is slow must leave time for storing.
        let client = match client.deadline() {
            Some(deadline) => client.within(deadline.half()),
            None => client,
        };
        let mut found = FoundKeys::default();
        let cps = self.keys.cps().ok_or(OobAuthenticationError::NoLookUp)?;
        let cps = cps.authority();
        let records = match look_ups.plan(cps, block, now).await? {
            Plan::Kept(kept) => {
                found.is_partial = kept.is_partial;
                found.kept_until = Some(kept.until);
                let parsed = kept
                    .records
                    .iter()
                    .map(|text| UnverifiedKeyRecord::parse(text));
                parsed.filter_map(Result::ok).collect()
            }
            Plan::Ask(blocks) => {
                let listed = self
                    .ask_for((cps, &client), &blocks, block, look_ups, now)
                    .await?;
                found.is_partial = listed.is_partial;
                listed.records
            }
        };
        found.clock_gap = client.clock_gap();
        self.clock_gaps.note(cps, found.clock_gap);
        self.judge_block(&client, records, number, &mut found, now)
            .await;
        Ok(found)
    }

    /// Asks for all blocks at once, and keeps what comes. **It goes on when all are answered**,
    /// and not with the one that the call needs: what follows would show which that was.
    async fn ask_for(
        &self,
        (cps, client): (&Authority, &HttpClient),
        blocks: &[CalledBlock],
        real: &CalledBlock,
        look_ups: &BlockLookUps,
        now: UnixTime,
    ) -> Result<BlockOfRecords, OobAuthenticationError> {
        let asked = blocks
            .iter()
            .map(|block| self.records_of_block(client, block.prefix(), LIMITS));
        let answers = join_all(asked).await;
        let mut of_real = Err(OobAuthenticationError::NotAsked);
        for (block, answer) in blocks.iter().zip(answers) {
            if let Ok(listed) = &answer {
                let kept = kept_of(listed, now);
                look_ups.keep(cps, block, kept, now).await?;
            }
            if block == real {
                of_real = answer;
            }
        }
        of_real
    }

    async fn judge_block(
        &self,
        client: &HttpClient,
        mut records: Vec<UnverifiedKeyRecord>,
        number: &TelephoneNumber,
        found: &mut FoundKeys,
        now: UnixTime,
    ) {
        records.retain(|record| self.may_answer_for(&record.record().coverage, number));
        records.sort_by_cached_key(claimed_breadth);
        found.is_partial |= records.len() > MAX_VERIFIED;
        records.truncate(MAX_VERIFIED);
        let certificates = self.certificates_of(records.iter(), client, now).await;
        for record in records {
            match self.accept(record, (&certificates, None), number, now) {
                Ok(key) => found.keys.push(key),
                // Others of the block are not of interest.
                Err(RefusedRecord::OtherNumber(_)) => {}
                Err(refused) => found.refused.add(refused),
            }
        }
        self.choose(found);
    }
}

fn kept_of(listed: &BlockOfRecords, now: UnixTime) -> KeptBlock {
    let records = listed.records.iter();
    KeptBlock {
        records: records.map(|record| record.as_str().to_owned()).collect(),
        is_partial: listed.is_partial,
        until: now.plus(listed.lifetime),
    }
}
