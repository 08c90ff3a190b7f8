//! The CPS URI extension: a certificate that names the CPS of its subject, so
//! that callers find it. No object identifier is registered for it yet, so the
//! operator configures one.

use super::der::{DerError, DerReader, tag};

/// Longest URI that is read, in bytes.
const MAX_SIZE: usize = 2_048;

/// An extension value that does not hold an https URI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpsUriError {
    /// Not a string in DER.
    #[error("the CPS URI extension is not strict DER: {0}")]
    Der(#[from] DerError),
    /// Not an https URI, or too long.
    #[error("the CPS URI {0:?} is not an https URI of at most {MAX_SIZE} bytes")]
    NotHttps(String),
}

/// Parses the extension's value: one IA5String or UTF8String with an https URI.
///
/// # Errors
/// [`CpsUriError`].
pub fn parse_cps_uri(der: &[u8]) -> Result<String, CpsUriError> {
    let mut reader = DerReader::new(der);
    let uri = match reader.peek()? {
        tag::UTF8_STRING => reader.utf8_string()?,
        _ => reader.ia5_string()?,
    };
    reader.finish()?;
    let host = uri.strip_prefix("https://").unwrap_or_default();
    let graphic = uri.bytes().all(|byte| byte.is_ascii_graphic());
    if host.is_empty() || !graphic || uri.len() > MAX_SIZE {
        return Err(CpsUriError::NotHttps(uri.chars().take(80).collect()));
    }
    Ok(uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(tag: u8, text: &str) -> Vec<u8> {
        let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
        der.extend(text.bytes());
        der
    }

    #[test]
    fn an_https_uri_is_read_and_nothing_else() {
        for tag in [tag::IA5_STRING, tag::UTF8_STRING] {
            let uri = parse_cps_uri(&string(tag, "https://cps.example/x"));
            assert_eq!(uri.unwrap(), "https://cps.example/x");
        }
        for wrong in [
            "http://cps.example",
            "https://",
            "https://a b",
            "cps.example",
        ] {
            let refused = parse_cps_uri(&string(tag::IA5_STRING, wrong));
            assert_eq!(refused, Err(CpsUriError::NotHttps(wrong.to_owned())));
        }
        let mut long = string(tag::IA5_STRING, "https://cps.example");
        long.push(0);
        assert_eq!(
            parse_cps_uri(&long),
            Err(CpsUriError::Der(DerError::TrailingBytes(1)))
        );
        assert_eq!(parse_cps_uri(&[]), Err(CpsUriError::Der(DerError::Missing)));
    }
}
