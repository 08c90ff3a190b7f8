//! What is said on standard error: errors and warnings. Not here: which.

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};

use console::style;

use super::wording::wrapped;

/// Tells of something that is not as it should be, and stops nothing, on standard error.
pub(crate) fn warn(error: &dyn Error) {
    let label = style("warning:").for_stderr().yellow().bold();
    tell(&label.to_string(), &message(error));
}

/// The error and its causes, each said once: many messages already quote
/// their cause.
pub(crate) fn message(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

/// On standard error.
pub(crate) fn tell(label: &str, message: &str) {
    let is_terminal = io::stderr().is_terminal();
    let _ = writeln!(io::stderr(), "{}", sentence(label, message, is_terminal));
}

/// In one line for programs, and folded for people.
fn sentence(label: &str, message: &str, is_terminal: bool) -> String {
    match is_terminal {
        true => wrapped(message, &format!("{label} "), "  "),
        false => format!("{label} {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_for_programs_and_folded_for_people() {
        let url = "https://cps.example.net/v1/keys/12155550100?pad=090909090909090909090909";
        let message = format!(
            "no answer from {url}: check the address; {}",
            "word ".repeat(30)
        );
        let line = sentence("error:", &message, false);
        assert_eq!(line, format!("error: {message}"));
        let lines = sentence("error:", &message, true);
        assert!(lines.lines().all(|line| line.len() <= 80), "{lines}");
        assert!(lines.lines().any(|line| line.contains(url)), "{lines}");
        assert!(
            lines.lines().skip(1).all(|line| line.starts_with("  ")),
            "{lines}"
        );
    }
}
