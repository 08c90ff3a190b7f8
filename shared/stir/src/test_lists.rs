//! Revocation lists for tests that the libraries do not make: indirect ones (RFC 5280
//! section 5.3.3), and names in whatever form a test wants.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "a test's scenery has no better answer to a failure than to end the test"
)]

use rcgen::{KeyPair, SigningKey as _, date_time_ymd};
use std::time::Duration;

use crate::test_pki::tlv;
use pennyblack_base::time::UnixTime;

const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];

/// The tags of UTF8String and PrintableString.
pub const UTF8_STRING: u8 = 12;
pub const PRINTABLE_STRING: u8 = 19;

/// An indirect list that holds for two days.
pub struct IndirectList {
    /// DER of its issuer's name.
    pub issuer: Vec<u8>,
    pub this_update: UnixTime,
    pub number: u8,
    /// For each revoked certificate DER of its issuer's name, and its serial number.
    pub revoked: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What else stands in a list.
#[derive(Default)]
pub struct ListForm {
    /// The URL of its distribution point.
    pub url: Option<&'static str>,
    pub extensions: Vec<Vec<u8>>,
    /// What stands in each entry before its issuer.
    pub entry_extension: Vec<u8>,
    /// Each entry names its issuer twice.
    pub repeats_issuers: bool,
}

impl IndirectList {
    /// The list in DER, signed with a key on P-256 in PEM.
    #[must_use]
    pub fn sign(&self, key_pem: &str) -> Vec<u8> {
        self.sign_in_form(key_pem, &ListForm::default())
    }

    /// The same with what `form` adds.
    #[must_use]
    pub fn sign_in_form(&self, key_pem: &str, form: &ListForm) -> Vec<u8> {
        let algorithm = tlv(0x30, &tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]));
        let next_update = self.this_update.plus(Duration::from_secs(2 * 86_400));
        let mut parts = vec![
            tlv(2, &[1]),
            algorithm.clone(),
            self.issuer.clone(),
            time(self.this_update),
            time(next_update),
        ];
        if !self.revoked.is_empty() {
            let entries = self.revoked.iter().map(|(issuer, serial)| {
                let names = tlv(0x30, &tlv(0xa4, issuer));
                let issuer = extension(CERTIFICATE_ISSUER, true, &names);
                let issuers = issuer.repeat(1 + usize::from(form.repeats_issuers));
                let extensions = tlv(0x30, &[form.entry_extension.as_slice(), &issuers].concat());
                tlv(
                    0x30,
                    &[tlv(2, serial), time(self.this_update), extensions].concat(),
                )
            });
            parts.push(tlv(0x30, &entries.collect::<Vec<_>>().concat()));
        }
        // distributionPoint [0], of it fullName [0], of it uniformResourceIdentifier [6]
        let name = |url: &str| tlv(0xa0, &tlv(0xa0, &tlv(0x86, url.as_bytes())));
        let url = form.url.map(name).unwrap_or_default();
        // indirectCRL [4] BOOLEAN
        let point = tlv(0x30, &[url, tlv(0x84, &[0xff])].concat());
        let point = extension(ISSUING_DISTRIBUTION_POINT, true, &point);
        let number = extension(CRL_NUMBER, false, &tlv(2, &[self.number]));
        parts.push(tlv(
            0xa0,
            &tlv(0x30, &[point, number, form.extensions.concat()].concat()),
        ));
        let signed = tlv(0x30, &parts.concat());
        let signature = KeyPair::from_pem(key_pem).unwrap().sign(&signed).unwrap();
        let signature = tlv(3, &[&[0], signature.as_slice()].concat());
        tlv(0x30, &[signed, algorithm, signature].concat())
    }
}

/// DER of a name of common names, each with the tag of its string type.
#[must_use]
pub fn common_names(values: &[(u8, &[u8])]) -> Vec<u8> {
    let relative = values.iter().map(|(tag, value)| {
        let attribute = [tlv(6, &[0x55, 4, 3]), tlv(*tag, value)].concat();
        tlv(0x31, &tlv(0x30, &attribute))
    });
    tlv(0x30, &relative.collect::<Vec<_>>().concat())
}

/// The issuer's name in DER, and the serial number of a certificate.
#[must_use]
pub fn issuer_and_serial(certificate: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).unwrap();
    (read.issuer().as_raw().to_vec(), read.raw_serial().to_vec())
}

/// The subject's name of a certificate in DER.
#[must_use]
pub fn subject(certificate: &[u8]) -> Vec<u8> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).unwrap();
    read.subject().as_raw().to_vec()
}

/// The same name in another form: PrintableString in place of UTF8String, in capitals.
#[must_use]
pub fn in_another_form(name: &[u8]) -> Vec<u8> {
    let mut other = name.to_vec();
    // An attribute of X.520: OID 2.5.4.n, then the string.
    for at in 0..name.len().saturating_sub(7) {
        if name[at..].starts_with(&[6, 3, 0x55, 4]) && name[at + 5] == UTF8_STRING {
            other[at + 5] = PRINTABLE_STRING;
            let end = at + 7 + usize::from(name[at + 6]);
            other[at + 7..end].make_ascii_uppercase();
        }
    }
    assert_ne!(other, name, "the name has no UTF8String");
    other
}

/// An X.509 extension in DER.
#[must_use]
pub fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical {
        tlv(1, &[0xff])
    } else {
        Vec::new()
    };
    tlv(0x30, &[tlv(6, oid), critical, tlv(4, value)].concat())
}

/// A UTCTime.
fn time(time: UnixTime) -> Vec<u8> {
    let time = date_time_ymd(1970, 1, 1) + Duration::from_secs(time.0);
    let (year, month, day) = (time.year() % 100, u8::from(time.month()), time.day());
    let (hour, minute, second) = time.to_hms();
    let text = format!("{year:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    tlv(0x17, text.as_bytes())
}
