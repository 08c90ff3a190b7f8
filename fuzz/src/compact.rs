//! Compact JWS made of fuzzed JSON. A fuzzer that had to find base64 and a
//! signature by itself would never get to the claims.

use pennyblack_shared::encoding::base64url;

use crate::world::world;

/// A token for each pair of lines, a header and its claims, both JSON, with a
/// good signature by the world's carrier. A line left over is passed over.
#[must_use]
pub fn tokens(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let (pairs, _) = lines.as_chunks::<2>();
    pairs
        .iter()
        .map(|[header, claims]| token(header, claims))
        .collect()
}

/// One token of this header and these claims.
#[must_use]
pub fn token(header: &str, claims: &str) -> String {
    let signed = format!(
        "{}.{}",
        base64url(header.as_bytes()),
        base64url(claims.as_bytes())
    );
    let signature = world().sign(signed.as_bytes());
    format!("{signed}.{}", base64url(&signature))
}
