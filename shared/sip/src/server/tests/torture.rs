//! The torture test messages of RFC 4475, as far as a redirect server meets them.

use super::*;
use crate::number::NumberCandidate;
use crate::response::Response;

/// What becomes of a message: the codes that are answered, or the INVITE that waits.
fn meet(message: impl AsRef<[u8]>) -> Result<Box<Invite>, Vec<u16>> {
    let peer = udp("192.0.2.1:5060");
    let actions = server().on_datagram(Instant::now(), peer, message.as_ref());
    match actions.into_iter().next() {
        Some(Action::Decide(invite)) => Ok(invite),
        Some(action) => Err(codes(&[action])),
        None => Err(Vec::new()),
    }
}

/// A message in lines that end with LF, as it goes over the wire.
fn wire(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// The usual headers, with `more` in front.
fn with(start_line: &str, cseq: &str, more: &str) -> String {
    wire(&format!(
        "{start_line}\n{more}Max-Forwards: 70\nVia: SIP/2.0/UDP c.example.com;branch=z9hG4bKkdjuw\n\
         To: sip:j.user@example.com\nFrom: sip:caller@example.net;tag=93942939o2\n\
         Call-ID: torture.example\nCSeq: {cseq}\nl: 0\n\n"
    ))
}

/// 3.1.1.1 A short tortuous INVITE: folding, blanks and escapes everywhere. `To` has a
/// tag, so here it belongs to no call.
#[test]
fn a_short_tortuous_invite() {
    let text = wire(
        r#"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 3
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;rport;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

v=0"#,
    );
    assert_eq!(meet(&text), Err(vec![481]));
    let invite = meet(text.replace("   tag    = 1918181833n", "x")).unwrap();
    let from = invite.request.from().unwrap();
    assert_eq!(from.display_name(), r#"J Rosenberg \""#);
    assert_eq!(from.parameters().get("tag"), Some("98asjd8"));
    assert_eq!(invite.request.headers().list("Via").unwrap().len(), 3);
}

/// 3.1.1.2 Wide range of valid characters; 3.1.1.3 and 3.1.1.4 escapes in URIs.
#[test]
fn valid_messages_with_unusual_characters() {
    let odd_uri = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com";
    let odd_method = "!interesting-Method0123456789_*+`.%indeed'~";
    let text = with(
        &format!("{odd_method} {odd_uri} SIP/2.0"),
        &format!("139122385 {odd_method}"),
        "",
    );
    assert_eq!(meet(text), Err(vec![405]));
    let text = with(
        &format!("INVITE {odd_uri} SIP/2.0"),
        "1 INVITE",
        "extensionHeader-!.%*+_`'~: \u{fe}\u{4e2d}\n",
    );
    let invite = meet(text).unwrap();
    assert_eq!(NumberCandidate::of(invite.request.uri()), None);
    let escaped = "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0";
    let invite = meet(with(escaped, "1 INVITE", "")).unwrap();
    let candidate = NumberCandidate::of(invite.request.uri()).unwrap();
    assert_eq!(
        (candidate.text(), candidate.digits()),
        ("sips:user@example.com", None)
    );
    let nul = with(
        "REGISTER sip:null-%00-null@example.com SIP/2.0",
        "1 REGISTER",
        "",
    );
    assert_eq!(meet(nul), Err(vec![405]));
}

/// 3.1.1.5 Percent signs that are no escapes; 3.1.1.6 no blank before the bracket; 3.1.1.7
/// long values; 3.1.1.8 bytes behind the message; 3.1.1.9 a semicolon in the user part;
/// 3.1.1.10 unknown transports.
#[test]
fn valid_messages_of_unusual_form() {
    let long = format!(
        "INVITE sip:user@example.com SIP/2.0\nTo: \"I have a user name of {0} proportion\"<sip:user@example.com:6000;unknownparam1={0};bring=it>\n\
         F: sip:{0}@example.net;tag=12982424;{0}\nUnknown-{0}-Name: {0}\nCall-ID: longreq.{0}\n\
         CSeq: 3882340 INVITE\nvia: SIP/2.0/TCP sip33.example.com\nv: SIP/2.0/TCP 10.0.0.1;received=192.0.2.5;branch=a{0}\nl: 0\n\n",
        "extreme".repeat(60)
    );
    assert!(meet(wire(&long)).is_ok());
    let extra = with("REGISTER sip:example.com SIP/2.0", "1 REGISTER", "");
    assert_eq!(
        meet(extra + "INVITE sip:joe@example.com SIP/2.0\r\n\r\n"),
        Err(vec![405])
    );
    let semicolon = "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0";
    assert_eq!(meet(with(semicolon, "1 OPTIONS", "")), Err(vec![200]));
    let escaped_method = with("RE%47IST%45R sip:example.com SIP/2.0", "1 RE%47IST%45R", "");
    assert_eq!(meet(escaped_method), Err(vec![405]));
    let transports = "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bK1\nVia: SIP/2.0/SCTP t2.example.com\n\
                      Via: SIP/2.0/TLS t3.example.com, SIP/2.0/UNKNOWN t4.example.com\n";
    let options = "OPTIONS sip:user@example.com SIP/2.0";
    assert_eq!(meet(with(options, "1 OPTIONS", transports)), Err(vec![200]));
}

/// 3.1.1.12 and 3.1.1.13 Reason phrases that are unusual or empty.
#[test]
fn valid_responses() {
    for reason in ["= 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}", ""] {
        let text = with(&format!("SIP/2.0 200 {reason}"), "1 INVITE", "");
        let raw = RawMessage::parse(text.as_bytes(), LineEnds::CrLf).unwrap();
        assert_eq!(Response::from_raw(raw).unwrap().reason(), reason);
    }
}

/// 3.1.2 Invalid messages.
#[test]
fn invalid_messages() {
    let invite = "INVITE sip:user@example.com SIP/2.0";
    let standard = with(invite, "1 INVITE", "");
    let changed = |before: &str, after: &str| {
        assert!(standard.contains(before), "{before}");
        meet(standard.replace(before, after)).map(|_| ())
    };
    // 3.1.2.1 Extraneous separators: nobody knows where to answer.
    assert_eq!(changed(";branch=z9hG4bKkdjuw", ";;,;,,"), Err(Vec::new()));
    // 3.1.2.2 and 3.1.2.3 Content-Length too large and negative.
    assert_eq!(changed("l: 0", "l: 9999"), Err(vec![400]));
    assert_eq!(changed("l: 0", "l: -999"), Err(vec![400]));
    // 3.1.2.4 Overlarge scalars.
    assert_eq!(
        changed("1 INVITE", "36893488147419103232 INVITE"),
        Err(vec![400])
    );
    // 3.1.2.5 A response with overlarge scalars is dropped.
    assert_eq!(
        changed(invite, "SIP/2.0 503 Service Unavailable"),
        Err(Vec::new())
    );
    // 3.1.2.6 An open quotation mark.
    let to = "To: sip:j.user@example.com";
    assert_eq!(
        changed(to, "To: \"Mr. J. User <sip:j.user@example.com>"),
        Err(vec![400])
    );
    // 3.1.2.7 Brackets around the Request-URI. 3.1.2.8 Blanks within it. 3.1.2.9 Several
    // blanks in the start line. 3.1.2.10 Blanks at its end. 3.1.2.11 Escaped headers in it.
    for start_line in [
        "INVITE <sip:user@example.com> SIP/2.0",
        "INVITE sip:user@example.com; lr SIP/2.0",
        "INVITE  sip:user@example.com  SIP/2.0",
        "INVITE sip:user@example.com SIP/2.0  ",
        "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0",
    ] {
        assert_eq!(changed(invite, start_line), Err(vec![400]), "{start_line}");
    }
    // 3.1.2.12 An invalid time zone in Date, which nobody reads here.
    let date = "Max-Forwards: 70\r\nDate: Fri, 01 Jan 2010 16:00:00 EST";
    assert_eq!(changed("Max-Forwards: 70", date), Ok(()));
    // 3.1.2.13 Parameters without brackets, 3.1.2.14 blanks within brackets, 3.1.2.15 signs
    // in a display name that is not quoted.
    for address in [
        "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        "\"Watson, Thomas\" < sip:t.watson@example.org >",
        "Watson, Thomas <sip:t.watson@example.org>",
    ] {
        assert_eq!(
            changed(to, &format!("To: {address}")),
            Err(vec![400]),
            "{address}"
        );
    }
    // 3.1.2.16 An unknown version.
    assert_eq!(changed("SIP/2.0", "SIP/7.0"), Err(vec![505]));
    // 3.1.2.17 and 3.1.2.18 The method of CSeq is another.
    assert_eq!(changed("1 INVITE", "8 OPTIONS"), Err(vec![400]));
    assert_eq!(
        changed(invite, "NEWMETHOD sip:user@example.com SIP/2.0"),
        Err(vec![400])
    );
    // 3.1.2.19 An overlarge status code.
    assert_eq!(
        changed(invite, "SIP/2.0 4294967301 better not break the receiver"),
        Err(Vec::new())
    );
}

/// 3.2.1 A branch that is only the magic cookie is matched as RFC 2543 has it.
#[test]
fn branches_without_an_own_part_do_not_make_two_calls_one() {
    let text = with("INVITE sip:user@example.com SIP/2.0", "1 INVITE", "");
    let text = text.replace("z9hG4bKkdjuw", "z9hG4bK");
    let mut server = server();
    let (now, peer) = (Instant::now(), udp("192.0.2.1:1"));
    let first = decision(&server.on_datagram(now, peer, text.as_bytes()));
    assert!(server.on_datagram(now, peer, text.as_bytes()).is_empty());
    let other = text.replace("torture.example", "another.example");
    assert_ne!(
        first,
        decision(&server.on_datagram(now, peer, other.as_bytes()))
    );
}

/// 3.3 What an application must judge.
#[test]
fn messages_for_the_application() {
    let invite = "INVITE sip:user@example.com SIP/2.0";
    // 3.3.1 Missing headers: To is, and so no answer is possible.
    let missing = with(invite, "1 INVITE", "").replace("To: sip:j.user@example.com\r\n", "");
    assert_eq!(meet(missing).map(|_| ()), Err(Vec::new()));
    // 3.3.2 and 3.3.3 Unknown schemes have no number.
    for uri in [
        "nobodyKnowsThisScheme:totallyopaquecontent",
        "soap.beep://192.0.2.103:3002",
    ] {
        let invite = meet(with(&format!("INVITE {uri} SIP/2.0"), "1 INVITE", "")).unwrap();
        assert_eq!(NumberCandidate::of(invite.request.uri()), None);
    }
    // 3.3.5 A redirect server ignores Require (RFC 3261 section 8.3).
    let required = "Require: nothingSupportsThis, nothingSupportsThisEither\n";
    assert!(meet(with(invite, "1 INVITE", required)).is_ok());
    // 3.3.8 Values that may be there once are there twice.
    let twice = "CSeq: 5 INVITE\nCall-ID: other\nTo: <sip:x@example.net>\n";
    assert_eq!(meet(with(invite, "1 INVITE", twice)), Err(vec![400]));
    // 3.3.9 Several lengths.
    assert_eq!(
        meet(with(invite, "1 INVITE", "Content-Length: 0\n")),
        Err(vec![400])
    );
    // 3.3.10 A response with a broadcast address in Via is no business of a server.
    let response =
        with("SIP/2.0 200 OK", "1 INVITE", "").replace("c.example.com", "255.255.255.255");
    assert_eq!(meet(response), Err(Vec::new()));
    // 3.3.11 Max-Forwards of zero.
    let zero = with("OPTIONS sip:user@example.com SIP/2.0", "1 OPTIONS", "");
    assert_eq!(meet(zero.replace(": 70", ": 0")), Err(vec![200]));
}

/// 3.4.1 An INVITE of RFC 2543: no branch, no tags. Its ACK and CANCEL are found.
#[test]
fn an_invite_of_rfc_2543() {
    let text = |method: &str, to_tag: &str| {
        wire(&format!(
            "{method} sip:UserB@example.com SIP/2.0\nVia: SIP/2.0/UDP iftgw.example.com\n\
             From: <sip:+13035551111@ift.client.example.net;user=phone>\n\
             To: sip:+16505552222@ss1.example.net;user=phone{to_tag}\n\
             Call-ID: inv2543.1717@ift.client.example.com\nCSeq: 56 {method}\nl: 0\n\n"
        ))
    };
    let mut server = server();
    let (now, peer) = (Instant::now(), udp("192.0.2.1:1"));
    let mut send = |text: String| server.on_datagram(now, peer, text.as_bytes());
    let id = decision(&send(text("INVITE", "")));
    assert!(send(text("INVITE", "")).is_empty());
    assert_eq!(codes(&send(text("CANCEL", ""))), [200, 487]);
    assert!(send(text("ACK", ";tag=x")).is_empty());
    assert!(
        server.on_timer(now + T1).is_empty(),
        "{id:?} was acknowledged"
    );
}
