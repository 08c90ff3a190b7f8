//! What a report rests on, so that it can be filed: when and by which program it was made,
//! which logs were followed since when, up to which checkpoint, and who cosigned that. Not
//! here: the numbers.

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_evidence::log_entry::SkippedKinds;
use pennyblack_tlog::cosignature::PolicyError;
use pennyblack_tlog::{Position, TreeHead, VerifierKey, WitnessPolicy};
use serde::Serialize;

use crate::compare::CompareError;
use crate::epochs::Epochs;
use crate::misbehaviour::AuditError;
use crate::report::{Period, Report};
use crate::state::{Finding, KeptLog, State};

/// What a report means, and what it cannot say: a sentence or two each.
pub(crate) const MEANING: [&str; 4] = [
    "A double spend is one token with two different requests, both signed with the token's own \
     key. `pennyblack audit prove` writes its log entry to a file, which anyone can verify \
     without a network.",
    "Such a proof shows that the holder of the token has broken the rule, and that the CPS has \
     neither invented that nor kept it back. Neither the CPS nor this report has to be trusted \
     for that: show the proof to the issuer, or to anybody who doubts the CPS.",
    "Nobody can be named. Tokens are signed blind: neither the issuer nor the CPS nor an auditor \
     can tell which carrier held a token, and no log holds a number or a call.",
    "The numbers of tokens issued and spent are the operators' own. The logs keep them from being \
     changed later, and show whether they fit each other.",
];

/// The numbers of a period, with what they rest on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FiledReport {
    /// When it was made, by the auditor's clock.
    pub made_at: UnixTime,
    /// The program and its version.
    pub made_by: String,
    /// The CPS's log.
    pub cps: LogReport,
    /// The logs of the issuers that are followed.
    pub issuers: Vec<LogReport>,
    /// Issuers of keys in the report whose logs are not followed: that these announced the
    /// keys is the CPS's word.
    pub issuers_not_followed: Vec<String>,
    /// What was wrong when the logs were last followed.
    pub finding: Option<Finding>,
    /// When the CPS's log was last read: of later times nothing is known.
    pub known_until: UnixTime,
    /// The numbers.
    #[serde(flatten)]
    pub report: Report,
    /// What a proof is good for, and what it does not say.
    pub meaning: [&'static str; MEANING.len()],
}

impl FiledReport {
    /// What is known of a period. `made` is when and by which program.
    ///
    /// # Errors
    /// [`CompareError::Key`], or [`AuditError::Position`].
    pub fn new(
        state: &State,
        period: Period,
        (made_at, made_by): (UnixTime, String),
    ) -> Result<Self, CompareError> {
        let known_until = state.cps.read_at;
        let report = match Known::of(period, known_until) {
            // A key that was open when the log was last read may be closed by then.
            Known::Nothing(_) => Report::new(&Epochs::default(), period),
            _ => Report::new(&state.epochs, period),
        };
        let issuers = state.issuers.iter().map(LogReport::of);
        let issuers = issuers.collect::<Result<Vec<_>, _>>()?;
        let is_followed = |issuer: &str| issuers.iter().any(|log| log.is_of_issuer(issuer));
        let others = report.epochs.iter().map(|epoch| epoch.issuer.clone());
        let mut others: Vec<_> = others.filter(|issuer| !is_followed(issuer)).collect();
        others.sort_unstable();
        others.dedup();
        Ok(Self {
            made_at,
            made_by,
            cps: LogReport::of(&state.cps)?,
            issuers,
            issuers_not_followed: others,
            finding: state.finding.clone(),
            known_until,
            report,
            meaning: MEANING,
        })
    }
}

/// How much of a period is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// All of it that has passed.
    Whole,
    /// Not all: the log was last read within it, at this time.
    Until(UnixTime),
    /// Nothing: the log was last read before it, at this time.
    Nothing(UnixTime),
}

impl Known {
    fn of(period: Period, read_at: UnixTime) -> Self {
        match (period.from, period.until) {
            (Some(from), _) if from > read_at => Self::Nothing(read_at),
            (_, Some(until)) if until > read_at => Self::Until(read_at),
            _ => Self::Whole,
        }
    }
}

impl FiledReport {
    /// How much of its period is known.
    #[must_use]
    pub fn known(&self) -> Known {
        Known::of(self.report.period, self.known_until)
    }
}

/// A log that was followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogReport {
    /// Its origin.
    pub log: String,
    /// Its verifier key.
    pub key: String,
    /// When it was first followed.
    pub followed_since: UnixTime,
    /// When the checkpoint was read.
    pub read_at: UnixTime,
    /// Entries of the tree that the checkpoint signs.
    pub size: u64,
    /// The root of that tree, base64.
    pub root: String,
    /// Entries read, and proven to be in it.
    pub entries_read: u64,
    /// Those of them whose kinds this version does not know.
    pub skipped: SkippedKinds,
    /// How many of the witnesses were demanded.
    pub witnesses_needed: usize,
    /// The witnesses that were named.
    pub witnesses: Vec<WitnessReport>,
}

/// A witness, and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WitnessReport {
    /// Its name.
    pub name: String,
    /// Its verifier key.
    pub key: String,
    /// When it cosigned the checkpoint, by its own clock.
    pub cosigned_at: Option<UnixTime>,
}

impl LogReport {
    fn of(kept: &KeptLog) -> Result<Self, CompareError> {
        let key: VerifierKey = kept.key.parse()?;
        let position = Position::parse(&kept.position, &key).map_err(|error| {
            let log = key.name().clone();
            AuditError::Position { log, error }
        })?;
        let witnesses = kept.witnesses.split_whitespace().map(str::parse);
        let witnesses = witnesses.collect::<Result<Vec<VerifierKey>, _>>()?;
        let TreeHead { size, root } = position.signed();
        let policy = |witness: &VerifierKey| WitnessPolicy::new(vec![witness.clone()], 0);
        let cosigned_at = |witness: &VerifierKey| -> Result<_, PolicyError> {
            let Some(checkpoint) = position.checkpoint() else {
                return Ok(None);
            };
            let cosigned = policy(witness)?.check(checkpoint)?;
            Ok(cosigned.first().map(|cosignature| cosignature.time))
        };
        let witnesses = witnesses.iter().map(|witness| WitnessReport {
            name: witness.name().to_string(),
            key: witness.to_string(),
            // What was demanded was there when the checkpoint was read.
            cosigned_at: cosigned_at(witness).ok().flatten(),
        });
        Ok(Self {
            log: key.name().to_string(),
            key: key.to_string(),
            followed_since: kept.since,
            read_at: kept.read_at,
            size,
            root: root.to_string(),
            entries_read: position.head().size,
            skipped: kept.skipped.clone(),
            witnesses_needed: kept.witnesses_needed,
            witnesses: witnesses.collect(),
        })
    }

    fn is_of_issuer(&self, issuer: &str) -> bool {
        self.log.strip_suffix(LOG_PATH) == Some(issuer)
    }
}
