//! Singular and plural, lines that fit, times of a day.

use console::measure_text_width;
use indicatif::HumanCount;
use pennyblack_base::foreign_text;
use pennyblack_base::time::UnixTime;

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

/// Lines of at most 80 characters, with something in front of the first and of the others.
/// A longer word has a line of its own.
pub(crate) fn wrapped(text: &str, first: &str, others: &str) -> String {
    const WIDTH: usize = 80;
    let mut done = String::new();
    let mut line = first.to_owned();
    for word in text.split_whitespace() {
        let is_begun = !line.trim_end().is_empty() && !line.ends_with(' ');
        if is_begun && measure_text_width(&line) + 1 + measure_text_width(word) > WIDTH {
            done.push_str(&line);
            done.push('\n');
            line = others.to_owned();
        } else if is_begun {
            line.push(' ');
        }
        line.push_str(word);
    }
    done + &line
}

/// A line that may be longer, folded: what follows stands further in than its first.
pub(crate) fn folded(line: &str) -> String {
    let text = line.trim_start();
    let first = " ".repeat(line.len() - text.len());
    wrapped(text, &first, &format!("{first}  "))
}

/// `06:00:05Z`, where the day is the same in all rows.
pub(crate) fn time_of_day(time: UnixTime) -> String {
    let text = time.to_string();
    text.split_once('T')
        .map_or(text.clone(), |(_, of_day)| of_day.to_owned())
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

    #[test]
    fn a_long_sentence_is_broken_between_words_and_a_long_word_is_not() {
        let text = wrapped(&"word ".repeat(40), "- ", "  ");
        assert!(text.starts_with("- word word"), "{text}");
        assert!(
            text.lines().skip(1).all(|line| line.starts_with("  word")),
            "{text}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert_eq!(
            text.split_whitespace()
                .filter(|word| *word == "word")
                .count(),
            40
        );
        let line = folded(&format!("  failed: {}", "word ".repeat(20)));
        assert!(line.starts_with("  failed: word"), "{line}");
        assert!(line.contains("\n    word"), "{line}");
        let key = "k".repeat(100);
        assert_eq!(
            wrapped(&format!("a {key} b"), "", ""),
            format!("a\n{key}\nb")
        );
    }
}
