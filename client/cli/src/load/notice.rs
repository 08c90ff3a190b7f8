//! What a run will cost, and when its requests will be used up: said before it
//! starts, since it cannot be taken back. Not here: what it cost.

use indicatif::HumanCount;
use pennyblack_testbed::load::{Load, Operation, Pace};

use super::super::wording::plural;

/// What an issuer gives a subject in each key epoch unless its `[quota]` says
/// otherwise.
const DEFAULT_QUOTA: u64 = 8_192;

/// What to know before the run; nothing if there is nothing.
pub(super) fn notice(load: &Load) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(quota(load));
    lines.extend(used_up(load));
    lines
}

fn quota(load: &Load) -> Option<String> {
    let carrier = load.carrier.as_ref().filter(|_| load.tokens() > 0)?;
    let mut text = format!(
        "this run takes {} of the quota of {} at {}; those that it does not use are lost.\n  \
         The wallet is not touched.",
        plural(load.tokens(), "token"),
        carrier.identity.iss(),
        carrier.issuer.authority(),
    );
    if load.tokens() > DEFAULT_QUOTA / 2 {
        text.push_str(&format!(
            " An issuer gives {} in a key epoch (a day) unless its\n  \
             [quota] says otherwise: lower --requests or --rate, or raise the quota.",
            plural(DEFAULT_QUOTA, "token")
        ));
    }
    Some(text)
}

/// In a closed loop the services decide how fast the requests are used up.
fn used_up(load: &Load) -> Option<String> {
    let (warm_up, end) = (load.window.warm_up, load.window.end());
    let limited = load.pace == Pace::Closed
        && load.requests < u64::MAX
        && (load.mix.has(Operation::Draw) || load.mix.has(Operation::Store));
    if !limited || end.is_zero() {
        return None;
    }
    let per_second = |seconds: u64| HumanCount(load.requests / seconds.max(1));
    let mut text = format!(
        "{} are prepared: at more than {}/s they are used up before the end",
        plural(load.requests, "request"),
        per_second(end.as_secs())
    );
    if !warm_up.is_zero() {
        text.push_str(&format!(
            ",\n  at more than {}/s within the warm-up: then nothing is measured. \
             Raise --requests or\n  lower --warm-up",
            per_second(warm_up.as_secs())
        ));
    }
    text.push('.');
    Some(text)
}
