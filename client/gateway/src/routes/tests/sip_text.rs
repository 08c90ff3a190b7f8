//! A whole INVITE as the body.

use super::*;

const INVITE: &str = "INVITE sip:+12155550100@h SIP/2.0\n\
    f: <sip:+17325551000@sbc.example>;tag=a\nt: <sip:+12155550100@h>\ni: call-1\n\n";

#[tokio::test]
async fn an_invite_is_answered_with_header_lines_or_with_nothing() {
    let gateway = gateway();
    for media in [
        "text/plain",
        "message/sip; charset=utf-8",
        "application/sip",
    ] {
        let answer = gateway.post(SIGNING, media, INVITE).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text, format!("Identity: {}\r\n", field_identity()));
        assert_eq!(answer.headers["content-type"], "text/plain");
    }
    let answer = gateway.post(VERIFICATION, "message/sip", INVITE).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(gateway.verified().from, "sip:+17325551000@sbc.example");
}

#[tokio::test]
async fn a_call_with_nothing_to_sign_goes_on() {
    let gateway = gateway();
    for invite in [
        INVITE.replace("+17325551000", "anonymous"),
        INVITE.replace("+12155550100", "911"),
        INVITE.replace("i: call-1", "Priority: psap-callback"),
    ] {
        let answer = gateway.post(SIGNING, "message/sip", &invite).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{invite}");
    }
}

#[tokio::test]
async fn what_is_no_invite_is_refused() {
    let gateway = gateway();
    let post = async |body: &str| gateway.post(SIGNING, "message/sip", body).await;
    post("").await.assert_refused(400, "SVC4000");
    for text in ["hello", "SIP/2.0 200 OK\n\n", "INVITE sip:a@h SIP/2.0\n\n"] {
        post(text).await.assert_refused(400, "SVC4006");
    }
    let bye = INVITE.replace("INVITE", "BYE");
    post(&bye).await.assert_refused(400, "SVC4006");
    let two = INVITE.replace("t: ", "t: <sip:+12155550101@h>\nTo: ");
    post(&two).await.assert_refused(400, "SVC4006");
    let engine = StandIn {
        signs_nothing: Some(Reason::NoCertificate),
        ..StandIn::default()
    };
    let answer = with(engine, &[]).post(SIGNING, "text/plain", INVITE).await;
    answer.assert_refused(500, "POL5000");
}
