//! Requests of one length, whatever digits they name. HTTP/2 and HTTP/3 send 0, 1 and 2 in 5
//! bits and other digits in 6 (RFC 7541 appendix B), so the length of the text is not enough.

/// What makes `digits` as long as `max` of them: a counterweight for each, and the weight of
/// both for each that it lacks.
pub(crate) fn pad(digits: &str, max: usize) -> String {
    let lacking = max.saturating_sub(digits.len());
    let counterweights = digits.chars().map(counterweight);
    counterweights.chain("09".repeat(lacking).chars()).collect()
}

/// A digit that weighs 6 bits for one that weighs 5, and the other way round.
const fn counterweight(digit: char) -> char {
    match digit {
        '0'..='2' => '9',
        _ => '0',
    }
}
