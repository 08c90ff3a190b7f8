//! What a demonstration came to, in a form for programs. How it looks on a
//! terminal is the command line's business.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use serde::Serialize;

/// One call, and what the CPS could see of it.
#[derive(Debug, Clone, Serialize)]
pub struct CallLine {
    /// When.
    pub at: UnixTime,
    /// Who called.
    pub orig: String,
    /// Who was called.
    pub dest: String,
    /// Who stored the PASSporT.
    pub stored_by: &'static str,
    /// What the called side found.
    pub verdict: &'static str,
    /// Mailboxes that got a copy: all that the CPS could see, together with the
    /// size of a copy in bytes.
    pub mailboxes: Vec<String>,
    /// Bytes of each copy.
    pub size: usize,
}

impl CallLine {
    /// True when the callee found exactly one PASSporT, and it was good.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.verdict == VALID
    }
}

pub(super) const VALID: &str = "valid";

/// What a telephone gateway answered to a switch that asked by SIP.
#[derive(Debug, Clone, Serialize)]
pub struct GatewayAnswer {
    /// What it was asked about.
    pub call: &'static str,
    /// Which gateway: `originating` or `terminating`.
    pub gateway: &'static str,
    /// Who called.
    pub orig: String,
    /// Who was called.
    pub dest: String,
    /// The status code of the answer.
    pub code: u16,
    /// The Identity header that it brings.
    pub identity: Option<String>,
    /// The P-Asserted-Identity that it brings.
    pub asserted_identity: Option<String>,
    /// The verstat in that.
    pub verstat: Option<String>,
    /// What the gateway wrote of the call: `signed`, or the verstat.
    pub result: String,
    /// Copies that it stored.
    pub copies: Option<usize>,
    /// Why it stored or found nothing.
    pub reason: Option<String>,
    /// What should come of it.
    pub expected: &'static str,
    /// Whether that is the same.
    pub ok: bool,
}

/// Something that should not be done, or should not work.
#[derive(Debug, Clone, Serialize)]
pub struct Incident {
    /// What was tried.
    pub what: &'static str,
    /// What should come of it.
    pub expected: &'static str,
    /// What came of it.
    pub observed: String,
    /// Whether that is the same.
    pub ok: bool,
}

/// The double-spend evidence, checked with nothing but the issuer's directory.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// Lines in the CPS's double-spend log.
    pub lines: usize,
    /// Those whose evidence proves a double spend.
    pub proven: usize,
    /// What was proven, or what was wrong.
    pub finding: String,
}

/// What lies at the CPS when all has ended.
#[derive(Debug, Clone, Serialize)]
pub struct CpsView {
    /// Tokens that it saw spent.
    pub spent: u64,
    /// Bytes of its files and its log.
    pub bytes: usize,
    /// What was searched for in them: OOB-ASs' codes, callers' numbers, PASSporTs.
    pub searched_for: usize,
    /// What of that was found; nothing should be.
    pub found: Vec<String>,
}

/// The whole account.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// True when everything was as it should be.
    pub ok: bool,
    /// How long it took.
    pub seconds: f64,
    /// Tokens drawn.
    pub tokens_drawn: usize,
    /// Every call.
    pub calls: Vec<CallLine>,
    /// Two calls between telephone networks.
    pub gateways: Vec<GatewayAnswer>,
    /// Everything else.
    pub incidents: Vec<Incident>,
    /// The double spend.
    pub evidence: Evidence,
    /// The CPS's files.
    pub cps_sight: CpsView,
}

impl Report {
    pub(super) fn new(
        tokens_drawn: usize,
        calls: Vec<CallLine>,
        gateways: Vec<GatewayAnswer>,
        incidents: Vec<Incident>,
        evidence: Evidence,
        cps_sight: CpsView,
        took: Duration,
    ) -> Self {
        let ok = calls.iter().all(CallLine::is_valid)
            && gateways.iter().all(|answer| answer.ok)
            && incidents.iter().all(|incident| incident.ok)
            && evidence.lines == 1
            && evidence.proven == 1
            && cps_sight.found.is_empty();
        Self {
            ok,
            seconds: took.as_secs_f64(),
            tokens_drawn,
            calls,
            gateways,
            incidents,
            evidence,
            cps_sight,
        }
    }
}
