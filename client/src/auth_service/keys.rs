//! A called number's keys: looking them up, and believing only those whose
//! signer had the right to make them.

use std::collections::HashSet;
use std::time::Duration;

use pennyblack_base::cps_uri::CpsUri;
use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{
    Breadth, Coverage, KEY_RECORD_LIST_MEDIA_TYPE, KEYS_PATH, KeyRecordError, KeyRecordList,
    MAX_LIST_SIZE, MAX_RECORDS_OF_BLOCK, MAX_RECORDS_OF_NUMBER, PAGE_MAX_AGE, UnverifiedKeyRecord,
    VerifiedKeyRecord,
};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::{MAX_DIGITS, TelephoneNumber};
use serde::de::Error as _;

use super::breadth::claimed_breadth;
use super::refusals::{RecordRefusals, RefusedRecord};
use super::{CopyLimits, KeySource, OobAuthenticationError, OobAuthenticationService};
use crate::certificates::Certificates;
use crate::directory::Mirrored;
use crate::request_length::pad;
use pennyblack_http::{
    ClockGap, Deadline, HttpClient, HttpError, Request, ServiceAddress, SpanLimits,
};

/// How many copies of a PASSporT are stored at the most, unless it is configured.
pub const DEFAULT_MAX_COPIES: usize = 8;

/// Most records that are verified for one look-up. Those come first whose certificates say
/// that they cover the fewest numbers, which an honest CPS has verified: so the holder of a
/// block cannot hide the keys of one number in it, whatever its records name.
pub(super) const MAX_VERIFIED: usize = 2 * MAX_RECORDS_OF_NUMBER;

/// Most pages of a block that are read: 115 MiB, 36,000 records of common size. Whose
/// certificate holds a thousand numbers cannot fill them: of each the pages have eight
/// records, of 12 KiB each at most.
pub(super) const MAX_PAGES: usize = 128;

/// How long a page of a block counts, whatever the CPS says: a CPS must not be able to have
/// somebody ask at each call, or use a key for days.
const PAGE_LIFETIME: SpanLimits = SpanLimits {
    default: Duration::from_secs(PAGE_MAX_AGE),
    min: Duration::from_secs(PAGE_MAX_AGE / 4),
    max: Duration::from_secs(PAGE_MAX_AGE),
};

/// Most characters of what an answer names as the next page.
const MAX_CURSOR_SIZE: usize = 20;

/// How much of the number the CPS is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLookup {
    /// The whole number.
    Number,
    /// Its first digits only; the CPS answers with the keys of that whole block.
    Block {
        /// How many digits.
        digits: usize,
    },
}

/// What a look-up found.
#[derive(Debug, Default)]
pub struct FoundKeys {
    /// Keys of the number, one for each mailbox, the most specific first; each gets the
    /// copies that it asks for, as far as [`OobAuthenticationService::max_copies`] goes.
    pub keys: Vec<VerifiedKeyRecord>,
    /// What the copies for each of these keys may cost.
    pub limits: Vec<CopyLimits>,
    /// How many more the number has, which get none.
    pub left_out: usize,
    /// Whether the CPS has more records for these digits, which were not looked at, or may
    /// have more, since it has given as many as it gives of a number, or of a block.
    pub is_partial: bool,
    /// Until when nobody is asked again, if the block was kept from an earlier look-up.
    pub kept_until: Option<UnixTime>,
    /// Records that the CPS had and that are not trusted.
    pub refused: RecordRefusals,
    /// CPSs that records name and that are not in the roster: nothing is sent there.
    pub not_in_roster: Vec<CpsUri>,
    /// How far this machine's clock is from the CPS's, if that is far: then records
    /// may be refused for that alone.
    pub clock_gap: Option<ClockGap>,
}

impl OobAuthenticationService {
    /// Looks up who answers for `number`, and verifies each record: neither a CPS nor the file
    /// of a directory is trusted with that. `look_up` says how much a CPS is told.
    ///
    /// # Errors
    /// [`OobAuthenticationError::KeyLookup`], [`OobAuthenticationError::KeyList`] or
    /// [`OobAuthenticationError::Directory`].
    pub async fn keys_of(
        &self,
        number: &TelephoneNumber,
        look_up: KeyLookup,
        now: UnixTime,
    ) -> Result<FoundKeys, OobAuthenticationError> {
        let mut found = FoundKeys::default();
        let candidates = match &self.keys {
            KeySource::Cps(cps) => {
                self.candidates_at(cps, number, look_up, now, &mut found)
                    .await?
            }
            KeySource::Directory(mirrored) => {
                let table = self.numbering.as_ref();
                let spcs = table.map_or_else(Vec::new, |table| table.holders_of(number));
                let number = number.clone();
                let read = mirrored.read(move |own| own.records_of(&number, &spcs, now));
                let read = read.await?;
                found.is_partial = read.is_partial;
                read
            }
        };
        let beside = (&candidates.certificates, Some(&candidates.holders));
        for record in candidates.records {
            match self.accept(record, beside, number, now) {
                Ok(key) => found.keys.push(key),
                // Others of the block are not of interest.
                Err(RefusedRecord::OtherNumber(_)) if look_up != KeyLookup::Number => {}
                Err(refused) => found.refused.add(refused),
            }
        }
        self.choose(&mut found);
        Ok(found)
    }

