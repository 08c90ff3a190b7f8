//! PEM (RFC 7468) as people have it: with a byte order mark, in UTF-16, with lines that end
//! in CR, indented, with text in front of and between the blocks. **No block vanishes in
//! silence:** a line that begins one is read as such, or refused with its number. Not here:
//! what is in a block.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::encoding::{Base64Error, base64_standard, from_base64_standard};

const RULE: &str = "-----";

/// How labels of private keys end.
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// With which byte a certificate in DER begins. PEM may begin with the same byte, `0`, but
/// has a block then.
const DER_SEQUENCE: u8 = 0x30;

/// What no line shows that does not begin a block: editors turn hyphens into dashes.
const BEGINNINGS: [&str; 3] = ["-BEGIN ", "\u{2013}BEGIN ", "\u{2014}BEGIN "];

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemBlock {
    /// What it says that it is, such as `CERTIFICATE`.
    pub label: String,
    /// The line of the file where it begins, from 1.
    pub line: usize,
    /// The bytes. A private key's are left out: its readers take care that no copy stays.
    pub contents: Vec<u8>,
}

/// A block that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// The beginning of a block, in another form.
    #[error(
        "line {0}: the beginning of a PEM block has its line to itself, and is \
         -----BEGIN, the kind and -----, as in -----BEGIN CERTIFICATE-----"
    )]
    Beginning(usize),
    /// A block without its end.
    #[error(
        "line {line}: the PEM block {label} does not end with -----END {label}-----: is the \
         file cut off?"
    )]
    Unended {
        /// Where it begins.
        line: usize,
        /// What it says that it is.
        label: String,
    },
    /// Contents that are no base64.
    #[error("line {line}: the PEM block {label} is damaged: {error}")]
    Contents {
        /// Where it begins.
        line: usize,
        /// What it says that it is.
        label: String,
        /// What is wrong.
        error: Base64Error,
    },
}

/// A file of certificates for TLS that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificatesError {
    /// One of its blocks.
    #[error(transparent)]
    Block(#[from] PemError),
    /// Neither PEM with a certificate nor DER.
    #[error("it holds no certificate")]
    None,
}

/// The certificates of a file for TLS in DER, in its order: all blocks `CERTIFICATE`, or one
/// certificate in DER. What they say is not looked at.
///
/// # Errors
/// [`CertificatesError`]: nothing that cannot be read is passed over.
pub fn certificates(file: &[u8]) -> Result<Vec<Vec<u8>>, CertificatesError> {
    let mut found = Vec::new();
    for block in read(file) {
        let block = block?;
        if block.label == "CERTIFICATE" {
            found.push(block.contents);
        }
    }
    if found.is_empty() && file.first() == Some(&DER_SEQUENCE) {
        found.push(file.to_owned());
    }
    match found.is_empty() {
        true => Err(CertificatesError::None),
        false => Ok(found),
    }
}

/// Certificates as PEM, for libraries that read no other form.
#[must_use]
pub fn certificates_text(ders: &[Vec<u8>]) -> String {
    let block = |der: &Vec<u8>| {
        let text = base64_standard(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    ders.iter().map(block).collect()
}

/// The first block with a private key, without what editors add to its lines. It is wiped when
/// it is dropped, and made in one piece, so that no copy of a part stays behind.
#[must_use]
pub fn private_key(text: &str) -> Option<Zeroizing<String>> {
    let mut block = Zeroizing::new(String::with_capacity(text.len() + 1));
    let lines = text.split(['\n', '\r']).map(trim);
    let begins = |line: &&str| label(line, "BEGIN").is_some_and(|of| of.ends_with(PRIVATE_KEY));
    for line in lines.skip_while(|line| !begins(line)) {
        if line.is_empty() {
            continue;
        }
        block.push_str(line);
        block.push('\n');
        if line.starts_with("-----END ") {
            return Some(block);
        }
    }
    None
}

/// The blocks of a file in its order, each read or refused by itself.
#[must_use]
pub fn read(file: &[u8]) -> Vec<Result<PemBlock, PemError>> {
    let text = text(file);
    let ends = text.split('\n').flat_map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\r')
    });
    let mut lines = (1..).zip(ends.map(trim)).peekable();
    let mut blocks = Vec::new();
    while let Some((line, text)) = lines.next() {
        if !is_beginning(text) {
            continue;
        }
        let Some(label) = label(text, "BEGIN") else {
            blocks.push(Err(PemError::Beginning(line)));
            continue;
        };
        let mut body = Vec::new();
        // A block that begins before this one has ended is the next one.
        while let Some((_, text)) = lines.next_if(|(_, text)| !is_beginning(text)) {
            body.push(text);
            if text.contains("-----END") {
                break;
            }
        }
        blocks.push(block(label, line, &body));
    }
    blocks
}

