//! Version 0.2.0, the last whose records name one CPS. `of_0_2_0/range.jws` is a record that its
//! code has signed, under the root of `of_0_2_0/root.txt` (DER in base64url).

use std::sync::Arc;

use pennyblack_base::encoding::from_base64url;
use pennyblack_stir::{TrustAnchors, TrustPolicy, verify_chain};

use super::*;

const RECORD: &str = include_str!("of_0_2_0/range.jws");
const ROOT: &str = include_str!("of_0_2_0/root.txt");

/// The claims that 0.2.0 reads. It refuses a record with another one: *"more_cps" is no claim of
/// a key record; leave it out*, which a CPS says with 400 and `malformed-key-record`.
const READ: [&str; 8] = ["iat", "exp", "iss", "tn", "range", "spc", "hpke", "cps"];

#[test]
fn its_records_are_read_and_trusted() {
    let root = from_base64url(ROOT).unwrap();
    let trust = TrustPolicy::new(Arc::new(TrustAnchors::from_der(&[&root]).unwrap()));
    let record = UnverifiedKeyRecord::parse(RECORD).unwrap();
    let CertificateReference::X5c(x5c) = record.certificate().clone() else {
        panic!("{record:?}");
    };
    let chain = verify_chain(x5c.certificates(), &trust, NOW).unwrap();
    let verified = record.verify(&chain, None, NOW).unwrap();
    assert!(verified.answers_for(&number("12155550142")));
    assert_eq!(*verified.placement(), Placement::at(cps("cps")));
}

#[test]
fn it_reads_records_that_name_one_cps_and_no_others() {
    let is_read = |more: &[&str], copies| {
        let more = more.iter().map(|name| cps(name)).collect();
        let record = KeyRecord {
            placement: Placement::new(cps("cps"), more, copies).unwrap(),
            ..record("683G", Coverage::Spc("683G".parse().unwrap()))
        };
        let claims = record.to_json();
        claims.keys().all(|name| READ.contains(&name.as_str()))
    };
    assert!(is_read(&[], None));
    // What goes without saying is not said.
    assert!(is_read(&[], Some(1)));
    for (more, copies) in [
        (&["b"][..], None),
        (&["b"], Some(1)),
        (&["b", "c"], Some(3)),
    ] {
        assert!(!is_read(more, copies), "{more:?}");
    }
}
