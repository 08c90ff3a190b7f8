//! Judging records when they are taken up: each is verified as a call verifies it, by the same
//! rules. Who holds a number is asked here, if a numbering service is, **and never at a
//! call**. Not here: what becomes of them in the file (`import`).

use std::num::NonZeroUsize;
use std::thread;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::KeyRecordHash;
use pennyblack_http::Deadline;
use pennyblack_numbering::NumberingService;
use pennyblack_passport::CertificateSource as _;
use pennyblack_protocol::key_record::{
    Coverage, KeyRecordError, UnverifiedKeyRecord, VerifiedKeyRecord,
};
use pennyblack_stir::jws::X5c;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use pennyblack_stir::{ChainError, Spc, TrustPolicy};

use crate::auth_service::{RefusedRecord, chain_of};
use crate::certificates::{CertificateStores, Certificates};

/// Most numbers that are asked about for one record.
pub(super) const MAX_ASKED: u64 = 100;

/// Most threads that verify.
const MAX_THREADS: usize = 8;

/// What records are verified by when they are taken up.
#[derive(Clone)]
pub struct Judge {
    /// Roots and revocation lists.
    pub trust: TrustPolicy,
    /// Which numbers an SPC holds.
    pub numbering: Option<NumberingTable>,
    /// Who is asked about numbers of which that table says nothing.
    pub service: Option<NumberingService>,
    /// The certificates of records that have `x5u`.
    pub certificates: CertificateStores,
}

/// What came of a record.
#[derive(Debug)]
pub enum Verdict {
    /// Its signer had the right to make it.
    Good(Box<VerifiedKeyRecord>),
    /// It cannot be verified, for a reason that may pass: it is judged again.
    Waiting(RefusedRecord),
    /// It is not trusted.
    Refused(RefusedRecord),
    /// It was taken up before, from the feed of another CPS.
    Known,
}

/// A record that was seen, and what came of it.
#[derive(Debug)]
pub struct SeenRecord {
    /// At which CPS.
    pub cps: Authority,
    /// The index of its entry in the CPS's log.
    pub index: u64,
    /// Its hash.
    pub hash: KeyRecordHash,
    /// What it says; nothing if it cannot be read.
    pub record: Option<UnverifiedKeyRecord>,
    /// What came of it.
    pub verdict: Verdict,
}

/// What is known of records beside themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    pub(super) certificates: Certificates,
    /// Answers of the numbering service.
    pub(super) holders: Vec<(TelephoneNumber, Option<Spc>)>,
}

impl Beside {
    /// The certificates behind a record's URL, if it has one and they came.
    pub(super) fn chain_behind(&self, record: &UnverifiedKeyRecord) -> Option<X5c> {
        self.certificates.certificates(record.certificate().url()?)
    }
}

impl Judge {
    /// Gets the certificates of records that name a URL.
    pub(super) async fn gather(
        &self,
        records: &[UnverifiedKeyRecord],
        deadline: Option<Deadline>,
        now: UnixTime,
    ) -> Certificates {
        let urls = records
            .iter()
            .filter_map(|record| record.certificate().url());
        self.certificates.gather(urls, deadline, now).await
    }

    /// Judges records on several threads, in their order. Waits for processors.
    pub(super) fn judge_all(
        &self,
        records: Vec<UnverifiedKeyRecord>,
        certificates: &Certificates,
        now: UnixTime,
    ) -> Vec<(UnverifiedKeyRecord, Verdict)> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let share = records.len().div_ceil(threads.min(MAX_THREADS)).max(1);
        let one = |record: UnverifiedKeyRecord| {
            let verdict = self.judge(&record, certificates, self.numbering.as_ref(), now);
            (record, verdict)
        };
        let mut records = records.into_iter();
        thread::scope(|scope| {
            let mut shares = Vec::new();
            loop {
                let share: Vec<_> = records.by_ref().take(share).collect();
                if share.is_empty() {
                    break;
                }
                let work = || share.into_iter().map(one).collect::<Vec<_>>();
                shares.push(scope.spawn(work));
            }
            // A thread that panicked has judged nothing; the page is then not taken up.
            let judged = shares.into_iter().map(|share| share.join());
            judged.filter_map(Result::ok).flatten().collect()
        })
    }

    fn judge(
        &self,
        record: &UnverifiedKeyRecord,
        certificates: &Certificates,
        numbering: Option<&NumberingTable>,
        now: UnixTime,
    ) -> Verdict {
        match self.verify(record, certificates, numbering, now) {
            Ok(verified) => Verdict::Good(Box::new(verified)),
            Err(refused) if may_pass(&refused) => Verdict::Waiting(refused),
            Err(refused) => Verdict::Refused(refused),
        }
    }

    fn verify(
        &self,
        record: &UnverifiedKeyRecord,
        certificates: &Certificates,
        numbering: Option<&NumberingTable>,
        now: UnixTime,
    ) -> Result<VerifiedKeyRecord, RefusedRecord> {
        record.check_time(now)?;
        let chain = chain_of(record, certificates, &self.trust, now)?;
        Ok(record.clone().verify(&chain, numbering, now)?)
    }

    /// Asks the numbering service about the numbers of those records that only lack that,
    /// and judges them again; the answers are to be kept. While it is away they wait.
    pub(super) async fn ask(
        &self,
        judged: &mut [(UnverifiedKeyRecord, Verdict)],
        beside: &mut Beside,
        now: UnixTime,
    ) {
        let Some(service) = &self.service else {
            return;
        };
        for (record, verdict) in judged {
            let Some(range) = numbers_to_ask(record, verdict) else {
                continue;
            };
            let (mut answers, mut holders) = (NumberingTable::default(), Vec::new());
            for number in range.numbers() {
                let holder = match service.holder_of(&number).await {
                    Ok(holder) => holder,
                    Err(error) => {
                        tracing::warn!(%error, "key records wait until it says who holds numbers");
                        return;
                    }
                };
                answers.assign(&number, holder.as_ref());
                holders.push((number, holder));
            }
            *verdict = self.judge(record, &beside.certificates, Some(&answers), now);
            // Whose numbers these are not must not fill the file with answers.
            if matches!(verdict, Verdict::Good(_)) {
                beside.holders.extend(holders);
            }
        }
    }
}

/// The numbers to ask about: nothing here says who holds them, and they are few.
fn numbers_to_ask(record: &UnverifiedKeyRecord, verdict: &Verdict) -> Option<NumberRange> {
    let Verdict::Waiting(RefusedRecord::Record(KeyRecordError::UnknownHolder { .. })) = verdict
    else {
        return None;
    };
    match &record.record().coverage {
        Coverage::Number(number) => Some(number.clone().into()),
        Coverage::Range(range) if range.count() <= MAX_ASKED => Some(range.clone()),
        Coverage::Range(_) | Coverage::Spc(_) => None,
    }
}

/// Whether a record may be good later, as it is: files here are missing or old, or clocks
/// differ.
const fn may_pass(refused: &RefusedRecord) -> bool {
    match refused {
        RefusedRecord::NoCertificate(_) => true,
        RefusedRecord::Record(error) => matches!(
            error,
            KeyRecordError::UnknownHolder { .. }
                | KeyRecordError::NotHeld { .. }
                | KeyRecordError::NotYetValid { .. }
        ),
        RefusedRecord::Certificate(error) => matches!(
            error,
            ChainError::NoRevocationList { .. }
                | ChainError::StaleRevocation { .. }
                | ChainError::NotYetValid { .. }
        ),
        RefusedRecord::OtherNumber(_) => false,
    }
}
