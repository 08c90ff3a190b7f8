//! Calls whose switches ask over HTTP.

use std::time::Duration;

use pennyblack_tests::faulty_proxy::Fault;

use super::case::Case;
use super::line::{Asking, Line};

/// A machine that is busy with other tests may stand still for a second, and a call that is not
/// about deadlines must not meet one.
pub(super) const PATIENT: [&str; 3] = [
    "signing.deadline=3s",
    "verify.wait=2s",
    "verify.deadline=3s",
];

/// Longer than these deadlines.
const PATIENTLY: Asking = Asking::Rest(5);

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_every_kind_arrive_with_their_verdict() {
    let mut line = Line::open(PATIENTLY, 16, &PATIENT).await;
    line.run(Case::passes("rest")).await;
    line.run(Case::passes("rest-atis").with("X-Dialect: atis"))
        .await;
    line.run(Case::passes("rest-3gpp").with("X-Dialect: 3gpp"))
        .await;
    line.run(Case::passes("national").with("X-Gap: national"))
        .await;
    line.run(Case::passes("npdi").to("+12125550100;npdi;rn=+12125559999"))
        .await;
    let pai = "P-Asserted-Identity: <sip:+NUMBER@127.0.0.1;user=phone>";
    line.run(Case::passes("pai-over-from").anonymous().with(pai))
        .await;
    let pai = "P-Asserted-Identity: <tel:+NUMBER>";
    line.run(Case::passes("pai-tel").anonymous().with(pai))
        .await;
    line.run(Case::passes("made-before").with("X-Transaction: made"))
        .await;
    line.run(Case::goes_on("anonymous").anonymous()).await;
    line.run(Case::goes_on("emergency").to("911")).await;
    line.run(Case::passes("spoof-after")).await;
    line.run_unsigned_again(Case::goes_on("spoof")).await;
    line.close().await;
}

/// What a gateway says whose certificate has ended.
const ERROR_500: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\r\n{\"requestError\":{\"policyException\":{\"messageId\":\"POL5000\",\"text\":\"Internal Server Error. Please try again later\",\"variables\":[]}},\"error\":\"\"}";
/// What a gateway says that does not understand the switch.
const ERROR_400: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{\"requestError\":{\"serviceException\":{\"messageId\":\"SVC4001\",\"text\":\"Missing mandatory parameter '%1'\",\"variables\":[\"iat\"]}},\"error\":\"\"}";
/// What no gateway says.
const GARBAGE: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>identity verstat</html>";

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_a_gateway_ends_a_call() {
    let mut line = Line::open(Asking::Rest(1), 4, &[]).await;
    for (name, answer, writes) in [
        ("http500", ERROR_500, "signing: HTTP 500"),
        ("http400", ERROR_400, "signing: HTTP 400"),
        ("garbage", GARBAGE, "signing: no identity in <html>"),
    ] {
        line.fault(Fault::Answered(answer));
        line.run(Case::goes_on(name).writes(writes)).await;
    }
    line.fault(Fault::BrokenOff);
    line.run(Case::goes_on("broken-off")).await;
    line.ways.verifying.set(Fault::None);
    line.run(Case::goes_on("unsigned")).await;
    // Each switch waits for a second, the least that Kamailio's http_client knows.
    line.fault(Fault::Silent);
    line.run(Case::goes_on("http-silent").rings_after(1_900..=4_500))
        .await;
    line.close().await;
}

/// A store takes `lag`. Signing does not wait for it, verifying does for a while. (A store that a
/// busy machine has not begun by the deadline is not begun at all.)
async fn race(lag: Duration, case: Case) {
    let settings = [
        "signing.deadline=500ms",
        "verify.wait=1500ms",
        "verify.deadline=3s",
    ];
    let mut line = Line::open(PATIENTLY, 4, &settings).await;
    line.ways.storing.set(Fault::Slow(lag));
    line.run(case).await;
    line.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passport_that_is_late_is_waited_for_but_not_for_long() {
    let won = Case::passes("race-won").rings_after(900..=2_400);
    let lost = Case::goes_on("race-lost")
        .signed()
        .rings_after(2_000..=5_000);
    let (won, lost) = (
        race(Duration::from_millis(900), won),
        race(Duration::from_secs(8), lost),
    );
    tokio::join!(won, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_pass_twenty_a_second() {
    let mut line = Line::open(PATIENTLY, 200, &PATIENT).await;
    line.run(Case::passes("load-rest").many(200, 20)).await;
    line.close().await;
}
