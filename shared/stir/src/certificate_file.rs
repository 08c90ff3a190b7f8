//! Files of certificates and revocation lists, as people have them: PEM in any of the forms
//! that `pennyblack_base::pem` reads, or one certificate or list in DER. Services and clients
//! read all such files here. **Nothing vanishes in silence:** what is in a file is read,
//! refused by itself, or known to be neither (a key, a certificate request). Not here: where
//! the files are, and judging what is in them.

use super::der::{DerReader, tag};
use super::trust_error::TrustError;
use pennyblack_base::pem;

/// How the names of files of roots end. What is in them decides whether they are PEM or DER.
pub const ROOT_FILES: &[&str] = &["pem", "crt", "cer", "der"];

/// How the names of files of revocation lists end.
pub const LIST_FILES: &[&str] = &["crl", "pem", "der"];

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// What is in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CertificateFile {
    /// In DER, in the file's order.
    pub(super) certificates: Vec<Vec<u8>>,
    /// Revocation lists in DER, in the file's order.
    pub(super) lists: Vec<Vec<u8>>,
    pub(super) refused: Vec<TrustError>,
}

impl CertificateFile {
    pub(super) fn read(file: &[u8]) -> Self {
        let mut read = Self::default();
        if is_der(file) {
            match is_list(file) {
                true => read.lists.push(file.to_owned()),
                false => read.certificates.push(file.to_owned()),
            }
            return read;
        }
        let blocks = pem::read(file);
        if blocks.is_empty() {
            read.refused.push(TrustError::NeitherPemNorDer);
        }
        for block in blocks {
            match block {
                Ok(block) => read.take(block),
                Err(error) => read.refused.push(error.into()),
            }
        }
        read
    }

    fn take(&mut self, block: pem::PemBlock) {
        match block.label.as_str() {
            // RFC 7468 sections 5.1 and 6 name the older labels, too.
            "CERTIFICATE" | "X509 CERTIFICATE" | "X.509 CERTIFICATE" => {
                self.certificates.push(block.contents);
            }
            "X509 CRL" | "CRL" => self.lists.push(block.contents),
            other if is_something_else(other) => {}
            _ => self.refused.push(TrustError::Label {
                line: block.line,
                label: block.label,
            }),
        }
    }
}

/// The certificates of a file in DER, in its order.
///
/// # Errors
/// [`TrustError`] if there is none, or anything in the file cannot be read, or is a
/// revocation list.
pub fn certificates_of_file(file: &[u8]) -> Result<Vec<Vec<u8>>, TrustError> {
    let read = CertificateFile::read(file);
    if let Some(refused) = read.refused.into_iter().next() {
        return Err(refused);
    }
    if !read.lists.is_empty() {
        return Err(TrustError::ListAmongCertificates);
    }
    if read.certificates.is_empty() {
        return Err(TrustError::NoCertificate);
    }
    Ok(read.certificates)
}

/// One element, and nothing else. PEM may begin with the same byte, `0`.
fn is_der(file: &[u8]) -> bool {
    let mut reader = DerReader::new(file);
    reader.element(tag::SEQUENCE).is_ok() && reader.is_empty()
}

/// Where a list has its time, a certificate has its validity (RFC 5280 sections 4.1, 5.1).
fn is_list(der: &[u8]) -> bool {
    let third = || {
        let mut signed = DerReader::new(der).inside(tag::SEQUENCE)?;
        let mut signed = signed.inside(tag::SEQUENCE)?;
        signed.optional(tag::INTEGER)?;
        signed.element(tag::SEQUENCE)?;
        signed.element(tag::SEQUENCE)?;
        signed.peek()
    };
    matches!(third(), Ok(UTC_TIME | GENERALIZED_TIME))
}

/// What stands beside certificates, and holds none.
fn is_something_else(label: &str) -> bool {
    [
        "PRIVATE KEY",
        "PUBLIC KEY",
        "PARAMETERS",
        "CERTIFICATE REQUEST",
    ]
    .iter()
    .any(|end| label.ends_with(end))
}
