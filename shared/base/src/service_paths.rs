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
/// Where the admin address of every service says that it runs.
pub const HEALTH_PATH: &str = "/healthz";
/// What it says there.
pub const HEALTHY: &str = "alive\n";
