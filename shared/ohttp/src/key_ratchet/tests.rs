use proptest::prelude::*;

use super::*;

fn cps() -> Authority {
    "cps.example.net".parse().unwrap()
}

/// A ratchet of the secret 00 01 … 1f.
fn ratchet(oldest: u64) -> KeyRatchet {
    let mut stored = vec![VERSION];
    stored.extend(604_800u32.to_be_bytes());
    stored.extend(oldest.to_be_bytes());
    stored.extend(0..32);
    KeyRatchet::from_bytes(&stored).unwrap()
}

fn public(ratchet: &KeyRatchet, kem: OfferedKem, epoch: u64) -> Vec<u8> {
    let key = ratchet.key(&cps(), kem, Epoch(epoch)).unwrap();
    key.config().as_bytes().to_vec()
}

#[test]
fn secrets_and_keys_are_those_that_the_protocol_says() {
    // Computed with another implementation of HKDF and X25519.
    let mut ratchet = ratchet(2_970);
    let config = public(&ratchet, OfferedKem::X25519, 2_972);
    assert_eq!(config[0], (2 * 2_972 % 256) as u8);
    assert_eq!(
        hex::encode(&config[3..35]),
        "575a35a9eae24258dd391b4933461264af732585af98fb94a3963905ed6b0052"
    );
    assert!(ratchet.advance(Epoch(2_972)).unwrap());
    assert_eq!(
        hex::encode(ratchet.secret.as_slice()),
        "7088618bc050a63ccf3874cd6ef60d14dd823968953f64baaf5d76de15490ef3"
    );
}

#[test]
fn an_epoch_that_is_forgotten_is_not_derived_any_more() {
    let mut ratchet = ratchet(10);
    let later = public(&ratchet, OfferedKem::XWing, 12);
    assert_eq!(ratchet.advance(Epoch(11)), Ok(true));
    assert_eq!(ratchet.advance(Epoch(11)), Ok(false));
    assert_eq!(ratchet.advance(Epoch(3)), Ok(false));
    assert_eq!(ratchet.oldest(), Epoch(11));
    let refused = ratchet
        .key(&cps(), OfferedKem::X25519, Epoch(10))
        .unwrap_err();
    let expected = RatchetError::Ended {
        epoch: Epoch(10),
        oldest: Epoch(11),
    };
    assert_eq!(refused, expected);
    assert_eq!(public(&ratchet, OfferedKem::XWing, 12), later);
    let stored = ratchet.to_bytes();
    assert!(
        !stored
            .windows(32)
            .any(|secret| secret.iter().copied().eq(0..32))
    );
}

#[test]
fn nodes_that_are_not_in_step_have_the_same_keys() {
    let behind = ratchet(10);
    let mut ahead = ratchet(10);
    ahead.advance(Epoch(500)).unwrap();
    for kem in [OfferedKem::X25519, OfferedKem::XWing] {
        assert_eq!(public(&behind, kem, 501), public(&ahead, kem, 501));
    }
}

#[test]
fn every_gateway_epoch_and_kem_has_another_key() {
    let ratchet = ratchet(10);
    let key = |authority: &str, kem, epoch| {
        let authority = authority.parse().unwrap();
        ratchet
            .key(&authority, kem, Epoch(epoch))
            .unwrap()
            .config()
            .digest()
    };
    let keys = [
        key("cps.example.net", OfferedKem::X25519, 10),
        key("cps.example.net", OfferedKem::X25519, 11),
        key("cps.example.net", OfferedKem::XWing, 10),
        key("cps.example.com", OfferedKem::X25519, 10),
    ];
    for (number, one) in keys.iter().enumerate() {
        assert!(keys[..number].iter().all(|other| other != one));
    }
}

