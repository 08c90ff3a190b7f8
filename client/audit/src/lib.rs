//! The auditor: follows the logs of a CPS and of its issuers (docs/protocol.md
//! section 7), checks everything in them that can be checked, and names what an
//! operator did wrong. Not here: reading and proving the logs themselves, which
//! `pennyblack_tlog::reader` does, and how it is told on a terminal.

mod accusation;
mod announced;
mod beginnings;
mod book;
mod compare;
mod epochs;
mod federation;
mod filed;
mod follow;
mod misbehaviour;
mod one_log;
mod place;
mod proof_file;
mod record_counts;
mod report;
mod state;
mod together;

pub use compare::{Agreement, CompareError, Seen, SeenLog};
pub use epochs::{Closed, DayOfSpends, Epoch, Epochs, Issued};
pub use federation::{CpsFollowed, FederationAuditor, FollowedFederation, IssuerFollowed};
pub use filed::{FiledReport, Known, LogReport, WitnessReport};
pub use follow::{Auditor, Followed, Log};
pub use misbehaviour::{AuditError, Misbehaviour};
pub use one_log::FollowedLog;
pub use place::{LogPlace, LogPlaceError};
pub use proof_file::{ProofFileError, ProvenEntry, verify_proof};
pub use record_counts::RecordCounts;
pub use report::{DayReport, EpochReport, Period, Report};
pub use state::{Finding, KeptLog, Positions, State, StateDirectory, StateError, StateLock};
pub use together::SpentTogether;
