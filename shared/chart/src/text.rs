//! How text and numbers are written into a page or a picture.

use std::fmt::{self, Display, Formatter, Write};

/// Text in which nothing is markup.
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '&' => self.0.write_str("&amp;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                // XML has no place for them, escaped or not.
                control if control.is_control() => self.0.write_char(' ')?,
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A number with its thousands apart.
pub struct Count(pub u64);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_char('\u{202f}')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// A value as people write it: three digits, and k or M for thousands or millions.
#[must_use]
pub fn short(value: f64) -> String {
    let (value, suffix) = match value.abs() {
        large if large >= 999_500.0 => (value / 1e6, " M"),
        large if large >= 999.5 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    let decimals = (2 - value.abs().log10().floor() as i32).clamp(0, 6) as usize;
    let digits = format!("{value:.decimals$}");
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    format!("{digits}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_be_markup() {
        let escaped = Escaped("<a b='c' d=\"e\">&\u{7}").to_string();
        assert_eq!(escaped, "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp; ");
    }

    #[test]
    fn thousands_are_apart() {
        let shown = [0, 999, 1_000, 1_234_567].map(|count| Count(count).to_string());
        let apart = ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"];
        assert_eq!(shown, apart);
    }

    #[test]
    fn values_are_short() {
        let shown = [0.0, 0.0123, 7.0, 21.94, 1_000.0, 12_345.0, 10e6].map(short);
        assert_eq!(shown, ["0", "0.0123", "7", "21.9", "1 k", "12.3 k", "10 M"]);
    }
}
