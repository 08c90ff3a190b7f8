//! The problem documents that services and relays answer with (RFC 9457): one type
//! for every refusal of docs/protocol.md sections 2 to 5, with its status and
//! what the client is to do. Not here: which error of a service is which type;
//! each service says that in one file of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The media type of a problem document.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// Every `type` is this and a name of lower-case words with hyphens.
const TYPE_PREFIX: &str = "urn:pennyblack:problem:";

macro_rules! problem_types {
    ($($(#[doc = $doc:literal])+ $kind:ident: $name:literal, $status:literal, $title:literal,
        $retry_after:expr, $advice:literal;)+) => {
        /// What kind of refusal it is. The name of a type is stable: clients
        /// decide by it, never by title or detail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProblemType {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl ProblemType {
            /// Every type, in the order of the protocol's sections.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The last part of the `type` URI, for example `token-already-spent`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// The HTTP status it is sent with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)+ }
            }

            /// The `title`: the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }

            /// What `Retry-After` says when the service knows nothing better, in
            /// seconds; none when sending the same again cannot help.
            #[must_use]
            pub const fn retry_after(self) -> Option<u32> {
                match self { $(Self::$kind => $retry_after,)+ }
            }

            /// What the client is to do about it; it ends every `detail`.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$kind => $advice,)+ }
            }
        }
    };
}

