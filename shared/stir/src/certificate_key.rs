//! How revocation lists name a certificate. Not here: what is in a list.

use pennyblack_base::encoding;

use super::certificate::Certificate;
use super::name::Name;

/// Which certificate: SHA-256 over the issuer's name and the serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CertificateKey([u8; 32]);

impl CertificateKey {
    pub(super) fn of(certificate: &Certificate) -> Self {
        Self::new(&certificate.issuer, &certificate.serial)
    }

    /// Serial numbers are integers: further zeros before a number, or further ones before a
    /// negative one, change nothing. Nor does a sign that was left away.
    pub(super) fn new(issuer: &Name, serial: &[u8]) -> Self {
        let fill = match serial {
            [0, ..] => serial.iter().take_while(|byte| **byte == 0).count(),
            [0xff, ..] => {
                let pairs = serial.iter().zip(serial.iter().skip(1));
                pairs
                    .take_while(|(one, next)| **one == 0xff && **next >= 0x80)
                    .count()
            }
            _ => 0,
        };
        let serial = serial.get(fill..).unwrap_or_default();
        let name = issuer.as_bytes();
        let length = (name.len() as u64).to_be_bytes();
        Self(encoding::sha256(&[&length, name, serial].concat()))
    }
}
