//! INVITEs whose fields would forge others: in the text of a request, and by SIP.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use pennyblack_base::encoding::from_base64url;
use pennyblack_tests::gateway_scene::CALLED;
use serde_json::Value;
use tokio::time::Instant;

use super::super::sip::identity;
use super::super::switch::Switch;
use super::{CALLER, Desk, said};

/// How many are asked at once.
const AT_ONCE: usize = 16;

/// Longest wait for the answer to what may get none: longer than `verify.deadline`.
const UNANSWERED: Duration = Duration::from_millis(700);

/// INVITEs whose fields would forge others.
fn forgeries() -> Vec<String> {
    let invite = |uri: &str, from: &str, to: &str, more: &str| {
        format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {{LOCAL}};branch={{BRANCH}};rport\r\n\
             Max-Forwards: 70\r\nFrom: {from};tag=a\r\nTo: {to}\r\nCall-ID: {{CALL}}\r\n\
             CSeq: 1 INVITE\r\n{more}Content-Length: 0\r\n\r\n"
        )
    };
    let (uri, from, to) = (
        format!("sip:+{CALLED}@127.0.0.1"),
        format!("<sip:+{CALLER}@127.0.0.1>"),
        format!("<sip:+{CALLED}@127.0.0.1>"),
    );
    let mut all = Vec::new();
    for end in ["%0d%0a", "%0A", "\r", "\n", "\0"] {
        let forged = format!("{end}X-Forged:%201");
        all.push(invite(
            &format!("sip:+{CALLED}{forged}@127.0.0.1"),
            &from,
            &to,
            "",
        ));
        all.push(invite(&format!("{uri};x={forged}"), &from, &to, ""));
        all.push(invite(&format!("{uri}?X-Forged=1{end}"), &from, &to, ""));
        all.push(invite(
            &uri,
            &format!("<sip:+{CALLER}{forged}@127.0.0.1>"),
            &to,
            "",
        ));
        all.push(invite(
            &uri,
            &format!("<sip:+{CALLER}@127.0.0.1{forged}>"),
            &to,
            "",
        ));
        all.push(invite(&uri, &format!("\"{forged}\" {from}"), &to, ""));
        all.push(invite(&uri, &from, &format!("\"{forged}\" {to}"), ""));
        all.push(invite(
            &uri,
            &from,
            &to,
            &format!("P-Origination-ID: a{forged}\r\n"),
        ));
        all.push(invite(
            &uri,
            &from,
            &to,
            &format!("P-Asserted-Identity: {from}{forged}\r\n"),
        ));
    }
    // A display name that is a URI, and one that ends early.
    all.push(invite(
        &uri,
        &format!("\"<sip:+19005550000@x>\" {from}"),
        &to,
        "",
    ));
    all.push(invite(
        &uri,
        &format!("\"a\\\"<sip:+19005550000@x>\\\"\" {from}"),
        &to,
        "",
    ));
    all.push(invite(
        &format!("{uri}?Identity=forged&X-Forged=1"),
        &from,
        &to,
        "",
    ));
    all
}

fn is_clean(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    !line.starts_with("x-forged") && !line.contains(['\n', '\0'])
}

pub(super) async fn in_texts(desk: &Desk) {
    for forgery in forgeries() {
        for path in ["signing", "verification"] {
            let request = desk.post(path, "message/sip").body(forgery.clone());
            let (status, body) = said(request.send().await.unwrap()).await;
            match status {
                200 => only_our_lines(&body, &forgery),
                400 => assert!(body.contains("SVC400"), "{body}"),
                other => panic!("{other}: {forgery}{body}"),
            }
        }
    }
}

/// The header lines that a gateway adds, each once.
const OURS: [&str; 4] = [
    "Identity",
    "P-Asserted-Identity",
    "P-Attestation-Indicator",
    "P-Origination-ID",
];

fn only_our_lines(body: &str, forgery: &str) {
    let lines: Vec<_> = body.split_terminator("\r\n").collect();
    for line in &lines {
        let (name, value) = line.split_once(": ").unwrap();
        assert!(OURS.contains(&name) && is_clean(line), "{forgery}{body}");
        let named = format!("{name}: ");
        let same = lines.iter().filter(|line| line.starts_with(&named));
        assert_eq!(same.count(), 1, "{forgery}{body}");
        match name {
            "Identity" => signed_number(value, forgery),
            "P-Asserted-Identity" => {
                assert!(
                    value.starts_with(&format!("<sip:+{CALLER};verstat=")),
                    "{value}"
                );
            }
            _ => {}
        }
    }
}

/// Only the number in the URI of `From` is ever signed.
fn signed_number(jws: &str, forgery: &str) {
    let claims = from_base64url(jws.split('.').nth(1).unwrap());
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(claims["orig"]["tn"], CALLER, "{forgery}");
    assert_eq!(claims["dest"]["tn"][0], CALLED, "{forgery}");
}

pub(super) async fn by_sip(desk: &Desk) {
    let forgeries = forgeries();
    let asked = forgeries.iter().flat_map(|forgery| {
        let sides = [desk.sip.sign, desk.sip.verify].into_iter();
        sides.map(move |side| forged_by_sip(side, forgery))
    });
    stream::iter(asked).buffered(AT_ONCE).collect::<()>().await;
    let mut switch = Switch::udp(desk.sip.sign).await;
    identity(&switch.invites(CALLER).await);
}

/// What cannot be read at all may get no answer.
async fn forged_by_sip(gateway: SocketAddr, forgery: &str) {
    let mut switch = Switch::udp(gateway).await;
    let invite = forgery
        .replace("{LOCAL}", &switch.local.to_string())
        .replace("{BRANCH}", &switch.branch)
        .replace("{CALL}", &switch.call);
    switch.send(&invite).await;
    let until = Instant::now() + UNANSWERED;
    while let Some(answer) = switch.heard_until(until).await {
        let (head, rest) = answer.0.split_once("\r\n\r\n").unwrap();
        assert_eq!(rest, "", "{forgery}{}", answer.0);
        assert!(head.split("\r\n").all(is_clean), "{forgery}{}", answer.0);
        let contact = answer.all("Contact").join("");
        let parts = contact.split(['?', '&']);
        let identities = parts.filter(|part| part.starts_with("Identity="));
        assert!(identities.count() <= 1, "{contact}");
        if answer.code() >= 200 {
            switch.send(invite.replace("INVITE", "ACK")).await;
            return;
        }
    }
}