problem_types! {
    /// The path is not one of the service's.
    NotFound: "not-found", 404, "No such resource", None,
        "Check the path against the protocol description.";
    /// The path is right, the method is not.
    MethodNotAllowed: "method-not-allowed", 405, "Method not allowed", None,
        "Use a method that the Allow header names.";
    /// The body is larger than any that this path takes.
    BodyTooLarge: "body-too-large", 413, "Body too large", None,
        "Send a smaller body; split a batch.";
    /// The body did not arrive in time.
    RequestTimeout: "request-timeout", 408, "Request took too long to arrive", None,
        "Send the request again over a better connection.";
    /// `Content-Type` is not one that this path takes.
    UnsupportedMediaType: "unsupported-media-type", 415, "Unsupported media type", None,
        "Send one of the media types that the protocol names for this path.";
    /// More requests than the service can take at present.
    Overloaded: "overloaded", 503, "Overloaded", Some(1),
        "Send the same request again after Retry-After; nothing was charged or spent.";
    /// The store cannot be reached; whether it did the work is not known.
    StoreUnavailable: "store-unavailable", 503, "Store unavailable", Some(2),
        "Send the same request again after Retry-After; the same body is never charged or stored twice.";
    /// The service failed in a way that it has no name for.
    Internal: "internal", 500, "Internal error", None,
        "Send the same request again later; if it persists tell the operator the time of the request.";

    /// More requests of one client than a relay passes on.
    TooManyRequests: "too-many-requests", 429, "Too many requests", Some(1),
        "Send a newly sealed request after Retry-After; nothing was charged or spent.";
    /// What a relay's gateway answered is no answer of a gateway, or it broke off.
    GatewayFailed: "gateway-failed", 502, "The gateway gave no answer that can be passed on", None,
        "Send a newly sealed request later or through another relay; the gateway may have processed this one.";
    /// A relay's gateway did not answer in time.
    GatewayTimeout: "gateway-timeout", 504, "The gateway did not answer in time", None,
        "Send a newly sealed request later or through another relay; the gateway may have processed this one.";

    /// The body is not a token request or a batch of them (section 2).
    MalformedTokenRequest: "malformed-token-request", 400, "Malformed token request", None,
        "Encode the request as RFC 9578 or the batched-tokens draft says.";
    /// More requests in a batch than the issuer signs at once (section 2).
    BatchTooLarge: "batch-too-large", 422, "Batch too large", None,
        "Split the batch.";
    /// No request of a batch can be served (section 2).
    BatchNotServed: "batch-not-served", 400, "No request of the batch can be served", None,
        "Fetch the issuer's directory again and blind for a key in it.";
    /// There is no `Authorization: Bearer` (section 2).
    AttestationMissing: "attestation-missing", 401, "Attestation missing", None,
        "Send Authorization: Bearer with a JWT signed by your STIR key.";
    /// The JWT is malformed, for another issuer, or for another action (section 2).
    AttestationMalformed: "attestation-malformed", 401, "Attestation malformed", None,
        "Make the JWT as the protocol says; aud is this issuer's authority.";
    /// The JWT is expired, not yet valid, or valid for too long (section 2).
    AttestationNotCurrent: "attestation-not-current", 401, "Attestation not current", None,
        "Set your clock, and make a fresh JWT for each request.";
    /// The JWT's signature is not by the certificate's key (section 2).
    AttestationSignature: "attestation-signature", 401, "Attestation signature invalid", None,
        "Sign with the private key that belongs to the certificate in x5c or x5u.";
    /// The JWT was made for another body (section 2).
    AttestationBodyMismatch: "attestation-body-mismatch", 401, "Attestation is for another body", None,
        "Put the SHA-256 of exactly this body into the request claim.";
    /// No chain to a trusted root at this time, or not a STIR certificate
    /// (sections 2 and 5).
    CertificateUntrusted: "certificate-untrusted", 403, "Certificate refused", None,
        "Send the whole chain, leaf first, of a valid STIR certificate under a root that this service lists.";
    /// The certificate, or one above it, is revoked (sections 2 and 5).
    CertificateRevoked: "certificate-revoked", 403, "Certificate revoked", None,
        "Use another certificate, or ask your certification authority why this one is revoked.";
    /// The certificate could not be fetched from its `x5u` (sections 2 and 5).
    CertificateUnavailable: "certificate-unavailable", 403, "Certificate could not be fetched", None,
        "Serve the chain at the x5u URL over https on port 443 or 8443 without redirects, or send x5c.";
    /// Whether the certificate is revoked cannot be told, because the list that
    /// would say so is missing or out of date here (sections 2 and 5).
    RevocationUnavailable: "revocation-unavailable", 503, "Revocation list missing or out of date", Some(60),
        "Send the same request again after Retry-After; if it persists tell the operator.";
    /// `iss` is not in the certificate's TNAuthList (section 2).
    SubjectNotAuthorized: "subject-not-authorized", 403, "Certificate does not speak for this subject", None,
        "Set iss to the SPC or a telephone number that stands in the certificate's TNAuthList.";
    /// A token type that this issuer does not sign (section 2).
    UnknownTokenType: "unknown-token-type", 422, "Unknown token type", None,
        "Use a token type that the issuer's directory lists.";
    /// A truncated key id that no live key has (section 2).
    UnknownTokenKey: "unknown-token-key", 422, "Unknown token key", None,
        "Fetch the issuer's directory again and blind for a key in it.";
    /// A blinded message or element of wrong size or value (section 2).
    InvalidBlindedElement: "invalid-blinded-element", 422, "Invalid blinded element", None,
        "Blind again for the key in the issuer's directory.";
    /// The subject has drawn all its tokens of this key epoch (section 2).
    QuotaExceeded: "quota-exceeded", 429, "Quota exceeded", Some(3600),
        "Wait for the next key epoch, or ask the issuer's operator to raise its [quota].";

    /// A store request whose headers or body are not as section 3 has them.
    MalformedStoreRequest: "malformed-store-request", 400, "Malformed store request", None,
        "Send body, Content-Digest, Signature-Input and Signature as the protocol says.";
    /// There is no `Authorization: PrivateToken` (section 3).
    TokenMissing: "token-missing", 401, "Token missing", None,
        "Spend a token for the challenge in WWW-Authenticate.";
    /// The token is malformed, for another challenge or key, or not signed by
    /// the issuer (section 3).
    TokenInvalid: "token-invalid", 401, "Token invalid", None,
        "Spend a token for the challenge and under the key in WWW-Authenticate.";
    /// No mailbox of this id (section 3).
    UnknownMailbox: "unknown-mailbox", 404, "Unknown mailbox", None,
        "Fetch the recipient's key records again; the token is not spent.";
    /// The sealed PASSporT is not of the slot size of the mailbox (section 3).
    WrongSlotSize: "wrong-slot-size", 413, "Sealed PASSporT has the wrong size", None,
        "Pad to the slot size of the recipient's KEM; the token is not spent.";
    /// `Content-Digest` is not that of the body (section 3).
    ContentDigestMismatch: "content-digest-mismatch", 400, "Content-Digest does not match the body", None,
        "Compute Content-Digest over the body as sent; the token is not spent.";
    /// The request is not signed by the token's key (section 3).
    SpendSignature: "spend-signature", 401, "Spend signature invalid", None,
        "Sign with the private key of the token's nonce; the token is not spent.";
    /// The request's signature was created at another time than now (section 3).
    SpendNotCurrent: "spend-not-current", 401, "Spend signature not current", None,
        "Set your clock. The token is not spent here, but sign no other request with it: take another token.";
    /// The token was spent with another request (section 3).
    TokenAlreadySpent: "token-already-spent", 409, "Token already spent", None,
        "Use another token. Two different requests with one token are recorded as evidence.";

    /// `slots` or `after` of a retrieval is not as section 4 has them.
    MalformedPageRequest: "malformed-page-request", 400, "Malformed page request", None,
        "Ask for 4, 16, 64 or 256 slots, with the cursor of an earlier page or none.";

    /// A key record that is not one (section 5).
    MalformedKeyRecord: "malformed-key-record", 400, "Malformed key record", None,
        "Send one compact JWS with the claims that the protocol names.";
    /// A key record that is expired, from the future, or valid for too long (section 5).
    KeyRecordNotCurrent: "key-record-not-current", 422, "Key record not current", None,
        "Set your clock, and sign a fresh record, for seven days at most.";
    /// A key record that its certificate's key did not sign (section 5).
    KeyRecordSignature: "key-record-signature", 422, "Key record signature invalid", None,
        "Sign with the private key that belongs to the certificate in x5c.";
    /// The certificate has no authority for the numbers of the record (section 5).
    NumberNotAuthorized: "number-not-authorized", 403, "No authority for this number", None,
        "Use a certificate whose TNAuthList holds the numbers, or have the operator's numbering table or service give them to your SPC.";
    /// Who holds the numbers of the record cannot be told at present (section 5).
    NumberingUnavailable: "numbering-unavailable", 503, "Numbering not available", Some(60),
        "Send the same record again after Retry-After; if it persists tell the operator.";
    /// As many bytes of records as the numbers of one certificate may have (section 5).
    TooManyKeyRecords: "too-many-key-records", 409, "Too many key records for these numbers", None,
        "Wait until one of them expires, or withdraw some: register newer records of their keys that end in a second.";
    /// The directory has no room for another record of anybody (section 5).
    KeyDirectoryFull: "key-directory-full", 503, "Key directory full", Some(600),
        "Send the same record again after Retry-After, when others have ended; if it persists tell the operator.";
    /// No unexpired record with this hash (section 5.2).
    UnknownKeyRecord: "unknown-key-record", 404, "Unknown key record", None,
        "Read the feed again: the record has ended, or another has taken its place.";
    /// A number, prefix or mailbox id in the path or query that is not one
    /// (sections 4 and 5).
    MalformedNumber: "malformed-number", 400, "Malformed number, prefix or mailbox id", None,
        "Write telephone numbers as digits alone, without a plus sign, and mailbox ids as 43 characters of base64url.";

    /// A request that came through a relay is not one that can be handed on (section 8).
    MalformedObliviousRequest: "malformed-oblivious-request", 400, "Malformed oblivious request", None,
        "Encode the request as RFC 9292 says, without expect and trailers, and seal it again.";
    /// A request that came through a relay is not for this service, or cannot be answered
    /// that way (section 8).
    MisdirectedRequest: "misdirected-request", 421, "Misdirected request", None,
        "Ask the service that is meant, and directly if the answer is too long for a relay.";
    /// The service takes this request through a relay only (section 8).
    RelayRequired: "relay-required", 403, "Only through a relay", None,
        "Seal the same request to the service's key and send it through a relay; the token is not spent.";
    /// No key of now is in the service's log under a checkpoint (section 8).
    NoObliviousKey: "no-oblivious-key", 503, "No key for oblivious requests at present", Some(2),
        "Ask again after Retry-After; nothing was spent. If it persists for more than ten minutes tell the operator.";
}

