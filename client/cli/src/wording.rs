//! Singular and plural.

use indicatif::HumanCount;
use pennyblack_base::foreign_text;

/// `1 token`, `2 tokens`, `10,000 tokens`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", HumanCount(number))
}

/// The same for what adds an `s`.
pub(crate) fn plural(number: u64, one: &str) -> String {
    count(number, one, &format!("{one}s"))
}

/// Most characters of what somebody else wrote that are shown at once.
const MAX_FOREIGN: usize = 300;

/// What somebody else wrote, so that it can neither steer a terminal nor fill it.
pub(crate) fn printable(foreign: &str) -> String {
    foreign_text::printable(foreign, MAX_FOREIGN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_everything_else_is_plural() {
        assert_eq!(plural(0, "token"), "0 tokens");
        assert_eq!(plural(1, "token"), "1 token");
        assert_eq!(plural(10_000, "token"), "10,000 tokens");
        assert_eq!(count(1, "entry", "entries"), "1 entry");
        assert_eq!(count(2, "entry", "entries"), "2 entries");
    }
}