fn block(found: &str, line: usize, body: &[&str]) -> Result<PemBlock, PemError> {
    let named = || found.to_owned();
    let body = match body.split_last() {
        Some((last, body)) if label(last, "END") == Some(found) => body,
        _ => {
            return Err(PemError::Unended {
                line,
                label: named(),
            });
        }
    };
    let mut contents = Vec::new();
    if !found.ends_with(PRIVATE_KEY) {
        // Lines with a colon are headers (RFC 1421); base64 has none.
        let base64 = body.iter().filter(|text| !text.contains(':'));
        let base64: String = base64.flat_map(|text| text.split_whitespace()).collect();
        contents = from_base64_standard(&base64).map_err(|error| PemError::Contents {
            line,
            label: named(),
            error,
        })?;
    }
    Ok(PemBlock {
        label: named(),
        line,
        contents,
    })
}

/// The file as text. What is not Unicode cannot belong to a block.
fn text(file: &[u8]) -> Cow<'_, str> {
    match file {
        [0xff, 0xfe, utf16 @ ..] => utf_16(utf16, u16::from_le_bytes),
        [0xfe, 0xff, utf16 @ ..] => utf_16(utf16, u16::from_be_bytes),
        utf8 => String::from_utf8_lossy(utf8),
    }
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let chars = char::decode_utf16(units);
    Cow::Owned(
        chars
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
    )
}

/// A line without the white space, the byte order marks, and the spaces without width that
/// editors and web pages put around it.
#[must_use]
pub fn trim(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

fn is_beginning(line: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| line.contains(beginning))
}