impl ProblemType {
    /// The `type` URI.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.name())
    }

    /// The type with this URI, if it is one of ours.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(TYPE_PREFIX)?;
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The document of this type that says what was wrong this time, and then
    /// what to do. `what_was_wrong` must hold no secret: it leaves the house.
    #[must_use]
    pub fn because(self, what_was_wrong: impl fmt::Display) -> Problem {
        Problem {
            kind: self.uri(),
            title: self.title().to_owned(),
            status: self.status(),
            detail: format!("{} {}", sentence(&what_was_wrong), self.advice()),
        }
    }

    /// The document of this type when there is nothing particular to say.
    #[must_use]
    pub fn document(self) -> Problem {
        Problem {
            kind: self.uri(),
            title: self.title().to_owned(),
            status: self.status(),
            detail: self.advice().to_owned(),
        }
    }
}

/// A problem document as it is sent, and as it is received from anybody: the
/// members are RFC 9457's with their defaults, others are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The `type` URI.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The type in words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status; 0 when the document does not say.
    #[serde(default)]
    pub status: u16,
    /// What was wrong this time and what to do.
    #[serde(default)]
    pub detail: String,
}

impl Problem {
    /// The type, if it is one of ours.
    #[must_use]
    pub fn problem_type(&self) -> Option<ProblemType> {
        ProblemType::from_uri(&self.kind)
    }

    /// The body to send with [`PROBLEM_MEDIA_TYPE`].
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "type": self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        })
        .to_string()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.title, self.status, self.detail)
    }
}

/// With a full stop, unless it ends as a sentence does already.
fn sentence(text: &impl fmt::Display) -> String {
    let text = text.to_string();
    let is_ended = text.ends_with(['.', '?', '!']);
    let stop = if is_ended { "" } else { "." };
    text + stop
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

#[cfg(test)]
mod tests;
