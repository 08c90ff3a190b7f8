//! What somebody else wrote, on its way to a terminal or a log line.

/// The first `max` characters, without those that steer a terminal, forge a line, or show
/// what follows in another order than it is in.
#[must_use]
pub fn printable(foreign: &str, max: usize) -> String {
    let shown = foreign.chars().filter(|c| !steers(*c));
    shown.take(max).collect()
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Marks, embeddings, overrides and isolates of the writing direction.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Ends of a line and of a paragraph.
            | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_steers_no_terminal_and_has_an_end() {
        let hostile = format!("\u{1b}]0;x\u{7}\u{9b}31m{}", "y".repeat(100_000));
        let shown = printable(&hostile, 300);
        assert!(shown.starts_with("]0;x31myy") && shown.len() == 300);
    }

    #[test]
    fn foreign_text_stands_in_its_own_order_on_one_line() {
        let hostile = "a\u{202e}b\u{2066}c\u{200f}d\u{061c}e\u{2028}f\ng";
        assert_eq!(printable(hostile, 300), "abcdefg");
        assert_eq!(printable("Zürich – 東京", 300), "Zürich – 東京");
    }
}
