//! A certification authority for unit tests, and carriers with its certificates:
//! real X.509, judged by the real chain verification.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::new_without_default,
    missing_docs,
    reason = "a test's scenery has no better answer to a failure than to end the test"
)]

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use crate::jws::{CertificateReference, StirSigningKey, X5c};
use crate::{TrustAnchors, TrustPolicy, VerifiedChain, verify_chain};
use pennyblack_base::time::UnixTime;

/// 2026-09-21, when all of it is valid.
pub const NOW: UnixTime = UnixTime(1_790_000_000);

/// id-pe-TNAuthList (RFC 8226 section 9).
const TN_AUTH_LIST: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 26];

/// id-pe-eJWTClaimConstraints (RFC 9118 section 5).
const ENHANCED_CLAIM_CONSTRAINTS: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 33];

pub struct TestPki {
    root: Vec<u8>,
    authority: TestAuthority,
}

/// Issues certificates to carriers: the root, or a holder who delegates.
pub struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    /// What its leaves bring along besides themselves.
    path: Vec<Vec<u8>>,
}

/// Holder of a STIR certificate.
pub struct Carrier {
    pub key: StirSigningKey,
    pub certificate: CertificateReference,
}

impl TestPki {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params("Test STI root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            root,
            authority: TestAuthority {
                issuer: Issuer::new(params, key),
                path: Vec::new(),
            },
        }
    }

    /// The trust of somebody who has configured this authority's root.
    pub fn trust(&self) -> TrustPolicy {
        TrustPolicy::new(Arc::new(TrustAnchors::from_der(&[&self.root]).unwrap()))
    }

    /// The chain behind an `x5c`, judged at [`NOW`].
    pub fn chain(&self, reference: &CertificateReference) -> Arc<VerifiedChain> {
        let CertificateReference::X5c(x5c) = reference else {
            panic!("no x5c");
        };
        verify_chain(x5c.certificates(), &self.trust(), NOW).unwrap()
    }

    /// A carrier for `subject`: an SPC, or `number+count`; several with `;`.
    pub fn carrier(&self, subject: &str) -> Carrier {
        self.authority.carrier(subject)
    }

    /// A holder of `subject` whose certificate lets it delegate (RFC 9060).
    pub fn delegating(&self, subject: &str) -> TestAuthority {
        let key = KeyPair::generate().unwrap();
        let first = subject.split(';').next().unwrap();
        let mut params = params(&format!("Holder of {first}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![tn_auth_list_extension(subject)];
        let certificate = params.signed_by(&key, &self.authority.issuer).unwrap();
        TestAuthority {
            path: vec![certificate.der().to_vec()],
            issuer: Issuer::new(params, key),
        }
    }

    /// The same, whose certificate forbids it to claim `claim` (RFC 9118).
    pub fn carrier_without(&self, subject: &str, claim: &str) -> Carrier {
        let names = tlv(0x30, &tlv(0x16, claim.as_bytes()));
        let constraints = tlv(0x30, &tlv(0xa2, &names));
        let extension = CustomExtension::from_oid_content(&ENHANCED_CLAIM_CONSTRAINTS, constraints);
        self.authority.carrier_with(subject, vec![extension])
    }
}

impl TestAuthority {
    /// A carrier for `subject`, as [`TestPki::carrier`] has it.
    pub fn carrier(&self, subject: &str) -> Carrier {
        self.carrier_with(subject, Vec::new())
    }

    fn carrier_with(&self, subject: &str, mut extensions: Vec<CustomExtension>) -> Carrier {
        extensions.push(tn_auth_list_extension(subject));
        let key = StirSigningKey::generate(&mut rand::rng());
        let pair = KeyPair::from_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
        let first = subject.split(';').next().unwrap();
        let mut params = params(&format!("SHAKEN {first}"));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = extensions;
        let leaf = params.signed_by(&pair, &self.issuer).unwrap();
        let path = std::iter::once(leaf.der().to_vec()).chain(self.path.clone());
        let x5c = X5c::new(path.collect()).unwrap();
        Carrier {
            key,
            certificate: CertificateReference::X5c(x5c),
        }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "US");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Test");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    params
}

fn tn_auth_list_extension(subject: &str) -> CustomExtension {
    CustomExtension::from_oid_content(&TN_AUTH_LIST, tn_auth_list(subject))
}

/// DER of a TNAuthorizationList (RFC 8226 section 9), with explicit tags.
fn tn_auth_list(subject: &str) -> Vec<u8> {
    let entries = subject.split(';').map(|entry| match entry.split_once('+') {
        None => tlv(0xa0, &tlv(0x16, entry.as_bytes())),
        Some((number, "1")) => tlv(0xa2, &tlv(0x16, number.as_bytes())),
        Some((number, count)) => {
            let count: u16 = count.parse().unwrap();
            let [high, low] = count.to_be_bytes();
            let mut bytes = vec![0, high, low];
            while bytes.len() > 1 && bytes[0] == 0 && bytes[1] < 0x80 {
                bytes.remove(0);
            }
            let range = [tlv(0x16, number.as_bytes()), tlv(0x02, &bytes)].concat();
            tlv(0xa1, &tlv(0x30, &range))
        }
    });
    tlv(0x30, &entries.collect::<Vec<_>>().concat())
}

/// DER: a tag, the length, and the value of at most 65,535 bytes.
#[must_use]
pub fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, 0..0x80) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), value].concat()
}
