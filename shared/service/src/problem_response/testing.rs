//! For tests: what an answer would tell the public about the machine of a service, its
//! network or its configuration.

use std::collections::BTreeSet;

use axum::body::to_bytes;
use axum::response::Response;
use pennyblack_base::problem::{Problem, ProblemType};

use super::PublicRefusal;

/// So many causes must name what a client must not learn, or the check sees nothing.
const PLANTED: usize = 4;

/// Checks what clients get of `refusals`, each with its status: the header fields that
/// go with the status, and no word of why the service is at fault.
///
/// # Panics
/// When an answer is not as it must be, or fewer than four causes are such that they
/// could tell a client anything.
#[allow(clippy::panic, reason = "only tests call it")]
pub async fn assert_answers<R: PublicRefusal>(
    refusals: Vec<(R, u16)>,
    answer: impl Fn(R) -> Response,
) {
    let mut planted = 0;
    for (refusal, status) in refusals {
        let cause = refusal.to_string();
        let (head, body) = answer(refusal).into_parts();
        assert_eq!(head.status, status, "{cause}");
        let has = |name: &str| head.headers.contains_key(name);
        assert_eq!(has("retry-after"), matches!(status, 429 | 503), "{cause}");
        assert_eq!(has("www-authenticate"), status == 401, "{cause}");
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let problem: Problem = serde_json::from_slice(&body)
            .unwrap_or_else(|error| panic!("no problem document: {error}"));
        if status >= 500 {
            planted += usize::from(indiscretion(&cause).is_some());
            assert_eq!(indiscretion(&problem.detail), None, "{problem}");
        }
    }
    assert!(planted >= PLANTED, "only {planted} causes could have told");
}

/// What the listener and the router of every service answer by themselves.
pub const OF_EVERY_SERVICE: [ProblemType; 6] = [
    ProblemType::NotFound,
    ProblemType::MethodNotAllowed,
    ProblemType::BodyTooLarge,
    ProblemType::RequestTimeout,
    ProblemType::Overloaded,
    ProblemType::Internal,
];

/// Checks that a description in OpenAPI has each of these problem types, and no other of ours.
///
/// # Panics
/// When one is missing or too many.
pub fn assert_described(description: &str, answered: impl IntoIterator<Item = ProblemType>) {
    let uris = description
        .split_whitespace()
        .map(|word| word.trim_matches('"'));
    let described = uris.filter_map(ProblemType::from_uri);
    let described: BTreeSet<_> = described.map(ProblemType::name).collect();
    let answered: BTreeSet<_> = answered.into_iter().map(ProblemType::name).collect();
    assert_eq!(described, answered);
}

/// The first word of a sentence that looks like a path, a host, an address, a URL, an
/// option or a key of the configuration.
#[must_use]
pub fn indiscretion(sentence: &str) -> Option<&str> {
    sentence.split_whitespace().find(|word| {
        let inner = word.trim_end_matches(['.', ',', ';', ':', ')']);
        inner.contains(['/', '\\', '_', '.', ':', '[', '=', '@', '"', '`'])
            || inner.starts_with("--")
    })
}

/// The variants of an enum that are missing among `all`. It does not compile until every
/// variant is named.
#[macro_export]
macro_rules! missing_variants {
    ($enumeration:ident, $all:expr, [$($variant:ident),+ $(,)?]) => {{
        let name = |one: &$enumeration| match one {
            $($enumeration::$variant { .. } => stringify!($variant),)+
        };
        let found: std::collections::HashSet<_> = $all.iter().map(name).collect();
        let variants = [$(stringify!($variant)),+];
        variants.into_iter().filter(|one| !found.contains(one)).collect::<Vec<_>>()
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_a_host_a_url_an_option_and_a_key_are_seen() {
        for indiscreet in [
            "(it remembers in /var/lib/pennyblack/seen.json)",
            "no connection to redis-7.example.net:6379",
            "no connection to 192.0.2.7",
            "no connection to [2001:db8::7]",
            "the store at redis://redis-7",
            "run it once with --accept-older-store, and start it",
            "store.durability: it is not persistent",
            "lower max_evaluations",
            "there is no [store]",
        ] {
            assert!(indiscretion(indiscreet).is_some(), "{indiscreet}");
        }
        let discreet = "The store is away (for now). Send it again after Retry-After; it helps.";
        assert_eq!(indiscretion(discreet), None);
    }

    #[test]
    #[should_panic(expected = "unknown-mailbox")]
    fn a_problem_type_that_is_not_described_is_named() {
        let description = "const: urn:pennyblack:problem:not-found";
        assert_described(
            description,
            [ProblemType::NotFound, ProblemType::UnknownMailbox],
        );
    }

    #[test]
    #[should_panic(expected = "not-found")]
    fn a_problem_type_that_is_described_and_never_answered_is_named() {
        assert_described("const: urn:pennyblack:problem:not-found", []);
    }

    #[test]
    fn a_variant_that_is_missing_is_named() {
        #[allow(dead_code, reason = "it is the one that is missing")]
        enum Light {
            On(u8),
            Off,
        }
        let missing = missing_variants!(Light, [Light::On(1)], [On, Off]);
        assert_eq!(missing, ["Off"]);
    }
}
