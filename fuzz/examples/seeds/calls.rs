//! SIP: an INVITE with all that is read of it, what belongs to it, and odd ones.

use super::Corpus;

const INVITE: &str = "INVITE sip:+12155550100;npdi;rn=+12155559999@h;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport, SIP/2.0/TCP [::1]\r\n\
    From: \"A, <sip:x@y>\" <sip:anonymous@anonymous.invalid>;tag=a\r\nTo: <tel:+1-215-555-0100>\r\n\
    Call-ID: c\r\nCSeq: 1 INVITE\r\nPrivacy: id\r\n\
    P-Asserted-Identity: <sip:+17325551000;verstat=TN-Validation-Passed@h>,\r\n <tel:7325551000;phone-context=+1>\r\n\
    Diversion: <sip:+1@h>;reason=unconditional\r\nHistory-Info: <sip:1@h?Reason=SIP%3Bcause%3D302>;index=1\r\n\
    y: a.b.c;info=<https://x>;alg=ES256;ppt=\"shaken\"\r\nl: 4\r\n\r\nv=0\n";

const RESPONSE: &str = "SIP/2.0 302 Moved Temporarily\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
    Contact: <sip:1@h?Identity=a%3Binfo&X=y>\r\nCSeq: 1 INVITE\r\nl: 0\r\n\r\n";

pub(crate) fn add(corpus: &mut Corpus) {
    let other = |method: &str| {
        let request = INVITE.replacen("INVITE", method, 1);
        request.replace("1 INVITE", &format!("1 {method}"))
    };
    let of_rfc_2543 = INVITE.replace(";branch=z9hG4bK1", "");
    let odd = INVITE.replace("Call-ID: c", "i  :\r\n\tc").replace("l: 4", "l: 9");
    for message in [INVITE, RESPONSE, &other("OPTIONS"), &of_rfc_2543, &odd] {
        corpus.add("sip_message", message);
        corpus.add("sip_message", message.replace("\r\n", "\n"));
        corpus.add("sip_stream", format!("a{message}\r\n\r\n\r\n{message}"));
    }
    let [ack, cancel, options] = ["ACK", "CANCEL", "OPTIONS"].map(other);
    for steps in [
        vec![(0, INVITE), (0, INVITE), (4, "xx"), (3, ""), (4, "xxxxx"), (0, &ack), (0, INVITE)],
        vec![(1, INVITE), (1, &cancel), (0, &cancel), (1, &ack), (0, &options)],
        vec![(2, INVITE), (4, "xx"), (3, ""), (2, &ack), (4, ""), (0, &of_rfc_2543), (0, &odd)],
    ] {
        let steps = steps.into_iter().flat_map(|(kind, part)| step(kind, part));
        corpus.add("sip_server", steps.collect::<Vec<_>>());
    }
}

/// A step as the target `sip_server` reads it.
fn step(kind: u8, part: &str) -> Vec<u8> {
    let length = u16::try_from(part.len()).expect("a message's size");
    [&[kind][..], &length.to_be_bytes(), part.as_bytes()].concat()
}