fn label<'a>(line: &'a str, which: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(RULE)?.strip_prefix(which)?;
    let label = rest.strip_prefix(' ')?.strip_suffix(RULE)?;
    (!label.is_empty() && !label.contains("--")).then_some(label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::encoding::base64_standard;

    const PLAIN: &str = "-----BEGIN CERTIFICATE-----\nAQID\nBA==\n-----END CERTIFICATE-----\n";

    fn contents(file: &[u8]) -> Vec<Vec<u8>> {
        let blocks = read(file).into_iter();
        blocks.map(|block| block.unwrap().contents).collect()
    }

    fn refusal(file: &str) -> PemError {
        read(file.as_bytes()).remove(0).unwrap_err()
    }

    fn utf_16(unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(PLAIN.encode_utf16());
        units.flat_map(unit).collect()
    }

    #[test]
    fn a_block_is_found_however_editors_and_mailers_have_left_the_file() {
        let indented: String = PLAIN.lines().map(|line| format!("\t  {line} \n")).collect();
        for file in [
            PLAIN.as_bytes(),
            format!("\u{feff}{PLAIN}").as_bytes(),
            format!("\u{feff}\u{feff}\n{PLAIN}").as_bytes(),
            indented.as_bytes(),
            PLAIN.replace('\n', "\r\n").as_bytes(),
            PLAIN.replace('\n', "\r").as_bytes(),
            PLAIN.replace('\n', "\n\n").as_bytes(),
            PLAIN.replace("AQID\nBA==", "AQ ID BA==").as_bytes(),
            PLAIN.replace("AQID", "Proc-Type: 4\n\nAQID").as_bytes(),
            PLAIN.trim_end().as_bytes(),
            format!("Certificate:\n    Issuer: CN=x\n{PLAIN}and more").as_bytes(),
            &[b"Issuer: M\xfcller\n", PLAIN.as_bytes()].concat(),
            &utf_16(u16::to_le_bytes),
            &utf_16(u16::to_be_bytes),
        ] {
            assert_eq!(contents(file), [[1, 2, 3, 4]], "{file:?}");
        }
        assert_eq!(contents(b"no block at all"), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_beginning_that_is_no_beginning_is_refused_with_its_line() {
        for line in [
            "# -----BEGIN CERTIFICATE-----",
            "> -----BEGIN CERTIFICATE-----",
            "----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE----",
            "\u{2014}BEGIN CERTIFICATE\u{2014}",
            r#""-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n""#,
            r"-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----",
        ] {
            let file = format!("one\n{line}\nAQID\n");
            assert_eq!(refusal(&file), PemError::Beginning(2), "{line}");
        }
    }

    #[test]
    fn a_block_that_is_cut_off_or_damaged_is_refused_and_the_others_are_read() {
        let cut = "-----BEGIN X509 CRL-----\nAQID\n";
        for file in [cut.to_owned(), format!("{cut}-----END CERTIFICATE-----\n")] {
            let error = refusal(&file);
            assert!(
                matches!(error, PemError::Unended { line: 1, .. }),
                "{error}"
            );
        }
        let damaged = PLAIN.replace("AQID", "AQ#D");
        let read = read(format!("{PLAIN}{cut}{PLAIN}{damaged}{PLAIN}").as_bytes());
        let places: Vec<_> = read
            .iter()
            .map(|block| block.as_ref().map(|b| b.line))
            .collect();
        assert!(
            matches!(
                places.as_slice(),
                [
                    Ok(1),
                    Err(PemError::Unended { line: 5, .. }),
                    Ok(7),
                    Err(PemError::Contents { line: 11, .. }),
                    Ok(15)
                ]
            ),
            "{places:?}"
        );
    }

    #[test]
    fn certificates_are_read_from_pem_or_der_and_none_is_passed_over() {
        let two = format!("\u{feff}{PLAIN}text\n  {}", PLAIN.replace("AQID", "AQIE"));
        let found = certificates(two.as_bytes()).unwrap();
        assert_eq!(found, [[1, 2, 3, 4], [1, 2, 4, 4]]);
        assert_eq!(
            certificates(certificates_text(&found).as_bytes()).unwrap(),
            found
        );
        assert_eq!(certificates(&[0x30, 1, 2]).unwrap(), [[0x30, 1, 2]]);
        for nothing in ["", "text", &PLAIN.replace("CERTIFICATE", "X509 CRL")] {
            let error = certificates(nothing.as_bytes());
            assert_eq!(error, Err(CertificatesError::None), "{nothing}");
        }
        let half = format!("{PLAIN}-----BEGIN CERTIFICATE-----\nAQ");
        assert!(certificates(half.as_bytes()).is_err());
    }

    #[test]
    fn a_private_key_is_found_among_other_things_without_what_editors_add() {
        let key = "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n";
        let indented = key.replace('\n', "\r\n  ");
        let file = format!("\u{feff}text\n{PLAIN}  {indented}\n{PLAIN}");
        assert_eq!(private_key(&file).unwrap().as_str(), key);
        assert!(private_key(PLAIN).is_none());
        assert!(private_key("-----BEGIN PRIVATE KEY-----\nAQID\n").is_none());
    }

    #[test]
    fn a_private_keys_contents_are_left_out() {
        let file = PLAIN.replace("CERTIFICATE", "EC PRIVATE KEY");
        assert_eq!(contents(file.as_bytes()), [Vec::<u8>::new()]);
    }

    proptest! {
        #[test]
        fn as_many_blocks_come_out_as_went_in(
            blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..6),
            between in "[a-z :#\r\n]{0,20}",
        ) {
            let file: String = blocks.iter().map(|block| {
                let text = base64_standard(block);
                format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n{between}\n")
            }).collect();
            prop_assert_eq!(contents(file.as_bytes()), blocks);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
            let _ = read(&bytes);
            let _ = read(format!("-----BEGIN {text}-----\n{text}\n-----END {text}-----").as_bytes());
        }
    }
}
