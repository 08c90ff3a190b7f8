//! The judgement over every collected certificate, real and defective, and the
//! page of the documentation that reports it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use pennyblack_base::time::UnixTime;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/certs")
        .join(name)
}

struct Real {
    sha256: String,
    der: Vec<u8>,
    role: String,
    subject: String,
    spc: String,
    issuer: String,
    root_in_set: bool,
}

fn manifest() -> Vec<Real> {
    let mut reader = csv::Reader::from_path(folder("real-manifest.csv")).unwrap();
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|h| h == name).unwrap();
    let (sha256, role, subject, spc, issuer, root_in_set) = (
        column("sha256"),
        column("role"),
        column("subject"),
        column("spc"),
        column("issuer_sha256"),
        column("root_in_set"),
    );
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let path = folder("real").join(format!("{}.der", &row[sha256]));
        Real {
            sha256: row[sha256].to_owned(),
            der: std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
            role: row[role].to_owned(),
            subject: row[subject].to_owned(),
            spc: row[spc].to_owned(),
            issuer: row[issuer].to_owned(),
            root_in_set: &row[root_in_set] == "1",
        }
    });
    rows.collect()
}

/// The leaf's chain by the manifest, and beside each CA's certificate the others of the same
/// CA, of which one may be the one that was valid then.
fn chain_of<'a>(leaf: &'a Real, all: &'a [Real]) -> Vec<&'a [u8]> {
    let mut chain = vec![leaf.der.as_slice()];
    let mut current = leaf;
    let is_new = |one: &Real, chain: &[&[u8]]| !chain.contains(&one.der.as_slice());
    while let Some(above) = all.iter().find(|c| c.sha256 == current.issuer)
        && above.role != "root"
        && is_new(above, &chain)
    {
        let same = all
            .iter()
            .filter(|c| c.role != "leaf" && c.subject == above.subject);
        chain.extend(
            same.filter(|c| is_new(c, &chain))
                .map(|c| c.der.as_slice())
                .collect::<Vec<_>>(),
        );
        current = above;
    }
    assert!(chain.len() <= MAX_CHAIN_LENGTH);
    chain
}

/// The middle of the leaf's validity, read with the library, since a refused
/// certificate has a validity too.
fn mid_validity(der: &[u8]) -> UnixTime {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let validity = certificate.validity();
    let middle = i64::midpoint(
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    UnixTime(u64::try_from(middle).unwrap())
}

/// The refusal without the names, so that equal reasons count as one.
fn reason(error: &ChainError) -> String {
    match error {
        ChainError::Certificate { error, .. } => error.to_string(),
        ChainError::NotYetValid { .. } => "an issuer's certificate begins later".to_owned(),
        ChainError::Expired { .. } => "an issuer's certificate had expired by then".to_owned(),
        ChainError::UnknownIssuer(_) => "no root for it among the collected ones".to_owned(),
        error => error
            .to_string()
            .split(": ")
            .skip(1)
            .collect::<Vec<_>>()
            .join(": "),
    }
}

/// Everybody's verdicts, by all collected roots.
fn everybody(all: &[Real]) -> TrustPolicy {
    let roots = all.iter().filter(|c| c.role == "root");
    let roots: Vec<_> = roots.map(|root| &root.der).collect();
    TrustPolicy::new(Arc::new(TrustAnchors::from_der(&roots).unwrap()))
}

/// In each order that begins with another certificate, forwards and backwards: the verdict
/// is one.
fn verify(
    leaf: &Real,
    all: &[Real],
    policy: &TrustPolicy,
) -> Result<Arc<VerifiedChain>, ChainError> {
    let now = mid_validity(&leaf.der);
    let mut chain = chain_of(leaf, all);
    let verdict = verify_chain(&chain, policy, now);
    let text = |verdict: &Result<Arc<VerifiedChain>, ChainError>| match verdict {
        Ok(chain) => chain.leaf().subject_text().to_owned(),
        Err(error) => reason(error),
    };
    for _ in 0..2 {
        for _ in 0..chain.len() {
            chain.rotate_left(1);
            let again = verify_chain(&chain, policy, now);
            assert_eq!(text(&again), text(&verdict), "{}", leaf.sha256);
        }
        chain.reverse();
    }
    verdict
}

fn report(all: &[Real]) -> String {
    let leaves: Vec<&Real> = all.iter().filter(|c| c.role == "leaf").collect();
    let policy = everybody(all);
    let mut accepted = 0;
    let mut refused: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for leaf in &leaves {
        match verify(leaf, all, &policy) {
            Ok(chain) => {
                let spcs: Vec<_> = chain.tn_auth_list().spcs().map(Spc::as_str).collect();
                assert_eq!(spcs, [leaf.spc.as_str()], "{}", leaf.sha256);
                accepted += 1;
            }
            Err(ChainError::UnknownIssuer(_)) if leaf.root_in_set => {
                panic!("{}: its root is among the collected ones", leaf.sha256)
            }
            Err(error) => refused
                .entry(reason(&error))
                .or_default()
                .push(&leaf.sha256[..8]),
        }
    }
    let mut table = format!(
        "| leaves | judgement | certificates |\n| --- | --- | --- |\n\
         | {accepted} | accepted, with the manifest's SPC | |\n"
    );
    for (reason, who) in refused {
        writeln!(table, "| {} | {reason} | {} |", who.len(), who.join(" ")).unwrap();
    }
    table
}

#[test]
fn every_real_certificate_is_judged_as_documented() {
    let all = manifest();
    assert_eq!(all.len(), 135);
    let table = report(&all);
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/certificates.md");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        text.contains(&table),
        "{} does not hold the table that the code produces:\n{table}",
        page.display()
    );
}

#[test]
fn every_real_certificate_of_an_authority_can_be_read() {
    for certificate in manifest().iter().filter(|c| c.role != "leaf") {
        let read = Certificate::parse(&certificate.der);
        assert!(read.is_ok(), "{}: {read:?}", certificate.sha256);
    }
}

/// What the leaf-shaped test certificates are refused for when nothing is said
/// about their issuer: everything that is wrong with them by themselves.
#[test]
fn every_defective_certificate_is_judged_as_documented() {
    let mut names: Vec<_> = std::fs::read_dir(folder("defects"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let mut table = "| certificate | by itself |\n| --- | --- |\n".to_owned();
    for path in names {
        let pem = std::fs::read(&path).unwrap();
        let chain = certificates_of_file(&pem).unwrap();
        let anchors = Arc::new(TrustAnchors::from_der(&[&manifest()[0].der]).unwrap());
        let verdict = chain.first().map_or_else(
            || "no certificate in the file".to_owned(),
            |leaf| {
                let now = Certificate::parse(leaf).map_or(UnixTime(1_700_000_000), |c| {
                    UnixTime(u64::midpoint(c.not_before().0, c.not_after().0))
                });
                match verify_chain(&chain, &TrustPolicy::new(anchors), now) {
                    Err(ChainError::UnknownIssuer(_)) => "nothing we refuse".to_owned(),
                    Err(error) => reason(&error),
                    Ok(_) => panic!("{}: nobody vouches for it", path.display()),
                }
            },
        );
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        writeln!(table, "| {name} | {verdict} |").unwrap();
    }
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/certificates.md");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        text.contains(&table),
        "{} does not hold the table that the code produces:\n{table}",
        page.display()
    );
}
