//! Journey of a look-up by prefix: a page of records, found and written on the threads for
//! large answers. It takes a look at each record of many numbers, and a kilobyte asks for
//! dozens of such pages.

use std::sync::Arc;

use pennyblack_base::encoding::{base64url, sha256};
use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{KeyRecordList, MAX_LIST_SIZE, padded_page_size};
use pennyblack_service::answer_room::AnswerRoom;
use pennyblack_stir::telephone_number::TelephoneNumber;

use crate::key_directory::{KeyDirectory, RecordPage};
use crate::large_answers::LargeAnswers;
use crate::refusal::Refusal;

/// Makes the pages.
#[derive(Debug)]
pub(crate) struct PrefixPages {
    pub(crate) keys: Arc<KeyDirectory>,
    pub(crate) large: Arc<LargeAnswers>,
}

impl PrefixPages {
    /// The records of a prefix after the block `after`, as JSON with its padding.
    pub(crate) async fn page(
        &self,
        prefix: TelephoneNumber,
        after: Option<String>,
        now: UnixTime,
        room: &AnswerRoom,
    ) -> Result<PrefixPage, Refusal> {
        // The answer, and the copies that it is made of: as much as a page may have,
        // for what it has is not known before the work is done.
        room.reserve(MAX_LIST_SIZE, MAX_LIST_SIZE).await?;
        let keys = Arc::clone(&self.keys);
        let page = move || PrefixPage::of(keys.of_prefix(&prefix, after.as_deref(), now)?);
        self.large.make(room, page).await?
    }
}

/// A page as it leaves.
#[derive(Debug)]
pub(crate) struct PrefixPage {
    /// One of the lengths of pages.
    pub(crate) body: Vec<u8>,
    /// What its content is known by.
    pub(crate) etag: String,
}

impl PrefixPage {
    fn of(page: RecordPage) -> Result<Self, Refusal> {
        let mut body = encode(page)?;
        let etag = format!("\"{}\"", base64url(&sha256(&body)));
        let size = body.len();
        let too_long = || Refusal::Internal(format!("a page of {size} bytes"));
        body.resize(padded_page_size(size).ok_or_else(too_long)?, b' ');
        Ok(Self { body, etag })
    }
}

/// The records as JSON.
pub(crate) fn encode(page: RecordPage) -> Result<Vec<u8>, Refusal> {
    let records = page.records.iter().map(|record| record.as_str().to_owned());
    let list = KeyRecordList {
        records: records.collect(),
        next: page.next,
    };
    serde_json::to_vec(&list).map_err(|error| Refusal::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use pennyblack_protocol::key_record::PAGE_SIZES;
    use pennyblack_service::worker_pool::PoolError;
    use pennyblack_trust::{Trust, TrustConfig};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;
    use crate::key_directory::RecordPolicy;
    use crate::large_answers::testing::while_full;

    /// 2026-09-21.
    const NOW: UnixTime = UnixTime(1_790_000_000);

    fn empty_directory(home: &std::path::Path) -> KeyDirectory {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = root.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let roots = home.join("roots");
        std::fs::create_dir_all(&roots).unwrap();
        std::fs::write(roots.join("root.pem"), root.pem()).unwrap();
        let config = TrustConfig::new(roots);
        KeyDirectory::unread(RecordPolicy {
            authority: "cps.example".parse().unwrap(),
            trust: Arc::new(Trust::open(&config, &home.join("trust"), NOW).unwrap()),
            numbering: None,
            asked: None,
            capacity: 10,
        })
    }

    #[tokio::test]
    async fn pages_wait_for_the_threads_of_large_answers() {
        let home = tempfile::tempdir().unwrap();
        let pages = PrefixPages {
            keys: Arc::new(empty_directory(home.path())),
            large: Arc::new(LargeAnswers::start().unwrap()),
        };
        let room = AnswerRoom::uncounted();
        let page = async || {
            let prefix = "1212555".parse().unwrap();
            pages.page(prefix, None, NOW, &room).await
        };
        let made = page().await.unwrap();
        assert!(made.body.starts_with(br#"{"records":[]}"#));
        assert_eq!(made.body.len(), PAGE_SIZES[0]);
        let refused = while_full(&pages.large, &room, &page).await;
        assert!(
            matches!(refused, Err(Refusal::Pool(PoolError::Busy { .. }))),
            "it was made without waiting for its turn"
        );
        assert!(page().await.is_ok());
    }
}