    /// Of the good records those that are sealed to, and what they may cost.
    pub(super) fn choose(&self, found: &mut FoundKeys) {
        let chosen = self.keys.choose(std::mem::take(&mut found.keys));
        let outside = chosen.outside.iter();
        let outside = outside.flat_map(|key| key.placement().cpss().cloned());
        found.not_in_roster.extend(outside);
        let (keys, placements): (Vec<_>, Vec<_>) = chosen.placed.into_iter().unzip();
        found.keys = keys;
        found.limits = CopyLimits::share_out(self.max_copies, &placements);
        found.left_out += found.keys.len() - found.limits.len();
        found.keys.truncate(found.limits.len());
    }

    /// The records to verify, of a CPS, with the certificates that they name.
    async fn candidates_at(
        &self,
        cps: &ServiceAddress,
        number: &TelephoneNumber,
        look_up: KeyLookup,
        now: UnixTime,
        found: &mut FoundKeys,
    ) -> Result<Mirrored, OobAuthenticationError> {
        let client = self
            .http
            .client()
            .map_err(OobAuthenticationError::KeyLookup)?;
        let records = self.candidates(&client, number, look_up, found).await?;
        found.clock_gap = client.clock_gap();
        self.clock_gaps.note(cps.authority(), found.clock_gap);
        let urls = records
            .iter()
            .filter_map(|record| record.certificate().url());
        // A repository that does not answer must leave time for storing.
        let deadline = client.deadline().map(Deadline::half);
        let certificates = self.certificates.gather(urls, deadline, now).await;
        Ok(Mirrored {
            records,
            certificates,
            ..Mirrored::default()
        })
    }

    /// The records to verify, the most specific first.
    async fn candidates(
        &self,
        client: &HttpClient,
        number: &TelephoneNumber,
        look_up: KeyLookup,
        found: &mut FoundKeys,
    ) -> Result<Vec<UnverifiedKeyRecord>, OobAuthenticationError> {
        // A CPS that says `more` endlessly, or slowly, must leave time for storing.
        let client = match client.deadline() {
            Some(deadline) => client.within(deadline.half()),
            None => client.clone(),
        };
        let mut parsed: Vec<(Breadth, UnverifiedKeyRecord)> = Vec::new();
        let mut texts = HashSet::new();
        let mut after = None;
        for _ in 0..MAX_PAGES {
            let list = self.fetch_list(&client, number, look_up, after.clone());
            let list = match list.await {
                Err(OobAuthenticationError::KeyLookup(HttpError::TimeUp { .. }))
                    if after.is_some() =>
                {
                    break;
                }
                list => list?.0,
            };
            let next = next_page(&list)?;
            for text in list.records {
                match UnverifiedKeyRecord::parse(&text) {
                    // Others of the block are not of interest.
                    Ok(record)
                        if look_up != KeyLookup::Number
                            && !self.may_answer_for(&record.record().coverage, number) => {}
                    Ok(record) => {
                        if texts.insert(text) {
                            parsed.push((claimed_breadth(&record), record));
                        }
                    }
                    Err(error) => found.refused.add(error.into()),
                }
            }
            parsed.sort_by_key(|(breadth, _)| *breadth);
            found.is_partial |= parsed.len() > MAX_VERIFIED;
            parsed.truncate(MAX_VERIFIED);
            after = next.filter(|_| look_up != KeyLookup::Number);
            if after.is_none() {
                break;
            }
        }
        // What was read is used: others can fill a block with their keys.
        found.is_partial |= after.is_some() || parsed.len() >= most_given(look_up);
        Ok(parsed.into_iter().map(|(_, record)| record).collect())
    }

    /// Whether a record of a block may answer for `number`, by what it says and by the
    /// numbering table here: an SPC that holds other numbers is of no interest.
    pub(super) fn may_answer_for(&self, coverage: &Coverage, number: &TelephoneNumber) -> bool {
        match (coverage, &self.numbering) {
            (Coverage::Spc(spc), Some(table)) if tells_of(table, number) => {
                table.holds(spc, number)
            }
            _ => coverage.may_answer_for(number),
        }
    }

