//! The metrics of the SIP front end. **Every series is there from the start**, at 0.

use std::time::Instant;

use pennyblack_sip::server::Counts;

use super::Side;

/// What a decision came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// A redirect that adds something.
    Redirect,
    /// Nothing is added: the call goes on.
    Nothing,
    /// Nothing is added, for want of time: the call goes on.
    Busy,
    /// 603.
    Blocked,
    /// 403: of no trunk.
    Forbidden,
}

impl Given {
    const ALL: [Self; 5] = [
        Self::Redirect,
        Self::Nothing,
        Self::Busy,
        Self::Blocked,
        Self::Forbidden,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Nothing => "nothing",
            Self::Busy => "busy",
            Self::Blocked => "blocked",
            Self::Forbidden => "forbidden",
        }
    }
}

const SIDES: [Side; 2] = [Side::Signing, Side::Verification];

/// Puts every series there.
pub(crate) fn begin() {
    for side in SIDES {
        for given in Given::ALL {
            answers(side, given).absolute(0);
        }
        strangers(side).absolute(0);
        turned_away(side).absolute(0);
        show(side, &Counts::default(), 0, 0);
    }
}

/// Counts an answer, and how long it took.
pub(super) fn answered(side: Side, given: Given, arrived: Instant) {
    answers(side, given).increment(1);
    let endpoint = match side {
        Side::Signing => "sip-signing",
        Side::Verification => "sip-verification",
    };
    metrics::histogram!("pennyblack_gateway_answer_seconds", "endpoint" => endpoint)
        .record(arrived.elapsed().as_secs_f64());
}

fn answers(side: Side, given: Given) -> metrics::Counter {
    let (side, answer) = (side.name(), given.name());
    metrics::counter!("pennyblack_gateway_sip_answers_total", "side" => side, "answer" => answer)
}

/// Messages from addresses that may not ask.
pub(super) fn strangers(side: Side) -> metrics::Counter {
    metrics::counter!("pennyblack_gateway_sip_strangers_total", "side" => side.name())
}

/// Connections that found no room.
pub(super) fn turned_away(side: Side) -> metrics::Counter {
    metrics::counter!("pennyblack_gateway_sip_turned_away_total", "side" => side.name())
}

/// Shows what happened so far, and what is open now.
pub(super) fn show(side: Side, counts: &Counts, transactions: usize, connections: usize) {
    for (event, count) in [
        ("invite", counts.invites),
        ("retransmission", counts.retransmissions),
        ("answer-again", counts.retransmitted_answers),
        ("unacknowledged", counts.unacknowledged),
        ("cancelled", counts.cancelled),
        ("undecided", counts.undecided),
        ("full", counts.full),
        ("forgotten", counts.forgotten),
        ("malformed", counts.malformed),
    ] {
        metrics::counter!("pennyblack_gateway_sip_events_total", "side" => side.name(), "event" => event)
            .absolute(count);
    }
    for (what, count) in [("transactions", transactions), ("connections", connections)] {
        metrics::gauge!("pennyblack_gateway_sip_open", "side" => side.name(), "what" => what)
            .set(count as f64);
    }
}
