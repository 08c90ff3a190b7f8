use super::*;
use crate::p256::P256;
use crate::x25519::X25519;

/// A key pair of the library.
fn pair<C: Curve>() -> (OwnKey<C>, <Dhkem<C> as Kem>::PublicKey) {
    Dhkem::<C>::derive_keypair(&[7; 32])
}

fn agrees_with_the_library<C: Curve>() {
    let (private, public) = pair::<C>();
    let rng = &mut rand::rng();
    let ours = |enc| Dhkem::<C>::decap(&private, None, enc).unwrap().0.to_vec();
    let theirs = |enc| {
        C::Library::decap(&private.key, None, enc)
            .unwrap()
            .0
            .to_vec()
    };
    let (secret, enc) = Dhkem::<C>::encap_with_rng(&public, None, rng).unwrap();
    assert_eq!(secret.0.to_vec(), theirs(&enc));
    assert_eq!(secret.0.to_vec(), ours(&enc));
    let (secret, enc) = C::Library::encap_with_rng(&public, None, rng).unwrap();
    assert_eq!(secret.0.to_vec(), ours(&enc));
}

#[test]
fn what_is_encapsulated_here_the_library_decapsulates_and_the_other_way_round() {
    agrees_with_the_library::<X25519>();
    agrees_with_the_library::<P256>();
}

fn derives_what_the_library_derives<C: Curve>() {
    for ikm in [[0; 32], [7; 32], [255; 32]] {
        let (_, theirs) = C::Library::derive_keypair(&ikm);
        let ours = C::derive(&ikm).unwrap().compute_public_key().unwrap();
        assert_eq!(ours.as_ref(), theirs.to_bytes().as_slice());
    }
}

#[test]
fn an_ephemeral_key_is_the_one_that_the_library_derives() {
    derives_what_the_library_derives::<X25519>();
    derives_what_the_library_derives::<P256>();
}

fn refuses<C: Curve>(public: &[u8]) {
    let ephemeral = C::derive(&[7; 32]).unwrap();
    assert!(Dhkem::<C>::encapsulate(public, &ephemeral).is_none());
    assert!(Dhkem::<C>::decapsulate(&pair::<C>().0, public).is_none());
}

#[test]
fn a_key_of_small_order_is_refused_in_both_directions() {
    let mut one = [0; 32];
    refuses::<X25519>(&one);
    one[0] = 1;
    refuses::<X25519>(&one);
}

#[test]
fn a_point_off_the_curve_is_refused_in_both_directions() {
    let mut off = [7; 65];
    off[0] = 4;
    refuses::<P256>(&off);
}

fn refuses_authenticated_mode<C: Curve>() {
    let (private, public) = pair::<C>();
    let sender = Some((&private, &public));
    let rng = &mut rand::rng();
    assert!(Dhkem::<C>::encap_with_rng(&public, sender, rng).is_err());
    let (_, enc) = Dhkem::<C>::encap_with_rng(&public, None, rng).unwrap();
    assert!(Dhkem::<C>::decap(&private, Some(&public), &enc).is_err());
}

#[test]
fn authenticated_mode_is_refused_and_not_done_without() {
    refuses_authenticated_mode::<X25519>();
    refuses_authenticated_mode::<P256>();
}
