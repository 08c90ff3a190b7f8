//! Certificates, what is in them, and revocation lists: real ones, ones with a
//! defect each, and the world's own.

use std::path::Path;
use std::{fs, io};

use pennyblack_fuzz::world::world;
use pennyblack_base::encoding::from_base64_standard;
use pennyblack_stir::{
    CLAIM_CONSTRAINTS_OID, Certificate, ENHANCED_CLAIM_CONSTRAINTS_OID, TN_AUTH_LIST_OID,
    certificates_of_file,
};
use rcgen::{
    CertificateParams, CertificateRevocationList, CertificateRevocationListParams,
    CrlDistributionPoint, CrlIssuingDistributionPoint, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};
use serde_json::Value;

use super::Corpus;

pub(crate) fn add(corpus: &mut Corpus, certificates: &Path) -> io::Result<()> {
    let world = world();
    let intermediate = world.root.certify_intermediate();
    for der in [
        &world.root.certificate,
        &world.carrier_chain[0],
        &intermediate,
    ] {
        add_certificate(corpus, der);
    }
    corpus.add("chain", chain(&world.carrier_chain));
    corpus.add(
        "chain",
        chain(&[
            world.carrier_chain[0].clone(),
            world.root.certificate.clone(),
        ]),
    );

    let vouched = [&world.carrier_chain[0], &intermediate].map(|der| signed_part(der).to_vec());
    corpus.add("vouched_chain", chain(&vouched));
    corpus.add("vouched_chain", chain(&vouched[..1]));

    for entry in fs::read_dir(certificates.join("real"))? {
        let der = fs::read(entry?.path())?;
        add_certificate(corpus, &der);
        corpus.add("vouched_chain", chain(&[signed_part(&der).to_vec()]));
    }
    for entry in fs::read_dir(certificates.join("defects"))? {
        let pem = fs::read(entry?.path())?;
        let chain_of_file = certificates_of_file(&pem).unwrap_or_default();
        corpus.add("pem", &pem);
        corpus.add("chain", chain(&chain_of_file));
        for der in &chain_of_file {
            add_certificate(corpus, der);
        }
    }
    let vectors = fs::read_to_string(certificates.join("der-vectors.json"))?;
    add_der_vectors(corpus, &serde_json::from_str(&vectors)?);
    add_revocation_lists(corpus);
    Ok(())
}

/// What a certificate's or a revocation list's signature covers.
fn signed_part(der: &[u8]) -> &[u8] {
    let inside = &der[header_size(der)..];
    &inside[..element_size(inside)]
}

/// Bytes of tag and length in front of an element of DER.
fn header_size(der: &[u8]) -> usize {
    match der[1] {
        short if short < 0x80 => 2,
        long => 2 + usize::from(long & 0x7f),
    }
}

/// Bytes of the element at the start.
fn element_size(der: &[u8]) -> usize {
    let header = header_size(der);
    let length = match &der[2..header] {
        [] => usize::from(der[1]),
        bytes => bytes
            .iter()
            .fold(0, |length, &byte| length * 256 + usize::from(byte)),
    };
    header + length
}

fn add_certificate(corpus: &mut Corpus, der: &[u8]) {
    corpus.add("certificate", der);
    let Ok(certificate) = Certificate::parse(der) else {
        return;
    };
    for (oid, target) in [
        (TN_AUTH_LIST_OID, "tn_auth_list"),
        (CLAIM_CONSTRAINTS_OID, "claim_constraints"),
        (ENHANCED_CLAIM_CONSTRAINTS_OID, "claim_constraints"),
    ] {
        if let Some(extension) = certificate.extension(oid) {
            corpus.add(target, extension);
        }
    }
}

/// Each with its length in front, as the target `chain` reads them.
fn chain(certificates: &[Vec<u8>]) -> Vec<u8> {
    let with_length = certificates.iter().flat_map(|der| {
        let length = u16::try_from(der.len()).expect("a certificate's size");
        [&length.to_be_bytes()[..], der].concat()
    });
    with_length.collect()
}

fn add_der_vectors(corpus: &mut Corpus, vectors: &Value) {
    for vector in vectors.as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |member: &str| vector.get(member).and_then(Value::as_str);
        let der = match (text("hex"), text("b64")) {
            (Some(hex), _) => hex::decode(hex).ok(),
            (None, Some(base64)) => from_base64_standard(base64).ok(),
            (None, None) => None,
        };
        let target = match text("type") {
            Some("TNAuthorizationList") => "tn_auth_list",
            Some(kind) if kind.contains("ClaimConstraints") => "claim_constraints",
            _ => "cps_uri_extension",
        };
        if let Some(der) = der {
            corpus.add(target, der);
        }
    }
    corpus.add("cps_uri_extension", b"\x0c\x17https://cps.example.net");
    corpus.add("cps_uri_extension", b"\x16\x17https://cps.example.net");
    corpus.add("cps_uri_extension", b"\x30\x19\x16\x17https://cps.example.net");
}

/// One list of the world's root, and one of another authority, which must
/// revoke nothing.
fn add_revocation_lists(corpus: &mut Corpus) {
    let own = list(&world().root.issuer);
    corpus.add("vouched_revocation_list", signed_part(own.der()));
    corpus.add("revocation_list", own.pem().expect("PEM"));

    let key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.key_usages = vec![KeyUsagePurpose::CrlSign];
    let foreign = list(&Issuer::new(authority, key));
    corpus.add("revocation_list", foreign.der());
    corpus.add("revocation_list", foreign.pem().expect("PEM"));
}

fn list(issuer: &Issuer<'_, KeyPair>) -> CertificateRevocationList {
    let revoked = |serial: u64| RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(2026, 5, 1),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 6, 1),
        next_update: date_time_ymd(2026, 12, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: Some(CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: vec!["http://crl.example.org/1".to_owned()],
            },
            scope: None,
        }),
        revoked_certs: vec![revoked(7), revoked(8)],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(issuer).expect("a list")
}
