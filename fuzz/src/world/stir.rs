//! A root, a carrier's certificate under it (RFC 8226), and the root's signature
//! under anything at all.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm};
use pennyblack_stir::jws::StirSigningKey;
use rand::rngs::StdRng;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

/// id-pe-TNAuthList (RFC 8226 section 9).
const TN_AUTH_LIST_OID: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 26];

/// DER of `{ spc "683G", range { "12155551210", 10 } }`.
const TN_AUTH_LIST: &[u8] =
    b"\x30\x1c\xa0\x06\x16\x04683G\xa1\x12\x30\x10\x16\x0b12155551210\x02\x01\x0a";

/// DER of the AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 section 3.2).
const ECDSA_WITH_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";

/// The world's certification authority.
pub struct Root {
    /// Its certificate in DER.
    pub certificate: Vec<u8>,
    /// Signs certificates and lists by rcgen's rules.
    pub issuer: Issuer<'static, KeyPair>,
    key: StirSigningKey,
    signer: EcdsaKeyPair,
}

impl Root {
    pub(super) fn make(rng: &mut StdRng) -> Self {
        let key = StirSigningKey::generate(rng);
        let params = authority_params("Fuzz STI root");
        let certificate = params.self_signed(&pair(&key)).expect("a root");
        Self {
            certificate: certificate.der().to_vec(),
            issuer: Issuer::new(params, pair(&key)),
            signer: signer(&ECDSA_P256_SHA256_ASN1_SIGNING, &key),
            key,
        }
    }

    /// A carrier's certificate for [`super::CARRIER_SPC`] and ten numbers, in DER.
    pub(super) fn certify(&self, carrier: &StirSigningKey) -> Vec<u8> {
        let mut leaf = params("SHAKEN 683G");
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        leaf.custom_extensions = vec![tn_auth_list()];
        let leaf = leaf.signed_by(&pair(carrier), &self.issuer);
        leaf.expect("a leaf").der().to_vec()
    }

    /// An intermediate authority's certificate in DER. Its key is the root's,
    /// so that [`Self::sign`] signs for either.
    ///
    /// # Panics
    /// Never: the key is good.
    #[must_use]
    pub fn certify_intermediate(&self) -> Vec<u8> {
        let mut params = authority_params("Fuzz STI intermediate");
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![tn_auth_list()];
        let intermediate = params.signed_by(&pair(&self.key), &self.issuer);
        intermediate.expect("an intermediate").der().to_vec()
    }

    /// A certificate or revocation list in DER with these bytes for its signed
    /// part, whatever they are, and a good signature of the root.
    ///
    /// # Panics
    /// Never: the key is good.
    #[must_use]
    pub fn sign(&self, signed_part: &[u8]) -> Vec<u8> {
        let signature = self.signer.sign(&SystemRandom::new(), signed_part);
        let signature = signature.expect("a signature");
        let signature = tlv(0x03, &[&[0], signature.as_ref()].concat());
        tlv(0x30, &[signed_part, ECDSA_WITH_SHA256, &signature].concat())
    }
}

/// The same key in the library that signs ten times as fast, and without being
/// watched for coverage.
pub(super) fn signer(form: &'static EcdsaSigningAlgorithm, key: &StirSigningKey) -> EcdsaKeyPair {
    let pem = key.to_pkcs8_pem().expect("a key in PEM");
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("a key in DER");
    EcdsaKeyPair::from_pkcs8(form, der.secret_pkcs8_der()).expect("a key")
}

fn tn_auth_list() -> CustomExtension {
    CustomExtension::from_oid_content(&TN_AUTH_LIST_OID, TN_AUTH_LIST.to_vec())
}

fn pair(key: &StirSigningKey) -> KeyPair {
    let pem = key.to_pkcs8_pem().expect("a key in PEM");
    KeyPair::from_pem(&pem).expect("a key")
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "US");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Fuzz");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    params
}

/// A DER element, with its length in the one shortest form.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let [.., b2, b1, b0] = length.to_be_bytes();
    let header = match length {
        0..=0x7f => vec![tag, b0],
        0x80..=0xff => vec![tag, 0x81, b0],
        0x100..=0xffff => vec![tag, 0x82, b1, b0],
        _ => vec![tag, 0x83, b2, b1, b0],
    };
    [&header, value].concat()
}
