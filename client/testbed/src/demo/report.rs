//! What a demonstration came to, in a form for programs. How it looks on a
//! terminal is the command line's business.

use std::collections::BTreeMap;
use std::net::IpAddr;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use serde::Serialize;

use super::Way;

/// One call, and what CPSs could see of it.
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
    /// The CPS at which the called number's keys were looked up.
    pub looked_up_at: Authority,
    /// Mailboxes that got copies: all that the CPSs could see, together with the
    /// size of a copy in bytes.
    pub mailboxes: Vec<MailboxCopies>,
    /// Bytes of each copy.
    pub size: usize,
    /// What the called side found.
    pub verdict: &'static str,
    /// The CPSs that the called side could not ask: then the verdict is marked incomplete.
    pub incomplete: Vec<Authority>,
    /// The CPS that was killed, if it was away when the called side asked.
    pub away: Option<Authority>,
}

/// A mailbox, and where copies for it lie.
#[derive(Debug, Clone, Serialize)]
pub struct MailboxCopies {
    /// Its id.
    pub mailbox: String,
    /// The CPSs that have stored one.
    pub cpss: Vec<Authority>,
}

impl CallLine {
    /// True when the callee found a PASSporT in each mailbox that was good.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.verdict == VALID
    }

    /// Whether a CPS saw that the called number was called.
    #[must_use]
    pub fn was_seen_by(&self, cps: &Authority) -> bool {
        let mut mailboxes = self.mailboxes.iter();
        self.looked_up_at == *cps || mailboxes.any(|mailbox| mailbox.cpss.contains(cps))
    }

    /// Whether the CPS that was away held all copies for a mailbox: only then may the call
    /// have no verdict.
    fn is_held_by_the_one_that_is_away(&self) -> bool {
        let mut mailboxes = self.mailboxes.iter();
        mailboxes.any(|mailbox| {
            mailbox
                .cpss
                .iter()
                .all(|cps| Some(cps) == self.away.as_ref())
        })
    }

    /// Whether it has a verdict unless the CPS that was away held it, and the verdict says so
    /// if a CPS was away.
    fn is_as_it_should(&self) -> bool {
        self.is_valid() != self.is_held_by_the_one_that_is_away()
            && self.incomplete.iter().eq(&self.away)
    }
}

/// What came of the CPS that was killed.
#[derive(Debug, Clone, Serialize)]
pub struct Crash {
    /// Which.
    pub cps: Authority,
    /// Verdicts that were marked incomplete, since it could not be asked.
    pub incomplete: usize,
    /// Of these, calls without a verdict: it alone held a copy for a mailbox.
    pub lost: usize,
    /// Requests that it left unanswered, and that were sent again when it was back.
    pub resent: usize,
}

impl Crash {
    pub(super) fn of(cps: Authority, resent: usize, calls: &[CallLine]) -> Self {
        let count = |is: fn(&&CallLine) -> bool| calls.iter().filter(is).count();
        Self {
            cps,
            incomplete: count(|call| !call.incomplete.is_empty()),
            lost: count(|call| !call.is_valid()),
            resent,
        }
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
    #[must_use]
    pub const fn is_for_a_call(self) -> bool {
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

/// What one CPS stored and saw.
#[derive(Debug, Clone, Serialize)]
pub struct CpsView {
    /// Its authority.
    pub cps: Authority,
    /// Who runs it.
    pub operator: &'static str,
    /// Copies of ordinary calls that it stored.
    pub copies: usize,
    /// Ordinary calls of which it saw the called number: it was asked for the keys, or stored
    /// a copy.
    pub calls_seen: usize,
    /// Tokens that it saw spent since it was last started.
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

/// The roster that relays and CPSs were checked by.
#[derive(Debug, Clone, Serialize)]
pub struct RosterView {
    /// Whose it is.
    pub federation: Authority,
    /// Which of its rosters.
    pub sequence: u64,
    /// What names it.
    pub pin: String,
    /// When it ends.
    pub valid_until: UnixTime,
    /// How many governors must sign.
    pub threshold: usize,
    /// All governors.
    pub governors: Vec<String>,
    /// Those who have signed.
    pub signed_by: Vec<String>,
    /// Who belongs to the federation.
    pub members: Vec<MemberView>,
}

/// A member of the federation.
#[derive(Debug, Clone, Serialize)]
pub struct MemberView {
    /// `cps`, `issuer` or `relay`.
    pub role: &'static str,
    /// Its authority.
    pub service: Authority,
    /// Who runs it.
    pub operator: String,
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
    /// Copies of a PASSporT that each key record asked for.
    pub copies: u64,
    /// What relays and CPSs were checked by.
    pub roster: RosterView,
    /// Tokens drawn.
    pub tokens_drawn: usize,
    /// Every call.
    pub calls: Vec<CallLine>,
    /// What came of the CPS that was killed.
    pub crash: Crash,
    /// Two calls between telephone networks.
    pub gateways: Vec<GatewayAnswer>,
    /// Everything else.
    pub incidents: Vec<Incident>,
    /// The double spend.
    pub evidence: Evidence,
    /// What each CPS stored and saw.
    pub cpss: Vec<CpsView>,
    /// What the relay saw.
    pub relay_sight: RelayView,
}

impl Report {
    /// With the finding whether everything was as it should be.
    pub(super) fn concluded(self) -> Self {
        let ok = self.calls.iter().all(CallLine::is_as_it_should)
            && self.the_crash_shows_something()
            && self.gateways.iter().all(|answer| answer.ok)
            && self.incidents.iter().all(|incident| incident.ok)
            && self.evidence.lines == 1
            && self.evidence.proven == 1
            && self.cpss.iter().all(CpsView::is_as_it_should)
            && self.relay_sight.found.is_empty()
            && self.addresses_are_seen_as_they_should();
        Self { ok, ..self }
    }

    /// With two copies no verdict is lost. With one some are, or nothing was shown.
    fn the_crash_shows_something(&self) -> bool {
        self.crash.incomplete > 0 && (self.crash.lost > 0) == (self.copies < 2)
    }

    /// Through the relay no CPS sees a storer, and directly they see all: a search that finds
    /// nothing must be one that can find something.
    fn addresses_are_seen_as_they_should(&self) -> bool {
        let seen = self.cpss.iter().any(|cps| !cps.carriers_seen.is_empty());
        let is_apart = self.cpss.iter().all(|cps| cps.addresses_differ);
        match self.way {
            Way::Relay => !seen && !self.relay_sight.visitors.is_empty(),
            Way::Direct => seen || !is_apart,
        }
    }
}

impl CpsView {
    /// It has stored something, and nothing was found that it must not have.
    fn is_as_it_should(&self) -> bool {
        self.copies > 0 && self.found.is_empty()
    }
}
