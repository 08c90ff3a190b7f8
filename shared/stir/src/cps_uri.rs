//! The CPS URI extension: a certificate that names the CPS of its subject, so that callers
//! find it (draft-sliwa-stir-cert-cps-ext). No object identifier is registered for it yet, so
//! the operator configures one. What it says is a hint (`directory_hint`).

use super::der::{DerError, DerReader, tag};
use super::hinted_cps::{HintedCps, HintedUriError};

/// The identifier that is used unless another is configured, for trials: it is below the
/// number that RFC 5612 reserves for examples, so no certificate of the field has it.
pub const EXPERIMENTAL_CPS_URI_OID: &str = "1.3.6.1.4.1.32473.9888.1";

/// Most URIs of a certificate that are read.
pub const MAX_CPS_URIS: usize = 16;

/// An extension value that does not hold https URIs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpsUriError {
    /// Not strings in DER.
    #[error("the CPS URI extension is not strict DER: {0}")]
    Der(#[from] DerError),
    /// A string that is no https URI.
    #[error("the CPS URI extension: {0}")]
    Uri(#[from] HintedUriError),
    /// None, or more than are read.
    #[error("the CPS URI extension has 1 to {MAX_CPS_URIS} URIs, and this one another number")]
    Count,
}

/// Parses the extension's value: a SEQUENCE of IA5Strings, each an https URI, as versions 01
/// and 02 of the draft have it, and as it goes on under the name draft-sliwa-stir-pps-ext; or
/// one such string alone (00). One bad URI makes the whole invalid.
///
/// # Errors
/// [`CpsUriError`].
pub fn parse_cps_uris(der: &[u8]) -> Result<Vec<HintedCps>, CpsUriError> {
    let mut reader = DerReader::new(der);
    let uris = match reader.peek()? {
        tag::SEQUENCE => several(reader.inside(tag::SEQUENCE)?)?,
        _ => vec![reader.ia5_string()?.parse()?],
    };
    reader.finish()?;
    Ok(uris)
}

fn several(mut list: DerReader<'_>) -> Result<Vec<HintedCps>, CpsUriError> {
    let mut uris = Vec::new();
    while !list.is_empty() {
        if uris.len() == MAX_CPS_URIS {
            return Err(CpsUriError::Count);
        }
        uris.push(list.ia5_string()?.parse()?);
    }
    match uris.is_empty() {
        true => Err(CpsUriError::Count),
        false => Ok(uris),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let mut der = vec![tag];
        match u8::try_from(contents.len()) {
            Ok(short @ 0..=0x7f) => der.push(short),
            Ok(long) => der.extend([0x81, long]),
            Err(_) => {
                der.push(0x82);
                der.extend(u16::try_from(contents.len()).unwrap().to_be_bytes());
            }
        }
        der.extend(contents);
        der
    }

    fn ia5(text: &str) -> Vec<u8> {
        element(tag::IA5_STRING, text.as_bytes())
    }

    fn list(texts: &[&str]) -> Vec<u8> {
        let strings: Vec<u8> = texts.iter().flat_map(|text| ia5(text)).collect();
        element(tag::SEQUENCE, &strings)
    }

    fn read(der: &[u8]) -> Result<Vec<String>, CpsUriError> {
        let uris = parse_cps_uris(der)?;
        Ok(uris.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_forms_of_all_versions_of_the_draft_are_read() {
        let uri = "https://cps.example/oob/v1";
        assert_eq!(read(&ia5(uri)).unwrap(), [uri]);
        let two = [uri, "https://cps-b.example"];
        assert_eq!(read(&list(&two)).unwrap(), two);
    }

    #[test]
    fn one_bad_uri_spoils_all() {
        for wrong in [
            "http://cps.example",
            "https://",
            "https://a b",
            "cps.example",
        ] {
            for der in [ia5(wrong), list(&["https://cps.example", wrong])] {
                assert!(matches!(read(&der), Err(CpsUriError::Uri(_))), "{wrong}");
            }
        }
        // No version has strings of another type.
        let utf8 = element(tag::UTF8_STRING, b"https://cps.example");
        for der in [element(tag::SEQUENCE, &utf8), utf8] {
            assert!(matches!(read(&der), Err(CpsUriError::Der(_))));
        }
    }

    #[test]
    fn their_number_is_bounded() {
        let uris = vec!["https://cps.example"; MAX_CPS_URIS + 1];
        assert_eq!(read(&list(&uris[1..])).unwrap().len(), MAX_CPS_URIS);
        assert_eq!(read(&list(&uris)), Err(CpsUriError::Count));
        assert_eq!(read(&list(&[])), Err(CpsUriError::Count));
    }

    #[test]
    fn every_byte_belongs_to_it() {
        let mut long = list(&["https://cps.example"]);
        long.push(0);
        let trailing = Err(CpsUriError::Der(DerError::TrailingBytes(1)));
        assert_eq!(read(&long), trailing);
        assert_eq!(read(&[]), Err(CpsUriError::Der(DerError::Missing)));
    }
}
