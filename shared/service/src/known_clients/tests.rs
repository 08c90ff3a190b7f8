use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _, generate_simple_self_signed};

use super::*;

fn shown() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["relay.test".to_owned()]).unwrap()
}

/// A connection of somebody who is known.
pub(crate) fn known_connection() -> KnownConnection {
    let shown = shown();
    let known = knowing(&[&shown], 1024);
    known.recognise(Some(&[shown.cert.der().clone()])).unwrap()
}

fn knowing(shown: &[&CertifiedKey<KeyPair>], requests: usize) -> KnownClients {
    let digests = shown
        .iter()
        .map(|shown| SpkiDigest::of(shown.cert.der()).unwrap());
    let names = ["a", "b", "c", "d", "e", "f"];
    let limits = Limits {
        requests,
        ..Limits::default()
    };
    let clients: Vec<_> = names.into_iter().zip(digests).collect();
    KnownClients::new(clients.into_iter(), &limits)
}

#[test]
fn the_digest_is_that_of_the_public_key_in_its_certificate() {
    let shown = shown();
    let expected = Sha256::digest(shown.signing_key.subject_public_key_info());
    assert_eq!(
        SpkiDigest::of(shown.cert.der()),
        Some(SpkiDigest(expected.into()))
    );
    assert_eq!(SpkiDigest::of(&CertificateDer::from(vec![0x30, 0])), None);
}

#[test]
fn a_client_is_known_by_its_own_key_and_not_by_those_of_its_issuers() {
    let (known, stranger) = (shown(), shown());
    let clients = knowing(&[&known], 1024);
    let [known, stranger] = [&known, &stranger].map(|one| one.cert.der().clone());
    let recognised = |chain: &[CertificateDer<'static>]| clients.recognise(Some(chain)).is_some();
    assert!(recognised(std::slice::from_ref(&known)));
    assert!(recognised(&[known.clone(), stranger.clone()]));
    assert!(!recognised(&[stranger, known]));
    assert!(!recognised(&[]));
    assert!(clients.recognise(None).is_none());
}

#[test]
fn one_client_has_a_few_connections_and_one_share_of_the_work_for_all() {
    let shown = shown();
    let clients = knowing(&[&shown], 1024);
    let chain = [shown.cert.der().clone()];
    let some: Vec<_> = (0..CONNECTIONS)
        .map_while(|_| clients.recognise(Some(&chain)))
        .collect();
    assert_eq!(some.len(), CONNECTIONS);
    assert!(clients.recognise(Some(&chain)).is_none());
    assert!(
        some.iter()
            .all(|one| std::ptr::eq(one.turns(), some[0].turns()))
    );
    assert_eq!(some[0].turns().left(), 128);
    drop(some);
    assert!(clients.recognise(Some(&chain)).is_some());
}

#[test]
fn all_known_clients_together_have_at_most_half_of_the_places() {
    for (clients, requests, expected) in [(1, 1024, 128), (4, 1024, 128), (6, 1024, 85), (1, 4, 1)]
    {
        let shown: Vec<_> = (0..clients).map(|_| shown()).collect();
        let known = knowing(&shown.iter().collect::<Vec<_>>(), requests);
        let turns = |client: &Arc<KnownClient>| client.turns.left();
        let turns: Vec<_> = known.0.iter().map(turns).collect();
        assert_eq!(turns, vec![expected; clients]);
    }
}

#[test]
fn a_chain_is_refused_that_is_longer_than_a_relay_needs_whoever_shows_it() {
    let (known, stranger) = (shown(), shown());
    let verifier = knowing(&[&known], 1024).verifier().unwrap();
    let accepts = |own: &CertificateDer<'_>, issuers: &[CertificateDer<'_>]| {
        let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        verifier.verify_client_cert(own, issuers, now).is_ok()
    };
    let of_bytes = |bytes: usize| CertificateDer::from(vec![0; bytes]);
    for own in [known.cert.der(), stranger.cert.der()] {
        assert!(accepts(own, &[]));
        assert!(accepts(own, &vec![of_bytes(0); MOST_ISSUERS]));
        // Entries without a byte take room, too.
        assert!(!accepts(own, &vec![of_bytes(0); MOST_ISSUERS + 1]));
        let rest = MOST_CHAIN_BYTES - own.len();
        assert!(accepts(own, &[of_bytes(rest)]));
        assert!(!accepts(own, &[of_bytes(rest), of_bytes(1)]));
    }
    assert!(accepts(&of_bytes(MOST_CHAIN_BYTES), &[]));
    assert!(!accepts(&of_bytes(MOST_CHAIN_BYTES + 1), &[]));
}

#[test]
fn nobody_is_asked_for_a_certificate_where_nobody_is_known() {
    assert!(KnownClients::default().verifier().is_none());
    assert!(knowing(&[&shown()], 1024).verifier().is_some());
}
