//! What a demonstration came to, in a form for programs. How it looks on a
//! terminal is the command line's business.

use std::collections::BTreeMap;
use std::net::IpAddr;

use pennyblack_base::time::UnixTime;
use serde::Serialize;

use super::Way;

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

/// What a CPS was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// A request of Oblivious HTTP, which only the CPS opens.
    SealedRequest,
    /// A PASSporT to be stored.
    Store,
    /// The key records of a number, or of a block.
    LookUp,
    /// The keys that requests through relays are sealed to.
    KeyFetch,
    /// A part of the log.
    LogReading,
    /// A key record to be published.
    KeyRecord,
    /// A page of a mailbox.
    Poll,
    /// The log of double spends.
    DoubleSpends,
    /// Anything else.
    Other,
}

impl Asked {
    /// Whether it is asked for a call that begins: its sender is who calls.
    pub(super) const fn is_for_a_call(self) -> bool {
        matches!(self, Self::SealedRequest | Self::Store | Self::LookUp)
    }
}

/// Somebody who asked the CPS, told by the address from which connections came.
#[derive(Debug, Clone, Serialize)]
pub struct CpsVisitor {
    /// The address that the CPS saw.
    pub address: IpAddr,
    /// Whose it is, which the CPS does not know.
    pub whose: Option<&'static str>,
    /// Whether they store PASSporTs.
    pub stores: bool,
    /// What was asked, and how often.
    pub asked: BTreeMap<Asked, u64>,
}

/// What the CPS saw.
#[derive(Debug, Clone, Serialize)]
pub struct CpsView {
    /// Tokens that it saw spent.
    pub spent: u64,
    /// Whether each participant has an address of its own; else all came from one.
    pub addresses_differ: bool,
    /// Who asked it.
    pub visitors: Vec<CpsVisitor>,
    /// The addresses of those who store from which a store or a look-up came.
    pub carriers_seen: Vec<IpAddr>,
    /// Bytes of what it received, of its files and its log, and of what it shows.
    pub bytes: usize,
    /// What was searched for in them: OOB-ASs' codes and addresses, callers' numbers,
    /// PASSporTs.
    pub searched_for: usize,
    /// What of that was found; nothing should be.
    pub found: Vec<String>,
}

/// Somebody who asked the relay, told by the address from which connections came.
#[derive(Debug, Clone, Serialize)]
pub struct RelayVisitor {
    /// The address that the relay saw.
    pub address: IpAddr,
    /// Whose it is.
    pub whose: Option<&'static str>,
    /// When the first connection came.
    pub first: UnixTime,
    /// When the last byte passed.
    pub last: UnixTime,
    /// How many requests came for each gateway, by the relay's name for it.
    pub requests: BTreeMap<String, u64>,
    /// How many of these were so many bytes long.
    pub request_bytes: BTreeMap<usize, u64>,
    /// The same of their answers.
    pub answer_bytes: BTreeMap<usize, u64>,
}

/// What the relay saw.
#[derive(Debug, Clone, Serialize)]
pub struct RelayView {
    /// Who asked it.
    pub visitors: Vec<RelayVisitor>,
    /// Bytes of what it received and answered, of its log, and of what it shows.
    pub bytes: usize,
    /// What was searched for in them: mailboxes, tokens, numbers, PASSporTs.
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
    /// By which way carriers stored and looked up.
    pub way: Way,
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
    /// What the CPS saw.
    pub cps_sight: CpsView,
    /// What the relay saw.
    pub relay_sight: RelayView,
}

impl Report {
    /// With the finding whether everything was as it should be.
    pub(super) fn concluded(self) -> Self {
        let ok = self.calls.iter().all(CallLine::is_valid)
            && self.gateways.iter().all(|answer| answer.ok)
            && self.incidents.iter().all(|incident| incident.ok)
            && self.evidence.lines == 1
            && self.evidence.proven == 1
            && self.cps_sight.found.is_empty()
            && self.relay_sight.found.is_empty()
            && self.addresses_are_seen_as_they_should();
        Self { ok, ..self }
    }

    /// Through the relay the CPS sees no storer, and directly all: a search that finds
    /// nothing must be one that can find something.
    fn addresses_are_seen_as_they_should(&self) -> bool {
        let seen = self.cps_sight.carriers_seen.len();
        match self.way {
            Way::Relay => seen == 0 && !self.relay_sight.visitors.is_empty(),
            Way::Direct => seen > 0 || !self.cps_sight.addresses_differ,
        }
    }
}
