use std::collections::HashSet;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

const HEADER: PageHeader = PageHeader {
    more: true,
    dropped: false,
    next: Cursor(0x0102_0304_0506_0708),
    server_time: UnixTime(1_795_000_000),
};

fn key(kem: Kem) -> RecipientKey {
    RecipientKey::generate(kem, &mut StdRng::seed_from_u64(5)).unwrap()
}

fn cps() -> Authority {
    "cps.example".parse().unwrap()
}

fn seal(config: &KeyConfig, slots: Slots, entries: &[Vec<u8>]) -> Vec<u8> {
    seal_envelope(config, &cps(), slots, entries, HEADER, &mut rand::rng()).unwrap()
}

/// Seals a page of one's own making.
fn seal_raw(key: &RecipientKey, slots: Slots, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let kem = key.config().kem();
    let mut message = vec![0; slots.envelope_size(kem)];
    message[kem.enc_size()] = VERSION;
    change(&mut message[kem.enc_size()..]);
    key.config()
        .seal(
            &info(key.mailbox()),
            cps().as_bytes(),
            &mut message,
            &mut rand::rng(),
        )
        .unwrap();
    message
}

fn no_equal_run(one: &[u8], other: &[u8]) -> bool {
    let runs: HashSet<&[u8]> = one.windows(16).collect();
    runs.len() == one.len() - 15 && other.windows(16).all(|run| !runs.contains(run))
}

#[test]
fn empty_full_and_unknown_mailboxes_give_random_strings_of_one_length() {
    let key = key(Kem::DhkemX25519);
    let decoys = DecoyKeys::new(&[7; DECOY_SECRET_SIZE]);
    let unknown = decoys.or_decoy(MailboxId([1; 32]), None).unwrap();
    let full = vec![vec![0x61; 2048]; 16];
    let envelopes = [
        seal(key.config(), Slots::Sixteen, &[]),
        seal(key.config(), Slots::Sixteen, &[]),
        seal(key.config(), Slots::Sixteen, &full),
        seal(key.config(), Slots::Sixteen, &full),
        seal(&unknown, Slots::Sixteen, &[]),
        seal(&unknown, Slots::Sixteen, &[]),
    ];
    for (index, one) in envelopes.iter().enumerate() {
        assert_eq!(one.len(), 32 + 20 + 16 * 2048 + 16);
        for other in &envelopes[index + 1..] {
            assert!(no_equal_run(one, other));
        }
    }
}

#[test]
fn it_opens_under_the_documented_info_and_aad_to_the_documented_page() {
    let key = key(Kem::DhkemX25519);
    let envelope = seal(key.config(), Slots::Four, &[vec![0x61; 2048]]);
    let info = [b"pennyblack envelope v1".as_slice(), &key.mailbox().0].concat();
    let page = key.open(&info, b"cps.example", &envelope).unwrap();
    let header = [
        &[1, 1, 0, 1][..],
        &[1, 2, 3, 4, 5, 6, 7, 8],
        &1_795_000_000u64.to_be_bytes(),
    ];
    let expected = [&header.concat()[..], &[0x61; 2048], &[0; 3 * 2048]].concat();
    assert_eq!(*page, expected);
}

#[test]
fn the_length_depends_on_the_kem_and_the_slots_only() {
    for kem in Kem::ALL {
        let key = key(kem);
        for slots in Slots::ALL {
            let entry = vec![1; slot_size(kem)];
            let size = slots.envelope_size(kem);
            assert_eq!(seal(key.config(), slots, &[]).len(), size);
            assert_eq!(seal(key.config(), slots, &[entry]).len(), size);
        }
    }
}

#[test]
fn entries_past_the_slots_or_of_another_size_are_refused() {
    let key = key(Kem::DhkemX25519);
    let mut rng = rand::rng();
    let five = vec![vec![0; 2048]; 5];
    assert_eq!(
        seal_envelope(key.config(), &cps(), Slots::Four, &five, HEADER, &mut rng),
        Err(EnvelopeError::TooManyEntries {
            entries: 5,
            slots: Slots::Four
        })
    );
    let short = [vec![0; 2047]];
    assert_eq!(
        seal_envelope(key.config(), &cps(), Slots::Four, &short, HEADER, &mut rng),
        Err(EnvelopeError::EntrySize {
            expected: 2048,
            actual: 2047
        })
    );
}

