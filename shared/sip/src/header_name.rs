//! Names of headers, each in the spelling of its standard, and the compact forms of
//! RFC 3261 section 7.3.3. Names are compared without regard to case.

/// `Allow` (RFC 3261).
pub const ALLOW: &str = "Allow";
/// `Call-ID` (RFC 3261), compact `i`.
pub const CALL_ID: &str = "Call-ID";
/// `Contact` (RFC 3261), compact `m`.
pub const CONTACT: &str = "Contact";
/// `Content-Length` (RFC 3261), compact `l`.
pub const CONTENT_LENGTH: &str = "Content-Length";
/// `Content-Type` (RFC 3261), compact `c`.
pub const CONTENT_TYPE: &str = "Content-Type";
/// `CSeq` (RFC 3261).
pub const CSEQ: &str = "CSeq";
/// `Date` (RFC 3261).
pub const DATE: &str = "Date";
/// `Diversion` (RFC 5806).
pub const DIVERSION: &str = "Diversion";
/// `From` (RFC 3261), compact `f`.
pub const FROM: &str = "From";
/// `History-Info` (RFC 7044).
pub const HISTORY_INFO: &str = "History-Info";
/// `Identity` (RFC 8224), compact `y`.
pub const IDENTITY: &str = "Identity";
/// `Max-Forwards` (RFC 3261).
pub const MAX_FORWARDS: &str = "Max-Forwards";
/// `P-Asserted-Identity` (RFC 3325).
pub const P_ASSERTED_IDENTITY: &str = "P-Asserted-Identity";
/// `P-Attestation-Indicator`, in the field beside `verstat`.
pub const P_ATTESTATION_INDICATOR: &str = "P-Attestation-Indicator";
/// `P-Origination-ID`, in the field beside `verstat`.
pub const P_ORIGINATION_ID: &str = "P-Origination-ID";
/// `Privacy` (RFC 3323).
pub const PRIVACY: &str = "Privacy";
/// `Priority` (RFC 3261).
pub const PRIORITY: &str = "Priority";
/// `Reason` (RFC 3326).
pub const REASON: &str = "Reason";
/// `Resource-Priority` (RFC 4412).
pub const RESOURCE_PRIORITY: &str = "Resource-Priority";
/// `Timestamp` (RFC 3261).
pub const TIMESTAMP: &str = "Timestamp";
/// `To` (RFC 3261), compact `t`.
pub const TO: &str = "To";
/// `Via` (RFC 3261), compact `v`.
pub const VIA: &str = "Via";

/// The compact forms of IANA's registry.
const COMPACT: [(&str, &str); 20] = [
    ("a", "Accept-Contact"),
    ("b", "Referred-By"),
    ("c", CONTENT_TYPE),
    ("d", "Request-Disposition"),
    ("e", "Content-Encoding"),
    ("f", FROM),
    ("i", CALL_ID),
    ("j", "Reject-Contact"),
    ("k", "Supported"),
    ("l", CONTENT_LENGTH),
    ("m", CONTACT),
    ("n", "Identity-Info"),
    ("o", "Event"),
    ("r", "Refer-To"),
    ("s", "Subject"),
    ("t", TO),
    ("u", "Allow-Events"),
    ("v", VIA),
    ("x", "Session-Expires"),
    ("y", IDENTITY),
];

/// The long form of a name.
pub(crate) fn expanded(name: &str) -> &str {
    let known = COMPACT
        .iter()
        .find(|(compact, _)| compact.eq_ignore_ascii_case(name));
    known.map_or(name, |(_, long)| long)
}
