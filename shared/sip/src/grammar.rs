//! The signs of RFC 3261 section 25.1: what a token is, and where a value ends that has
//! quoted strings and angle brackets in it.

/// Most values of one header, or parameters of one value.
pub(crate) const MAX_PARTS: usize = 64;

/// Text that is not what its place in a message asks for. Foreign text is never part of
/// the error, because it may be a telephone number, which log lines do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// Not of the form that its standard gives it.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// A header that may be in a message only once is in it twice.
    #[error("{0} must be in a message at most once")]
    Repeated(&'static str),
    /// A parameter that a value may have only once (RFC 3261 section 7.3.1).
    #[error("a parameter of {0} is there twice")]
    RepeatedParameter(&'static str),
    /// More parts than any honest message has.
    #[error("{0} has more than {MAX_PARTS} parts")]
    TooManyParts(&'static str),
    /// A header that a message must have.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// A character of a token (RFC 3261 section 25.1).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        )
}

/// One or more characters of a token.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// A byte that must not be within a line: controls except the tab.
pub(crate) const fn is_forbidden_byte(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Where a scan is within a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Quotes,
    /// After a backslash in quotes.
    Escape,
    Brackets,
}

impl Inside {
    const fn after(self, character: char) -> Self {
        match (self, character) {
            (Self::Nothing, '"') | (Self::Escape, _) => Self::Quotes,
            (Self::Nothing, '<') => Self::Brackets,
            (Self::Quotes, '\\') => Self::Escape,
            (Self::Quotes, '"') | (Self::Brackets, '>') => Self::Nothing,
            (inside, _) => inside,
        }
    }
}

/// The first place of `wanted` that is in neither quotes nor angle brackets.
pub(crate) fn find_outside(text: &str, wanted: char) -> Option<usize> {
    let mut inside = Inside::Nothing;
    for (at, character) in text.char_indices() {
        if inside == Inside::Nothing && character == wanted {
            return Some(at);
        }
        inside = inside.after(character);
    }
    None
}

/// The parts between separators that are in neither quotes nor angle brackets, trimmed.
pub(crate) fn split_outside<'a>(
    text: &'a str,
    separator: char,
    what: &'static str,
) -> Result<Vec<&'a str>, SyntaxError> {
    let mut parts = Vec::new();
    let mut inside = Inside::Nothing;
    let mut rest = text;
    let mut start = 0;
    for (at, character) in text.char_indices() {
        if inside == Inside::Nothing && character == separator {
            if parts.len() + 1 >= MAX_PARTS {
                return Err(SyntaxError::TooManyParts(what));
            }
            let (part, after) = rest
                .split_at_checked(at - start)
                .ok_or(SyntaxError::Malformed(what))?;
            parts.push(part.trim_matches(BLANKS));
            rest = after.strip_prefix(separator).unwrap_or(after);
            start = at + separator.len_utf8();
        }
        inside = inside.after(character);
    }
    if inside != Inside::Nothing {
        return Err(SyntaxError::Malformed(what));
    }
    parts.push(rest.trim_matches(BLANKS));
    Ok(parts)
}

/// The blanks of a line. Unicode's other blanks are text.
pub(crate) const BLANKS: [char; 2] = [' ', '\t'];

/// The text of a quoted string, without its quotes and backslashes.
pub(crate) fn unquoted(text: &str) -> Option<String> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut plain = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.push(characters.next()?),
            '"' => return None,
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_quotes_and_brackets_separate_nothing() {
        let text = r#""a, \", b" <sip:x@y;p=1,2>;q, "c" <sip:z>"#;
        let parts = split_outside(text, ',', "a value").unwrap();
        assert_eq!(parts, [r#""a, \", b" <sip:x@y;p=1,2>;q"#, r#""c" <sip:z>"#]);
        assert_eq!(find_outside(r#""<" <a>"#, '<'), Some(4));
        for open in [r#""a"#, "<a", r#""a\""#] {
            assert!(split_outside(open, ',', "a value").is_err(), "{open}");
        }
    }

    #[test]
    fn parts_are_counted_before_they_are_kept() {
        let most = ",".repeat(MAX_PARTS - 1);
        assert_eq!(split_outside(&most, ',', "a value").unwrap().len(), 64);
        assert!(split_outside(&format!("{most},"), ',', "a value").is_err());
    }

    #[test]
    fn a_quoted_string_loses_its_quotes_and_backslashes() {
        assert_eq!(unquoted(r#""J \\\" R""#).unwrap(), r#"J \" R"#);
        for bad in ["", "\"", "a", r#""a"b""#, r#""a\""#] {
            assert_eq!(unquoted(bad), None, "{bad}");
        }
    }
}
