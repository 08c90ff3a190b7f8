//! The gateway's metrics. **Every series is there from the start**, at 0: a rate needs a
//! first value. Not here: what the engine counts by itself; its counts are copied here each
//! second.

use std::time::Instant;

use pennyblack_base::time::UnixTime;
use pennyblack_engine::{Counts, EngineStatus, Reason};

use crate::stir_rest::Refusal;

/// Where a switch asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Endpoint {
    /// `signing`.
    Signing,
    /// `verification`.
    Verification,
}

impl Endpoint {
    const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Verification => "verification",
        }
    }

    /// Counts an answer, and how long it took.
    pub(crate) fn answered(self, began: Instant) {
        let took = began.elapsed().as_secs_f64();
        metrics::histogram!("pennyblack_gateway_answer_seconds", "endpoint" => self.name())
            .record(took);
    }
}

/// Counts a refusal.
pub(crate) fn refused(refusal: &Refusal) {
    refusals(refusal.id()).increment(1);
}

fn refusals(id: &'static str) -> metrics::Counter {
    metrics::counter!("pennyblack_gateway_refusals_total", "error" => id)
}

fn calls(side: &'static str, result: &'static str, count: u64) {
    metrics::counter!("pennyblack_gateway_calls_total", "side" => side, "result" => result)
        .absolute(count);
}

fn copies(result: &'static str, count: u64) {
    metrics::counter!("pennyblack_gateway_copies_total", "result" => result).absolute(count);
}

fn reasons(reason: Reason, count: u64) {
    metrics::counter!("pennyblack_gateway_reasons_total", "reason" => reason.name())
        .absolute(count);
}

fn tokens(state: &'static str, count: u64) {
    metrics::gauge!("pennyblack_gateway_tokens", "state" => state).set(as_f64(count));
}

fn as_f64(count: u64) -> f64 {
    // What a gauge shows is exact up to 2^53.
    count as f64
}

/// Puts every series there.
pub(crate) fn begin() {
    for id in Refusal::IDS {
        refusals(id).absolute(0);
    }
    copy(&Counts::default());
    for reason in Reason::ALL {
        reasons(*reason, 0);
    }
    show(&EngineStatus::default(), UnixTime(0));
}

/// Copies what the engine has counted.
pub(crate) fn copy(counts: &Counts) {
    calls("signing", "signed", counts.signed);
    calls("signing", "came-with-identity", counts.came_with_identity);
    calls("verification", "passed-in-band", counts.passed_in_band);
    calls(
        "verification",
        "passed-out-of-band",
        counts.passed_out_of_band,
    );
    calls("verification", "failed", counts.failed);
    calls("verification", "no-validation", counts.no_validation);
    copies("in-time", counts.stored_in_time);
    copies("late", counts.stored_late);
    copies("not-stored", counts.not_stored);
    metrics::counter!("pennyblack_gateway_tokens_spent_total").absolute(counts.tokens_spent);
    for (reason, count) in &counts.reasons {
        reasons(*reason, *count);
    }
}

/// Shows how the engine is doing.
pub(crate) fn show(status: &EngineStatus, now: UnixTime) {
    let stock = status.tokens.unwrap_or_default();
    tokens("all", stock.tokens);
    tokens("ready", stock.ready);
    tokens("needed", stock.needed);
    let records = status.key_records.unwrap_or_default();
    let count = |count: usize| as_f64(count as u64);
    metrics::gauge!("pennyblack_gateway_key_records").set(count(records.records));
    if let Some(as_of) = records.as_of {
        let age = as_f64(now.since(as_of).as_secs());
        metrics::gauge!("pennyblack_gateway_directory_age_seconds").set(age);
    }
    metrics::gauge!("pennyblack_gateway_stores_under_way").set(count(status.under_way));
    metrics::gauge!("pennyblack_gateway_mailboxes").set(count(status.mailboxes.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_every_error_is_explained() {
        let page = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/gateway.md"
        ));
        for reason in Reason::ALL {
            assert!(page.contains(&format!("`{reason}`")), "{reason}");
        }
        for id in Refusal::IDS {
            assert!(page.contains(&format!("| {id} |")), "{id}");
        }
    }
}
