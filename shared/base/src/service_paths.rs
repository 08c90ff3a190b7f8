//! What the services answer to anybody, and by which a client recognises them: the
//! crates that serve these paths and the one that asks there take them from here. Not
//! here: paths of one service alone.

/// Where an issuer serves its directory (RFC 9578 section 4).
pub const ISSUER_DIRECTORY_PATH: &str = "/.well-known/private-token-issuer-directory";
/// Media type of an issuer's directory.
pub const ISSUER_DIRECTORY_MEDIA_TYPE: &str = "application/private-token-issuer-directory";
/// Where an issuer takes token requests: the directory's `issuer-request-uri`.
pub const TOKEN_REQUEST_PATH: &str = "/token-request";
/// Where a CPS takes store requests.
pub const STORE_PATH: &str = "/v1/passports";
/// Where a service takes requests that a relay brings, and shows the keys to which they are
/// sealed (RFC 9540 section 4).
pub const OHTTP_GATEWAY_PATH: &str = "/.well-known/ohttp-gateway";
/// Media type of the list of those keys (RFC 9458 section 9.1).
pub const OHTTP_KEYS_MEDIA_TYPE: &str = "application/ohttp-keys";
/// Media type of a sealed request (RFC 9458 section 9.2).
pub const OHTTP_REQUEST_MEDIA_TYPE: &str = "message/ohttp-req";
/// Media type of the sealed answer to it (RFC 9458 section 9.3).
pub const OHTTP_RESPONSE_MEDIA_TYPE: &str = "message/ohttp-res";
/// The problem type by which it says that it does not have the key to which a request is
/// sealed (RFC 9458 section 5.3).
pub const OHTTP_KEY_PROBLEM: &str = "https://iana.org/assignments/http-problem-types#ohttp-key";
/// Where the admin address of every service says that it runs.
pub const HEALTH_PATH: &str = "/healthz";
/// What it says there.
pub const HEALTHY: &str = "alive\n";
