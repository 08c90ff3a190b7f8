//! Measures what requests cost a process in processor time.

use std::fs;
use std::time::Duration;

use http::StatusCode;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::process::Process;
use reqwest::{Client, Request, RequestBuilder};
use tokio::task::JoinSet;

/// How often each request is sent, in each of so many turns.
const REQUESTS: usize = 300;
const TURNS: usize = 3;

/// Requests at one time.
const AT_ONCE: usize = 8;

/// A request that is sent again and again.
pub(super) struct Row {
    pub(super) what: &'static str,
    client: Client,
    request: Request,
    status: StatusCode,
}

impl Row {
    pub(super) fn new(what: &'static str, status: StatusCode, request: RequestBuilder) -> Self {
        let (client, request) = request.build_split();
        Self {
            what,
            client,
            request: request.unwrap(),
            status,
        }
    }

    async fn send(&self, count: usize) {
        self.send_at_once(count, AT_ONCE).await;
    }

    /// Sends it `count` times, `at_once` at a time.
    pub(super) async fn send_at_once(&self, count: usize, at_once: usize) {
        let (mut left, mut sending) = (count, JoinSet::new());
        loop {
            while left > 0 && sending.len() < at_once {
                let request = self.request.try_clone().unwrap();
                let request = RequestBuilder::from_parts(self.client.clone(), request);
                sending.spawn(Answer::to(request));
                left -= 1;
            }
            let Some(answer) = sending.join_next().await else {
                return;
            };
            let answer = answer.unwrap().unwrap();
            assert_eq!(
                answer.status,
                self.status,
                "{}: {}",
                self.what,
                answer.text()
            );
        }
    }
}

/// The time that a process has had a processor, in user mode and in the kernel.
fn processor_time(process: &Process) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    // The fields after the name, which is in parentheses: the state is the first.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    let a_second = rustix::param::clock_ticks_per_second();
    Duration::from_millis(ticks * 1000 / a_second)
}

/// Measures the rows in turns, and asserts that none costs more than `max` times the
/// first.
pub(super) async fn compare(process: &Process, max: f64, rows: &[&Row]) {
    let mut costs = vec![Duration::ZERO; rows.len()];
    for row in rows {
        row.send(AT_ONCE).await;
    }
    for _ in 0..TURNS {
        for (row, cost) in rows.iter().zip(&mut costs) {
            let before = processor_time(process);
            row.send(REQUESTS).await;
            *cost += processor_time(process) - before;
        }
    }
    let sent = u32::try_from(REQUESTS * TURNS).unwrap();
    let ratio = |cost: &Duration| cost.as_secs_f64() / costs[0].as_secs_f64();
    for (row, cost) in rows.iter().zip(&costs) {
        println!("{:>8.0?} {:>5.2} {}", *cost / sent, ratio(cost), row.what);
    }
    for (row, cost) in rows.iter().zip(&costs) {
        let ratio = ratio(cost);
        assert!(
            ratio <= max,
            "{}: {ratio:.2} times the honest one",
            row.what
        );
    }
}
