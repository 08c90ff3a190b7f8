//! The development PKI's certificates and lists, judged by the same code that
//! judges those of the field: leaves, delegates (RFC 9060) and the indirect CRL.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::trust::load_trust;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, RevocationReason, TnAuthEntry};
use pennyblack_stir::{ChainError, VerifiedChain, verify_chain};

const NOW: UnixTime = UnixTime(1_795_000_000);
const DAY: Duration = Duration::from_secs(86_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// A PKI with the carrier 683G: a certificate to sign with, and another to
/// delegate with (RFC 9060 keeps the two apart).
fn pki(home: &Path) -> PkiDirectory {
    let mut pki = PkiDirectory::init(home, &CaNames::default(), WEEK, NOW).unwrap();
    let mut carrier = request("spc:683G range:12125550100+100");
    pki.issue("carrier", &carrier, None, NOW).unwrap();
    carrier.may_delegate = true;
    pki.issue("delegator", &carrier, None, NOW).unwrap();
    pki
}

fn request(holds: &str) -> LeafRequest {
    let holds = holds
        .split(' ')
        .map(|entry| entry.parse::<TnAuthEntry>().unwrap());
    LeafRequest::new(holds.collect())
}

/// As a service would, with the files that the PKI gives it.
fn verify(pki: &PkiDirectory, name: &str, now: UnixTime) -> Result<Arc<VerifiedChain>, ChainError> {
    let trust = load_trust(&pki.roots_path(), Some(&pki.revocation_path()), now).unwrap();
    verify_chain(pki.credential(name).unwrap().path(), &trust, now)
}

fn revoke(pki: &mut PkiDirectory, name: &str) {
    pki.revoke(name, RevocationReason::KeyCompromise, WEEK, NOW)
        .unwrap();
}

#[test]
fn a_leaf_is_trusted_for_what_it_holds_while_it_is_valid() {
    let home = tempfile::tempdir().unwrap();
    let pki = pki(home.path());
    let chain = verify(&pki, "carrier", NOW).unwrap();
    let list = chain.tn_auth_list();
    assert!(list.covers_spc(&"683G".parse().unwrap()));
    assert!(list.covers(&"12125550199".parse().unwrap()));
    assert!(!list.covers(&"12125550200".parse().unwrap()));
    assert_eq!(chain.not_after(), NOW.plus(WEEK));
    let trust = load_trust(&pki.roots_path(), Some(&pki.revocation_path()), NOW).unwrap();
    let carrier = pki.credential("carrier").unwrap();
    let early = verify_chain(carrier.path(), &trust, NOW.minus(DAY));
    assert!(
        matches!(early, Err(ChainError::NotYetValid { .. })),
        "{early:?}"
    );
}

#[test]
fn a_delegate_is_trusted_within_what_its_parent_holds_and_not_beyond() {
    let home = tempfile::tempdir().unwrap();
    let mut pki = pki(home.path());
    for (name, holds) in [
        ("office", "tn:12125550150"),
        ("branch", "range:12125550150+50"),
        ("greedy", "range:12125550150+51"),
        ("stranger", "tn:13105550150"),
    ] {
        pki.issue(name, &request(holds), Some("delegator"), NOW)
            .unwrap();
    }
    for name in ["office", "branch"] {
        let chain = verify(&pki, name, NOW).unwrap();
        assert!(chain.tn_auth_list().covers(&"12125550150".parse().unwrap()));
        assert!(!chain.tn_auth_list().covers(&"12125550149".parse().unwrap()));
    }
    for name in ["greedy", "stranger"] {
        let refused = verify(&pki, name, NOW);
        assert!(
            matches!(refused, Err(ChainError::NotEncompassed { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_certificate_that_may_delegate_signs_no_calls() {
    let home = tempfile::tempdir().unwrap();
    let refused = verify(&pki(home.path()), "delegator", NOW);
    assert!(
        matches!(refused, Err(ChainError::LeafIsAuthority(_))),
        "{refused:?}"
    );
}

#[test]
fn the_indirect_list_revokes_one_certificate_and_spares_the_others() {
    let home = tempfile::tempdir().unwrap();
    let mut pki = pki(home.path());
    pki.issue("other", &request("spc:707H"), None, NOW).unwrap();
    pki.issue("office", &request("tn:12125550150"), Some("delegator"), NOW)
        .unwrap();
    pki.issue("branch", &request("tn:12125550151"), Some("delegator"), NOW)
        .unwrap();
    revoke(&mut pki, "office");
    assert!(matches!(
        verify(&pki, "office", NOW),
        Err(ChainError::Revoked(_))
    ));
    for spared in ["carrier", "other", "branch"] {
        verify(&pki, spared, NOW).unwrap();
    }
}

#[test]
fn a_revoked_certificate_takes_its_delegates_along() {
    let home = tempfile::tempdir().unwrap();
    let mut pki = pki(home.path());
    pki.issue("office", &request("tn:12125550150"), Some("delegator"), NOW)
        .unwrap();
    verify(&pki, "office", NOW).unwrap();
    revoke(&mut pki, "delegator");
    let refused = verify(&pki, "office", NOW);
    assert!(
        matches!(refused, Err(ChainError::Revoked(_))),
        "{refused:?}"
    );
    verify(&pki, "carrier", NOW).unwrap();
}

#[test]
fn a_trusted_certificate_is_refused_once_a_list_revokes_it_or_none_is_current() {
    let home = tempfile::tempdir().unwrap();
    let mut pki = pki(home.path());
    let policy = |pki: &PkiDirectory| {
        load_trust(&pki.roots_path(), Some(&pki.revocation_path()), NOW).unwrap()
    };
    pki.publish_revocation_list(DAY, NOW).unwrap();
    let before = policy(&pki);
    let path = pki.credential("carrier").unwrap().path().to_vec();
    let first = verify_chain(&path, &before, NOW).unwrap();
    let again = verify_chain(&path, &before, NOW).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "it was judged again");
    let late = verify_chain(&path, &before, NOW.plus(DAY * 2));
    assert!(
        matches!(late, Err(ChainError::StaleRevocation { .. })),
        "{late:?}"
    );
    revoke(&mut pki, "carrier");
    let refused = verify_chain(&path, &policy(&pki), NOW);
    assert!(
        matches!(refused, Err(ChainError::Revoked(_))),
        "{refused:?}"
    );
}

#[test]
fn no_certificate_is_trusted_by_a_list_that_is_long_overdue() {
    let home = tempfile::tempdir().unwrap();
    let mut pki = pki(home.path());
    pki.publish_revocation_list(DAY, NOW).unwrap();
    verify(&pki, "carrier", NOW.plus(DAY)).unwrap();
    let trust = load_trust(&pki.roots_path(), Some(&pki.revocation_path()), NOW).unwrap();
    let path = pki.credential("carrier").unwrap();
    let late = verify_chain(path.path(), &trust, NOW.plus(DAY * 2));
    assert!(
        matches!(late, Err(ChainError::StaleRevocation { .. })),
        "{late:?}"
    );
    pki.publish_revocation_list(DAY, NOW.plus(DAY * 2)).unwrap();
    verify(&pki, "carrier", NOW.plus(DAY * 2)).unwrap();
}

#[test]
fn an_obsolete_list_beside_the_current_one_stops_nothing_and_makes_nothing_good() {
    let home = tempfile::tempdir().unwrap();
    let mut pki = pki(home.path());
    pki.publish_revocation_list(DAY, NOW).unwrap();
    let lists = pki.revocation_path();
    for name in ["a-old.crl", "z-old.crl"] {
        std::fs::copy(lists.join("sti-pa.crl"), lists.join(name)).unwrap();
    }
    pki.issue("other", &request("spc:707H"), None, NOW).unwrap();
    let later = NOW.plus(DAY * 2);
    pki.revoke("other", RevocationReason::KeyCompromise, WEEK, later)
        .unwrap();
    verify(&pki, "carrier", later).unwrap();
    let refused = verify(&pki, "other", later);
    assert!(
        matches!(refused, Err(ChainError::Revoked(_))),
        "{refused:?}"
    );
}

#[test]
fn the_certificates_of_another_pki_are_not_trusted() {
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ours, theirs) = (pki(home.path()), pki(elsewhere.path()));
    let trust = load_trust(&ours.roots_path(), Some(&ours.revocation_path()), NOW).unwrap();
    let stranger = theirs.credential("carrier").unwrap();
    assert!(verify_chain(stranger.path(), &trust, NOW).is_err());
    let own = ours.credential("carrier").unwrap();
    verify_chain(own.path(), &trust, NOW).unwrap();
    // A path without its middle leads nowhere.
    assert!(verify_chain(&own.path()[..1], &trust, NOW).is_err());
}