    /// What a CPS lists, and how long that counts.
    pub(super) async fn fetch_list(
        &self,
        client: &HttpClient,
        number: &TelephoneNumber,
        look_up: KeyLookup,
        after: Option<String>,
    ) -> Result<(KeyRecordList, Duration), OobAuthenticationError> {
        let cps = self.keys.cps().ok_or(OobAuthenticationError::NoLookUp)?;
        let request = look_up_request(cps, number, look_up, after.as_deref());
        let answer = client.send(&request, self.retry).await;
        let answer = answer.map_err(OobAuthenticationError::KeyLookup)?;
        let content = answer
            .content(KEY_RECORD_LIST_MEDIA_TYPE)
            .map_err(OobAuthenticationError::KeyLookup)?;
        let list = serde_json::from_slice(content).map_err(OobAuthenticationError::KeyList)?;
        Ok((list, answer.max_age(&PAGE_LIFETIME)))
    }

    /// The table tells who holds `number`, whatever it leaves open of a record's others.
    fn of_number(&self, refused: RefusedRecord, number: &TelephoneNumber) -> RefusedRecord {
        let is_told = self
            .numbering
            .as_ref()
            .is_some_and(|table| tells_of(table, number));
        match refused {
            RefusedRecord::Record(KeyRecordError::UnknownHolder {
                coverage,
                certificate,
            }) if is_told => RefusedRecord::Record(KeyRecordError::NotHeld {
                coverage,
                certificate,
            }),
            other => other,
        }
    }

    pub(super) fn accept(
        &self,
        record: UnverifiedKeyRecord,
        (certificates, holders): (&Certificates, Option<&NumberingTable>),
        number: &TelephoneNumber,
        now: UnixTime,
    ) -> Result<VerifiedKeyRecord, RefusedRecord> {
        let verified = self.verify_record(record, certificates, holders, now);
        let verified = verified.map_err(|refused| self.of_number(refused, number))?;
        if verified.answers_for(number) {
            Ok(verified)
        } else {
            Err(RefusedRecord::OtherNumber(number.clone()))
        }
    }
}

fn tells_of(table: &NumberingTable, number: &TelephoneNumber) -> bool {
    table.tells_of(&number.clone().into())
}

/// Asks who answers for a number. **All requests have the same length**, also in HTTP/2,
/// whatever digits the CPS is told: a page that is not the first adds its cursor.
pub(crate) fn look_up_request(
    cps: &ServiceAddress,
    number: &TelephoneNumber,
    look_up: KeyLookup,
    after: Option<&str>,
) -> Request<'static> {
    let digits = match look_up {
        KeyLookup::Number => MAX_DIGITS,
        KeyLookup::Block { digits } => digits,
    };
    let told: String = number.as_str().chars().take(digits).collect();
    let (pad, told) = (pad(&told, MAX_DIGITS), escaped(&told));
    let path = match (look_up, after.map(escaped)) {
        (KeyLookup::Number, _) => format!("{KEYS_PATH}/{told}?pad={pad}"),
        (_, None) => format!("{KEYS_PATH}?prefix={told}&pad={pad}"),
        (_, Some(after)) => format!("{KEYS_PATH}?prefix={told}&after={after}&pad={pad}"),
    };
    Request::get(cps.url(&path), MAX_LIST_SIZE).header("accept", KEY_RECORD_LIST_MEDIA_TYPE)
}

/// As many records as there may be of one number in an answer, or of one block of it: of a
/// record it is not known here in which of the blocks around the number it was found.
const fn most_given(look_up: KeyLookup) -> usize {
    match look_up {
        KeyLookup::Number => MAX_RECORDS_OF_NUMBER,
        KeyLookup::Block { .. } => MAX_RECORDS_OF_BLOCK,
    }
}

/// Digits, `#`, `*` and `-` as they stand in a URL.
fn escaped(text: &str) -> String {
    text.replace('#', "%23")
}

/// Where the next page begins, if it is text that a URL of ours may hold.
pub(super) fn next_page(list: &KeyRecordList) -> Result<Option<String>, OobAuthenticationError> {
    let is_cursor = |next: &&String| {
        next.len() <= MAX_CURSOR_SIZE
            && next
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '#' | '*' | '-'))
    };
    match &list.next {
        Some(next) if !is_cursor(&next) => Err(OobAuthenticationError::KeyList(
            serde_json::Error::custom("next is no block of numbers"),
        )),
        next => Ok(next.clone()),
    }
}