#[test]
fn a_clock_that_is_far_ahead_costs_nothing() {
    let mut ratchet = ratchet(10);
    let expected = Err(RatchetError::TooFarAhead {
        epoch: Epoch(u64::MAX),
        oldest: Epoch(10),
    });
    assert_eq!(ratchet.advance(Epoch(u64::MAX)), expected);
    assert_eq!(ratchet.oldest(), Epoch(10));
}

#[test]
fn a_state_comes_back_as_it_went_and_others_are_refused() {
    let epochs = Epochs::new(Duration::from_secs(60)).unwrap();
    let ratchet = KeyRatchet::generate(epochs, Epoch(7), &mut rand::rng());
    let stored = ratchet.to_bytes();
    assert_eq!(stored.len(), KeyRatchet::STORED_SIZE);
    let read = KeyRatchet::from_bytes(&stored).unwrap();
    assert_eq!((read.epochs(), read.oldest()), (epochs, Epoch(7)));
    assert_eq!(
        public(&read, OfferedKem::X25519, 9),
        public(&ratchet, OfferedKem::X25519, 9)
    );
    let refusal = |stored: &[u8]| KeyRatchet::from_bytes(stored).unwrap_err();
    assert!(matches!(refusal(&stored[1..]), RatchetError::Version));
    assert!(matches!(refusal(&stored[..44]), RatchetError::Form(_)));
    assert!(matches!(
        refusal(&[&stored[..], &[0]].concat()),
        RatchetError::Form(_)
    ));
    let mut endless = stored.to_vec();
    endless[1..5].fill(0);
    assert_eq!(refusal(&endless), RatchetError::Version);
    assert_eq!(
        format!("{ratchet:?}"),
        "KeyRatchet { epochs: Epochs { seconds: 60 }, oldest: Epoch(7), .. }"
    );
}

#[test]
fn the_calendar_of_seven_days() {
    let epochs = Epochs::DEFAULT;
    assert_eq!(epochs.length(), Duration::from_secs(7 * 86_400));
    assert_eq!(epochs.grace(), Duration::from_secs(3_600));
    let now = UnixTime(1_796_000_000);
    let epoch = epochs.at(now);
    assert_eq!(epoch, Epoch(2_969));
    let Validity {
        not_before,
        not_after,
    } = epochs.validity(epoch);
    assert_eq!(not_before, UnixTime(2_969 * 604_800));
    assert_eq!(not_after, UnixTime(2_970 * 604_800 + 3_600));
    assert_eq!(
        epochs.oldest_accepted(UnixTime(not_before.0 + 3_599)),
        Epoch(2_968)
    );
    assert_eq!(
        epochs.oldest_accepted(UnixTime(not_before.0 + 3_600)),
        epoch
    );
    assert_eq!(Epoch(0).key_id(OfferedKem::XWing), 1);
    assert_eq!(Epoch(127).key_id(OfferedKem::XWing), 255);
    assert_eq!(Epoch(128).key_id(OfferedKem::X25519), 0);
    for wrong in [0, 1, 11 * 366 * 86_400] {
        assert!(Epochs::new(Duration::from_secs(wrong)).is_err());
    }
    assert!(Epochs::new(Duration::from_millis(2_500)).is_err());
}

proptest! {
    #[test]
    fn a_key_is_accepted_exactly_while_its_announcement_says_so(
        seconds in 2u32..2_000_000, now in 0u64..4_000_000_000,
    ) {
        let epochs = Epochs { seconds };
        let now = UnixTime(now);
        let oldest = epochs.oldest_accepted(now);
        prop_assert!(oldest == epochs.at(now) || oldest.next() == epochs.at(now));
        prop_assert!(now < epochs.validity(oldest).not_after);
        prop_assert!(epochs.validity(epochs.at(now)).not_before <= now);
        if oldest.0 > 0 {
            prop_assert!(epochs.validity(Epoch(oldest.0 - 1)).not_after <= now);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = KeyRatchet::from_bytes(&bytes);
        let _ = KeyRatchet::from_bytes(&[&[VERSION], &bytes[..]].concat());
    }
}
