//! Certificates, lists, challenges and tables as operators and other implementations have
//! them (`tests/inputs`): each is read, or refused by itself.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_client::certificates::CertificateStores;
use pennyblack_client::trust::TrustFiles;
use pennyblack_passport::{Call, CertificateSource as _, OrigAuthority, Party, Verdict, Verifier};
use pennyblack_privacypass::token::parse_www_authenticate;
use pennyblack_stir::jws::X5u;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::{
    ChainError, RevocationLists, TrustAnchors, TrustPolicy, certificates_of_file, verify_chain,
};
use serde_json::Value;

const NOW: UnixTime = UnixTime(1_790_000_000);

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/inputs")).join(name)
}

fn input(name: &str) -> Value {
    serde_json::from_slice(&fs::read(path(name)).unwrap()).unwrap()
}

fn bytes(hexadecimal: &Value) -> Vec<u8> {
    hex::decode(hexadecimal.as_str().unwrap()).unwrap()
}

fn all_bytes(list: &Value) -> Vec<Vec<u8>> {
    list.as_array().unwrap().iter().map(bytes).collect()
}

fn anchors(case: &Value) -> TrustAnchors {
    TrustAnchors::from_der(&all_bytes(&case["roots"])).unwrap()
}

/// The verdict on a call whose certificates lie in a directory.
async fn verdict(name: &str) -> Verdict {
    let case = input(name);
    let home = tempfile::tempdir().unwrap();
    let mut urls: Vec<X5u> = Vec::new();
    for (url, file) in case["certs"].as_object().unwrap() {
        let name = url.rsplit('/').next().unwrap();
        fs::write(home.path().join(name), bytes(file)).unwrap();
        urls.push(url.parse().unwrap());
    }
    let stores = CertificateStores {
        directory: Some(home.path().to_owned()),
        repositories: None,
    };
    let certificates = stores.gather(urls.iter(), None, NOW).await;
    let tokens = case["tokens"].as_array().unwrap().iter();
    let tokens: Vec<_> = tokens.map(|token| token.as_str().unwrap()).collect();
    let number = |name: &str| Party::Number(case[name].as_str().unwrap().parse().unwrap());
    let call = Call {
        orig: number("orig"),
        dest: number("dest"),
    };
    let verifier = Verifier {
        trust: &TrustPolicy::new(Arc::new(anchors(&case))),
        certificates: &certificates,
        authority: OrigAuthority::AnySpc,
    };
    verifier.verify(&tokens, &call, NOW)
}

#[tokio::test]
async fn calls_are_valid_though_their_certificates_are_oddly_filed_or_a_little_ahead() {
    for name in [
        "call-with-a-certificate-of-two-seconds-ahead.json",
        "call-with-a-foreign-broken-certificate.json",
        "call-with-certificates-after-a-byte-order-mark.json",
    ] {
        let verdict = verdict(name).await;
        assert!(
            matches!(verdict, Verdict::Valid { .. }),
            "{name}: {verdict:?}"
        );
    }
}

#[tokio::test]
async fn certificates_are_read_from_pem_after_a_byte_order_mark_and_from_der() {
    let case = input("certificates-after-a-byte-order-mark.json");
    assert_eq!(certificates_of_file(&bytes(&case["pem"])).unwrap().len(), 2);
    let stores = CertificateStores {
        directory: Some(path("certificate-in-der")),
        repositories: None,
    };
    let url: X5u = "https://cert.example.org/d.cer".parse().unwrap();
    let found = stores.gather(std::iter::once(&url), None, NOW).await;
    let chain = found.certificates(&url).unwrap();
    let der = fs::read(path("certificate-in-der/d.cer")).unwrap();
    assert_eq!(chain.certificates(), [der]);
}

#[test]
fn lists_are_read_with_text_in_front_after_a_byte_order_mark_and_a_little_ahead() {
    for name in [
        "list-with-text-in-front",
        "list-after-a-byte-order-mark",
        "list-of-two-seconds-ahead",
    ] {
        let (roots, lists) = (path(name).join("roots"), path(name).join("revocation"));
        let trust = TrustFiles::load(&roots, Some(&lists), NOW).unwrap();
        assert!(trust.warnings.is_empty(), "{name}: {:?}", trust.warnings);
        assert!(trust.policy.has_current_list(NOW), "{name}");
    }
}

/// The verdict on a chain by the lists of a case, in both orders.
fn by_lists(name: &str) -> Result<(), ChainError> {
    let case = input(name);
    let (chain, mut crls) = (all_bytes(&case["chain"]), all_bytes(&case["crls"]));
    let mut verdicts = Vec::new();
    for _ in 0..2 {
        let (anchors, mut lists) = (anchors(&case), RevocationLists::none());
        for list in &crls {
            assert_eq!(lists.add_file(list, &anchors, NOW), []);
        }
        let policy = TrustPolicy::new(Arc::new(anchors)).with_revocation(Arc::new(lists));
        verdicts.push(verify_chain(&chain, &policy, NOW).map(drop));
        crls.reverse();
    }
    assert_eq!(verdicts[0], verdicts[1]);
    verdicts.remove(0)
}

#[test]
fn a_list_revokes_whose_names_are_written_otherwise_and_an_overdue_one_stops_nothing() {
    let revoked = by_lists("list-that-names-an-issuer-in-another-string-type.json");
    assert!(
        matches!(revoked, Err(ChainError::Revoked(_))),
        "{revoked:?}"
    );
    assert_eq!(by_lists("overdue-list-beside-the-current-one.json"), Ok(()));
}

#[test]
fn a_challenge_is_found_behind_a_quoted_pair_of_another_scheme() {
    let case = input("challenge-behind-a-quoted-pair.json");
    let found = parse_www_authenticate(case["text"].as_str().unwrap()).unwrap();
    let issuers = found.iter().map(|one| one.challenge.issuer_name());
    assert_eq!(issuers.collect::<Vec<_>>(), ["issuer.example"]);
}

#[test]
fn a_numbering_table_knows_an_spc_in_whatever_case() {
    let case = input("numbering-table-with-an-spc-in-another-case.json");
    let table = NumberingTable::parse(&bytes(&case["csv"])).unwrap();
    let text = |name: &str| case[name].as_str().unwrap();
    let number = text("tn").parse().unwrap();
    assert!(table.holds(&text("spc").parse().unwrap(), &number));
    assert!(!table.holds(&"684G".parse().unwrap(), &number));
}
