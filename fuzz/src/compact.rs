//! Compact JWS made of fuzzed JSON. A fuzzer that had to find base64 and a
//! signature by itself would never get to the claims.

use pennyblack_base::encoding::base64url;

use crate::world::world;

/// Most tokens of one input: each is longer than the line it is made of.
const MOST: usize = 8;

/// A token for each of the first pairs of lines, a header and its claims, both
/// JSON, with a good signature by the world's carrier. A line left over is passed
/// over.
pub fn tokens(text: &str) -> impl Iterator<Item = String> {
    let mut lines = text.lines();
    let pairs = std::iter::from_fn(move || Some((lines.next()?, lines.next()?)));
    pairs
        .take(MOST)
        .map(|(header, claims)| token(header, claims))
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
