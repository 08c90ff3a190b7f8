//! Switches that ask a gateway: over HTTP on kept connections, or by SIP in datagrams. **Calls
//! begin by a timetable**, whatever becomes of those before, and what a call waits is counted
//! from the time at which it was due.

use std::net::SocketAddr;
use std::time::Duration;

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::gateway_scene::{CALLED, SipPorts};
use pennyblack_tests::sip_caller;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::scene::Running;
use crate::latency::percentile;

/// Calls that begin in a second.
pub(super) const RATE: u32 = 50;

/// How switches ask.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    Http,
    Sip,
}

impl By {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Sip => "SIP",
        }
    }
}

/// A switch.
#[derive(Clone)]
pub(super) struct Switch {
    by: By,
    http: reqwest::Client,
    rest: SocketAddr,
    sip: SipPorts,
    clock: Clock,
}

/// What a switch was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    /// The status or code; 0 without an answer.
    pub(super) status: u16,
    /// Signed and stored, or passed.
    pub(super) is_good: bool,
    /// It has an Identity header, or a verdict.
    pub(super) is_whole: bool,
    /// Since the call was due.
    pub(super) took: Duration,
}

impl Switch {
    pub(super) fn of(running: &Running, by: By) -> Self {
        Self {
            by,
            http: running.scene.world.client.clone(),
            rest: running.scene.gateway.addresses().public,
            sip: running.sip,
            clock: running.scene.world.clock.clone(),
        }
    }

    /// Asks about a call that leaves.
    pub(super) async fn signs(&self, caller: &str, due: Instant) -> Answered {
        let (status, is_good, is_whole) = match self.by {
            By::Sip => self.redirected(self.sip.sign, caller).await,
            By::Http => {
                let body = json!({"signingRequest": {
                    "attest": "A", "orig": {"tn": caller}, "dest": {"tn": [CALLED]},
                    "iat": self.clock.now().0,
                }});
                let (status, body) = self.post("signing", body).await;
                let said = &body["signingResponse"];
                let is_stored = said["oob"]["stored"] == true;
                (status, is_stored, said["identity"].is_string())
            }
        };
        Answered {
            status,
            is_good,
            is_whole,
            took: due.elapsed(),
        }
    }

    /// Asks about a call that arrives.
    pub(super) async fn verifies(&self, caller: &str, due: Instant) -> Answered {
        let (status, is_good, is_whole) = match self.by {
            By::Sip => {
                let (status, passed, _) = self.redirected(self.sip.verify, caller).await;
                (status, passed, status == 404 || passed)
            }
            By::Http => {
                let body = json!({"verificationRequest": {
                    "from": {"tn": caller}, "to": {"tn": [CALLED]},
                    "time": self.clock.now().0, "requestId": format!("call-{caller}"),
                }});
                let (status, body) = self.post("verification", body).await;
                let verstat = &body["verificationResponse"]["verstat"];
                let passed = *verstat == "TN-Validation-Passed";
                (status, passed, verstat.is_string())
            }
        };
        Answered {
            status,
            is_good,
            is_whole,
            took: due.elapsed(),
        }
    }

    /// The code, and whether it is a redirect with an Identity.
    async fn redirected(&self, gateway: SocketAddr, caller: &str) -> (u16, bool, bool) {
        let answer = sip_caller::invite(gateway, caller, CALLED).await;
        let Ok(Some(answer)) = answer else {
            return (0, false, false);
        };
        let is_whole = answer.code() == 302;
        (answer.code(), is_whole, is_whole)
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}/stir/v1/{path}", self.rest);
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json");
        let Ok(answer) = Answer::to(request.body(body.to_string())).await else {
            return (0, Value::Null);
        };
        let body = serde_json::from_slice(&answer.body);
        (answer.status.as_u16(), body.unwrap_or_default())
    }
}

/// The number of a caller.
pub(super) fn caller(number: usize) -> String {
    format!("1732{:07}", 2_000_000 + number)
}

/// Begins so many calls by the timetable, and waits for all of them. A call gets its number
/// and the time at which it is due.
pub(super) async fn by_timetable<T, F>(calls: usize, call: impl Fn(usize, Instant) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let began = Instant::now();
    let mut tasks = Vec::with_capacity(calls);
    for number in 0..calls {
        let since = Duration::from_secs(1) * u32::try_from(number).unwrap() / RATE;
        sleep_until(began + since).await;
        tasks.push(tokio::spawn(call(number, began + since)));
    }
    let mut done = Vec::with_capacity(calls);
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

/// A percentile of what calls waited, in milliseconds.
pub(super) fn wait_of(answers: &[Answered], percent: f64) -> f64 {
    let waits = answers.iter().map(|answer| answer.took).collect();
    percentile(waits, percent).as_secs_f64() * 1e3
}

/// How many answers are so.
pub(super) fn how_many(answers: &[Answered], is: impl Fn(&Answered) -> bool) -> usize {
    answers.iter().filter(|answer| is(answer)).count()
}
