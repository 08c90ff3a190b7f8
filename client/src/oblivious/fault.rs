//! What is said of a request that did not come through, and what became of it.

use std::fmt::Display;
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use pennyblack_base::authority::Authority;
use pennyblack_base::foreign_text;
use pennyblack_base::problem::Problem;
use pennyblack_base::service_paths::OHTTP_KEY_PROBLEM;
use pennyblack_base::time::UnixTime;
use pennyblack_http::{Answer, HttpError, RouteError, RouteFault};

use super::{CpsKeys, Fallback, MAX_READING_AGE};

/// Most characters of a stranger's sentence that are shown.
const MAX_SHOWN: usize = 300;

/// How a key configuration comes.
const FETCH: &str = "`pennyblack oblivious keys` fetches it, and so do `pennyblack carrier run` and the gateway \
     with [oblivious]";

fn failed(url: &str, fault: RouteFault, sentence: String) -> RouteError {
    RouteError {
        url: url.to_owned(),
        sentence,
        fault,
    }
}

fn no_way(url: &str, why: impl Display) -> RouteError {
    let sentence = format!("nothing was sent to {}: {why}", service(url));
    failed(url, RouteFault::NoWay, sentence)
}

/// Scheme, host and port: the path may name a called number or a mailbox.
fn service(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find(['/', '?']));
    end.and_then(|end| url.get(..start + end)).unwrap_or(url)
}

pub(super) fn no_relay_named(url: &str) -> RouteError {
    let cps = service(url);
    let cps = cps.split_once("://").map_or(cps, |(_, cps)| cps);
    let why = format!(
        "no relay is named for it, and it is not to see this machine's address: name one with \
         --relay or oblivious.relays, as {cps}=https://relay.example/NAME"
    );
    no_way(url, why)
}

pub(super) fn no_key(url: &str, cps: &Authority, known: &CpsKeys, now: UnixTime) -> RouteError {
    let why = match known.keys.iter().map(|key| key.announced().not_after).max() {
        Some(ended) if ended <= now => {
            format!("the last key configuration of {cps} that is known ended at {ended}; {FETCH}")
        }
        Some(_) if !known.is_recent(now) => {
            let read = known
                .read
                .map_or("never".to_owned(), |read| read.to_string());
            let most = MAX_READING_AGE.as_secs() / 60;
            format!(
                "the key configurations and the log of {cps} were last read and found good at \
                 {read}, and {most} minutes from then on they are used; {FETCH}"
            )
        }
        Some(_) => format!(
            "no key configuration of {cps} is good at {now}: is the clock of this machine right?"
        ),
        None => format!("no key configuration of {cps} is known; {FETCH}"),
    };
    no_way(url, why)
}

pub(super) fn untrusted(url: &str, why: &str) -> RouteError {
    let sentence = format!("nothing was sent to {}: {why}", service(url));
    failed(url, RouteFault::Untrusted, sentence)
}

pub(super) fn malformed(url: &str) -> RouteError {
    no_way(
        url,
        "the address cannot be carried by a relay; please report this",
    )
}

pub(super) fn unsealable(url: &str, error: &impl Display) -> RouteError {
    no_way(url, error)
}

pub(super) fn no_relay(url: &str, last: Option<&HttpError>, fallback: Fallback) -> RouteError {
    let why = last.map(|error| format!(" ({error})")).unwrap_or_default();
    let cps = service(url);
    let sentence = match fallback {
        Fallback::None => format!(
            "nothing was sent to {cps}: none of its relays could be reached, and nothing goes \
             directly{why}"
        ),
        Fallback::Direct => format!("none of the relays of {cps} could be reached{why}"),
    };
    failed(url, RouteFault::NoRelay, sentence)
}

pub(super) fn no_answer(url: &str, error: &HttpError) -> RouteError {
    let sentence = format!("no answer from {} through a relay: {error}", service(url));
    failed(url, RouteFault::NoAnswer, sentence)
}

pub(super) fn unreadable(url: &str, relay: &str, error: &impl Display) -> RouteError {
    let sentence = format!(
        "the answer of {} that {relay} brought cannot be read: {error}",
        service(url)
    );
    failed(url, RouteFault::NoAnswer, sentence)
}

/// A refusal of the relay, or of the CPS before it opened the request: nothing of it was
/// read, and another try may go well if the status says so. A relay that broke off behind
/// the CPS's back says that with 502 or 504.
pub(super) fn not_taken(url: &str, answer: &Answer) -> RouteError {
    let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
    let is_of_the_key = problem
        .as_ref()
        .is_some_and(|it| it.kind == OHTTP_KEY_PROBLEM);
    let said = match &problem {
        Some(problem) => {
            foreign_text::printable(&format!("{}: {}", problem.title, problem.detail), MAX_SHOWN)
        }
        None => format!("status {}", answer.status.as_u16()),
    };
    let (service, relay) = (service(url), &answer.url);
    if is_of_the_key {
        let sentence = format!(
            "{service} does not have the key that its log announces ({said}); nothing goes \
             directly. The next fetch of its key configuration may bring another; {FETCH}"
        );
        let fault = RouteFault::NotTaken {
            is_passing: false,
            retry_after: None,
        };
        return failed(url, fault, sentence);
    }
    let fault = match answer.status {
        // The relay has handed it on, and knows no more.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => RouteFault::NoAnswer,
        status => RouteFault::NotTaken {
            is_passing: matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::REQUEST_TIMEOUT
                    | StatusCode::INTERNAL_SERVER_ERROR
            ),
            retry_after: retry_after(answer),
        },
    };
    let sentence = format!("no answer from {service} through {relay}, which refused: {said}");
    failed(url, fault, sentence)
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let value = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}