#[test]
fn an_envelope_of_another_cps_or_for_another_key_does_not_open() {
    let key = key(Kem::DhkemX25519);
    let envelope = seal(key.config(), Slots::Four, &[]);
    let refused = Err(OpenEnvelopeError::Hpke(HpkeError::OpenError));
    let other_cps = "other.example".parse().unwrap();
    assert_eq!(open_envelope(&key, &other_cps, &envelope), refused);
    let other_key =
        RecipientKey::generate(Kem::DhkemX25519, &mut StdRng::seed_from_u64(6)).unwrap();
    assert_eq!(open_envelope(&other_key, &cps(), &envelope), refused);
}

#[test]
fn a_page_that_breaks_its_own_rules_is_refused() {
    let key = key(Kem::DhkemX25519);
    let open = |envelope: Vec<u8>| open_envelope(&key, &cps(), &envelope);
    assert_eq!(
        open(seal_raw(&key, Slots::Four, |page| page[0] = 2)),
        Err(OpenEnvelopeError::Version(2))
    );
    assert_eq!(
        open(seal_raw(&key, Slots::Four, |page| page[1] = 4)),
        Err(OpenEnvelopeError::Flags(4))
    );
    assert_eq!(
        open(seal_raw(&key, Slots::Four, |page| page[3] = 5)),
        Err(OpenEnvelopeError::Filled {
            filled: 5,
            slots: Slots::Four
        })
    );
    assert_eq!(
        open(seal_raw(&key, Slots::Four, |page| page[HEADER_SIZE] = 1)),
        Err(OpenEnvelopeError::UnusedSlot)
    );
    assert!(open(seal_raw(&key, Slots::Four, |_| ())).is_ok());
}

#[test]
fn query_parameters_have_one_spelling() {
    for slots in Slots::ALL {
        assert_eq!(slots.to_string().parse(), Ok(slots));
        assert_eq!(Slots::try_from(slots.count()), Ok(slots));
    }
    for text in ["", "5", "+4", "04", "4 ", "99999999999"] {
        assert!(text.parse::<Slots>().is_err(), "{text:?}");
    }
    assert_eq!("18446744073709551615".parse(), Ok(Cursor(u64::MAX)));
    for text in ["", "-1", "+1", "18446744073709551616", "x"] {
        assert!(text.parse::<Cursor>().is_err(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_page_comes_back_as_it_went(
        kem in prop::sample::select(Kem::ALL.as_slice()),
        fill in proptest::collection::vec(any::<u8>(), 0..=16),
        more in any::<bool>(),
        dropped in any::<bool>(),
        next in any::<u64>(),
        time in any::<u64>()
    ) {
        let key = key(kem);
        let entries: Vec<Vec<u8>> = fill.iter().map(|&byte| vec![byte; slot_size(kem)]).collect();
        let header = PageHeader {
            more, dropped, next: Cursor(next), server_time: UnixTime(time)
        };
        let envelope = seal_envelope(
            key.config(), &cps(), Slots::Sixteen, &entries, header, &mut rand::rng()
        ).unwrap();
        let page = open_envelope(&key, &cps(), &envelope).unwrap();
        prop_assert_eq!(page.header(), header);
        prop_assert!(page.entries().eq(entries.iter().map(Vec::as_slice)));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed(position in any::<prop::sample::Index>(), bit in 0..8u8) {
        let key = key(Kem::DhkemX25519);
        let mut envelope = seal(key.config(), Slots::Four, &[vec![3; 2048]]);
        let position = position.index(envelope.len());
        envelope[position] ^= 1 << bit;
        prop_assert!(open_envelope(&key, &cps(), &envelope).is_err());
    }

    #[test]
    fn no_page_makes_the_parser_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..100), filled in 0..6u8
    ) {
        let _ = parse_page(Zeroizing::new(bytes.clone()), Slots::Four, 8);
        let mut likely = vec![VERSION, 0, 0, filled];
        likely.extend(bytes);
        let _ = parse_page(Zeroizing::new(likely), Slots::Four, 8);
    }

    #[test]
    fn no_bytes_open(bytes in proptest::collection::vec(any::<u8>(), 0..64), slots in 0..5usize) {
        let mut bytes = bytes;
        if let Some(slots) = Slots::ALL.get(slots) {
            bytes.resize(slots.envelope_size(Kem::DhkemX25519), 1);
        }
        prop_assert!(open_envelope(&key(Kem::DhkemX25519), &cps(), &bytes).is_err());
    }
}
