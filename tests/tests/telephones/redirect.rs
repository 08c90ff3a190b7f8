//! Calls whose switches ask by SIP, and are answered with a redirect.

use std::time::Duration;

use pennyblack_tests::faulty_proxy::Fault;
use pennyblack_tests::lossy_path::Loss;

use super::case::Case;
use super::line::{Asking, Line};
use super::rest::PATIENT;

/// Longer than the deadlines of a patient gateway.
const PATIENTLY: Asking = Asking::Redirect(5_000);

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_every_kind_arrive_with_their_verdict() {
    let mut line = Line::open(PATIENTLY, 16, &PATIENT).await;
    line.run(Case::passes("redirect-both")).await;
    line.run(Case::passes("redirect-tcp").with("X-Transport: tcp"))
        .await;
    line.run(Case::passes("national-redir").with("X-Gap: national"))
        .await;
    let pai = "P-Asserted-Identity: <sip:+NUMBER@127.0.0.1;user=phone>";
    line.run(Case::passes("pai-over-from-redir").anonymous().with(pai))
        .await;
    let pai = "P-Asserted-Identity: <tel:+NUMBER>";
    line.run(Case::passes("pai-tel-redir").anonymous().with(pai))
        .await;
    line.run(Case::passes("made-before-redir").with("X-Transaction: made"))
        .await;
    line.run(Case::goes_on("emergency-redir").to("911")).await;
    let sip404 = Case::goes_on("sip404").anonymous();
    line.run(sip404.writes("signing: SIP 404")).await;
    line.run(Case::passes("spoof-after-redir")).await;
    line.run_unsigned_again(Case::goes_on("spoof-redir")).await;
    line.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_silence_of_a_gateway_ends_a_call() {
    // Kamailio's timers are about 100 ms exact.
    let mut line = Line::open(Asking::Redirect(1_000), 4, &[]).await;
    let stopped = Case::goes_on("stopped-redir").with("X-Transport: refused");
    line.run(stopped.writes("signing: the gateway is not there"))
        .await;
    line.ways.sip_signing.lose(Loss::All);
    let unsigned = Case::goes_on("unsigned-redir").rings_after(850..=4_000);
    line.run(unsigned.writes("signing: SIP 408")).await;
    line.ways.sip_verifying.lose(Loss::All);
    line.run(Case::goes_on("sip-silent").rings_after(1_750..=4_500))
        .await;
    line.close().await;
}

/// The headers of a redirect in one place only.
async fn carried_in(place: &'static str, case: Case, at_nothing: Case) {
    let carry = ["sign", "verify"].map(|side| format!("sip.{side}.carry={place}"));
    let nothing = ["sign", "verify"].map(|side| format!("sip.{side}.nothing=503"));
    let settings: Vec<_> = carry.iter().chain(&nothing).map(String::as_str).collect();
    let settings = [&settings, PATIENT.as_slice()].concat();
    let mut line = Line::open(PATIENTLY, 4, &settings).await;
    line.run(case).await;
    line.run(at_nothing.anonymous().writes("signing: SIP 503"))
        .await;
    line.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_reads_headers_where_it_can() {
    let plain = Case::passes("redirect-plain").writes("signing: read as a header");
    let contact = Case::passes("redirect-contact").writes("signing: read in Contact");
    tokio::join!(
        carried_in("header", plain, Case::goes_on("sip503")),
        carried_in("contact", contact, Case::goes_on("sip503-contact")),
    );
}

/// The side that sends a lost message again repairs it: the switch as long as nobody has said
/// 100, the gateway after that (RFC 3261 section 17.2.1). No call costs a second token.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_delays_a_call_and_costs_no_token() {
    let mut line = Line::open(PATIENTLY, 8, &PATIENT).await;
    let prompt = Fault::None;
    // The gateway says 100 after 200 ms, and the switch falls silent.
    let slow = Fault::Slow(Duration::from_millis(300));
    let cases = [
        (
            "lost-invite",
            Loss::Requests("INVITE", 1),
            prompt,
            300..=2_500,
        ),
        ("lost-302", Loss::Responses("302", 1), prompt, 300..=2_500),
        (
            "lost-302-slow",
            Loss::Responses("302", 1),
            slow,
            600..=3_500,
        ),
        // The last: the gateway sends this 302 again, when the call has ended.
        ("lost-ack", Loss::Requests("ACK", 1), prompt, 0..=2_500),
    ];
    for (lost, (name, loss, store, delay)) in (1..).zip(cases) {
        line.ways.storing.set(store);
        line.ways.sip_signing.lose(loss);
        line.run(Case::passes(name).rings_after(delay)).await;
        assert_eq!(line.ways.sip_signing.lost(), lost, "{name}: lost");
    }
    line.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_pass_twenty_a_second() {
    let mut line = Line::open(PATIENTLY, 200, &PATIENT).await;
    line.run(Case::passes("load-redirect").many(200, 20)).await;
    line.close().await;
}
