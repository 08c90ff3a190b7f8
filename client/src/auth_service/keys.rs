//! A called number's keys: looking them up, and believing only those whose
//! signer had the right to make them.

use std::collections::HashSet;

use pennyblack_base::time::UnixTime;
use pennyblack_passport::CertificateSource as _;
use pennyblack_protocol::key_record::{
    KEY_RECORD_LIST_MEDIA_TYPE, KEYS_PATH, KeyRecordError, KeyRecordList, MAX_LIST_SIZE,
    UnverifiedKeyRecord, VerifiedKeyRecord,
};
use pennyblack_stir::jws::{CertificateReference, X5c};
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_stir::{ChainError, verify_chain};

use super::{OobAuthenticationError, OobAuthenticationService};
use crate::certificates::Certificates;
use pennyblack_http::{ClockGap, HttpClient, Request};

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

/// A record that is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedRecord {
    /// The record itself.
    #[error("{0}")]
    Record(#[from] KeyRecordError),
    /// Its certificate.
    #[error("{0}")]
    Certificate(#[from] ChainError),
    /// Its certificate could not be had.
    #[error("its certificate at {0} is not available")]
    NoCertificate(String),
    /// It answers for other numbers.
    #[error("it does not answer for {0}")]
    OtherNumber(TelephoneNumber),
}

/// What a look-up found.
#[derive(Debug, Default)]
pub struct FoundKeys {
    /// Keys of the number, one for each mailbox; each gets a copy.
    pub keys: Vec<VerifiedKeyRecord>,
    /// Records that the CPS had and that are not trusted.
    pub refused: Vec<RefusedRecord>,
    /// How far this machine's clock is from the CPS's, if that is far: then records
    /// may be refused for that alone.
    pub clock_gap: Option<ClockGap>,
}

impl OobAuthenticationService {
    /// Looks up who answers for `number`, and verifies each record: the CPS is
    /// not trusted with that.
    ///
    /// # Errors
    /// [`OobAuthenticationError::KeyLookup`] or [`OobAuthenticationError::KeyList`].
    pub async fn keys_of(
        &self,
        number: &TelephoneNumber,
        look_up: KeyLookup,
        now: UnixTime,
    ) -> Result<FoundKeys, OobAuthenticationError> {
        let client = self
            .http
            .client()
            .map_err(OobAuthenticationError::KeyLookup)?;
        let list = self.fetch_list(&client, number, look_up).await?;
        let mut found = FoundKeys {
            clock_gap: client.clock_gap(),
            ..FoundKeys::default()
        };
        let mut parsed = Vec::new();
        for text in &list.records {
            match UnverifiedKeyRecord::parse(text) {
                Ok(record) => parsed.push(record),
                Err(error) => found.refused.push(error.into()),
            }
        }
        let urls = parsed
            .iter()
            .filter_map(|record| match record.certificate() {
                CertificateReference::X5u(url) => Some(url),
                CertificateReference::X5c(_) => None,
            });
        let certificates = self.certificates.gather(urls, now).await;
        let certificates = certificates.map_err(OobAuthenticationError::KeyLookup)?;
        let mut mailboxes = HashSet::new();
        for record in parsed {
            match self.accept(record, &certificates, number, now) {
                Ok(key) if mailboxes.insert(key.mailbox()) => found.keys.push(key),
                Ok(_) => {}
                // Others of the block are not of interest.
                Err(RefusedRecord::OtherNumber(_)) if look_up != KeyLookup::Number => {}
                Err(refused) => found.refused.push(refused),
            }
        }
        Ok(found)
    }

    async fn fetch_list(
        &self,
        client: &HttpClient,
        number: &TelephoneNumber,
        look_up: KeyLookup,
    ) -> Result<KeyRecordList, OobAuthenticationError> {
        let path = match look_up {
            KeyLookup::Number => format!("{KEYS_PATH}/{}", path_segment(number)),
            KeyLookup::Block { digits } => {
                let prefix: String = number.as_str().chars().take(digits).collect();
                format!("{KEYS_PATH}?prefix={prefix}")
            }
        };
        let request = Request::get(self.cps.url(&path), MAX_LIST_SIZE)
            .header("accept", KEY_RECORD_LIST_MEDIA_TYPE);
        let answer = client.send(&request, self.retry).await;
        let answer = answer.map_err(OobAuthenticationError::KeyLookup)?;
        let content = answer
            .content(KEY_RECORD_LIST_MEDIA_TYPE)
            .map_err(OobAuthenticationError::KeyLookup)?;
        serde_json::from_slice(content).map_err(OobAuthenticationError::KeyList)
    }

    fn accept(
        &self,
        record: UnverifiedKeyRecord,
        certificates: &Certificates,
        number: &TelephoneNumber,
        now: UnixTime,
    ) -> Result<VerifiedKeyRecord, RefusedRecord> {
        let x5c: X5c = match record.certificate() {
            CertificateReference::X5c(x5c) => x5c.clone(),
            CertificateReference::X5u(url) => certificates
                .certificates(url)
                .ok_or_else(|| RefusedRecord::NoCertificate(url.to_string()))?,
        };
        let chain = verify_chain(x5c.certificates(), &self.trust, now)?;
        let verified = record.verify(&chain, self.numbering.as_ref(), now)?;
        if verified.answers_for(number) {
            Ok(verified)
        } else {
            Err(RefusedRecord::OtherNumber(number.clone()))
        }
    }
}

/// `#` would begin a fragment; digits and `*` stand for themselves.
fn path_segment(number: &TelephoneNumber) -> String {
    number.as_str().replace('#', "%23")
}
