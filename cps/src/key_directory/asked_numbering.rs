//! Who holds numbers by the answers of a numbering service: asked when a record is
//! registered, kept in a file, and never asked again for a record that is stored or looked
//! up. Not here: how it is asked (`pennyblack_numbering`), and the operator's table.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_http::{HttpError, HttpOptions, ServiceAddress};
use pennyblack_numbering::NumberingService;
use pennyblack_numbering::table_file::{self, TableFileError};
use pennyblack_protocol::key_record::{Coverage, UnverifiedKeyRecord};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::NumberRange;
use pennyblack_storage::atomic_file;
use tokio::task::spawn_blocking;

use super::KeyDirectory;
use crate::refusal::Refusal;

/// Most numbers that are asked about for one record.
const MAX_ASKED: u64 = 100;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The answers cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskedNumberingError {
    /// No client could be made.
    #[error("{0}")]
    Client(#[from] HttpError),
    /// The file of the answers.
    #[error("{0}; take the file away, and holders register again")]
    File(#[from] TableFileError),
}

/// A numbering service and what it has answered.
#[derive(Debug)]
pub struct AskedNumbering {
    service: NumberingService,
    path: PathBuf,
    answers: RwLock<NumberingTable>,
}

impl AskedNumbering {
    /// Reads the answers of before from `path`. Waits for the disk.
    ///
    /// # Errors
    /// [`AskedNumberingError`].
    pub fn open(address: ServiceAddress, path: &Path) -> Result<Self, AskedNumberingError> {
        let options = HttpOptions {
            timeout: TIMEOUT,
            connect_timeout: TIMEOUT,
            ..HttpOptions::default()
        };
        let answers = table_file::read_or_empty(path)?;
        Ok(Self {
            service: NumberingService::new(address, options.client()?),
            path: path.to_owned(),
            answers: RwLock::new(answers),
        })
    }

    /// Who holds which numbers by the latest answers.
    pub(super) fn answers(&self) -> RwLockReadGuard<'_, NumberingTable> {
        self.answers.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks about each number, and keeps the answers once all are there.
    pub(super) async fn ask(self: &Arc<Self>, range: &NumberRange) -> Result<(), Refusal> {
        let mut answers = Vec::new();
        for number in range.numbers() {
            let holder = self.service.holder_of(&number).await;
            let holder = holder.map_err(|error| Refusal::Numbering(error.to_string()))?;
            answers.push((number, holder));
        }
        let own = Arc::clone(self);
        let kept = spawn_blocking(move || {
            let mut table = own.answers.write().unwrap_or_else(PoisonError::into_inner);
            let mut next = table.clone();
            for (number, holder) in &answers {
                next.assign(number, holder.as_ref());
            }
            if next != *table {
                atomic_file::write_public(&own.path, next.to_csv().as_bytes())?;
                *table = next;
            }
            io::Result::Ok(())
        });
        let kept = kept
            .await
            .map_err(|error| Refusal::Internal(error.to_string()))?;
        kept.map_err(|error| Refusal::Numbering(format!("{}: {error}", self.path.display())))
    }
}

impl KeyDirectory {
    /// The numbers to ask about before a record is registered: its signer has an SPC, and
    /// neither its certificate nor the operator's table gives it the numbers. **All else
    /// about the record is right:** nobody without a carrier's key has the service asked.
    pub(super) fn numbers_to_ask(
        &self,
        token: &str,
        now: UnixTime,
    ) -> Result<Option<NumberRange>, Refusal> {
        let unverified = UnverifiedKeyRecord::parse(token)?;
        let range = match &unverified.record().coverage {
            Coverage::Number(number) => NumberRange::from(number.clone()),
            Coverage::Range(range) if range.count() <= MAX_ASKED => range.clone(),
            Coverage::Range(_) | Coverage::Spc(_) => return Ok(None),
        };
        let chain = self.judge(&unverified, now)?;
        let list = chain.tn_auth_list();
        let Some(spc) = list.spcs().next() else {
            return Ok(None);
        };
        let table = self.policy.table();
        let by_table = |table: &NumberingTable| list.spcs().any(|s| table.holds_range(s, &range));
        if list.covers_range(&range) || table.as_deref().is_some_and(by_table) {
            return Ok(None);
        }
        let mut as_if_held = NumberingTable::default();
        for number in range.numbers() {
            as_if_held.assign(&number, Some(spc));
        }
        unverified.verify(&chain, Some(&as_if_held), now)?;
        Ok(Some(range))
    }
}
