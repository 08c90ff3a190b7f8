#![no_main]
//! What a program reads back from its own disk: a token being drawn, a mailbox's
//! private key, a record of the spent set, the secret of oblivious keys.

use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_fuzz::world::world;
use pennyblack_ohttp::key_ratchet::{Epoch, KeyRatchet, OfferedKem};
use pennyblack_sealing::mailbox::RecipientKey;
use pennyblack_privacypass::token_key::TokenToBe;

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    if let Ok(pending) = TokenToBe::from_bytes(bytes) {
        assert_eq!(pending.to_bytes().as_slice(), bytes);
        let _ = pending.finalize(&[0; 256]);
    }
    if let Ok(key) = RecipientKey::from_bytes(bytes) {
        assert_eq!(
            RecipientKey::from_bytes(&key.to_bytes())
                .ok()
                .map(|key| key.mailbox()),
            Some(key.mailbox())
        );
    }
    if let Ok(record) = SpendRecord::from_bytes(bytes) {
        assert_eq!(record.to_bytes().as_slice(), bytes);
    }
    if let Ok(ratchet) = KeyRatchet::from_bytes(bytes) {
        assert_eq!(ratchet.to_bytes().as_slice(), bytes);
        move_on(ratchet);
    }
}

/// Whatever epoch is stored, its keys and the next ones are derived, and no others.
fn move_on(mut ratchet: KeyRatchet) {
    let (epochs, oldest) = (ratchet.epochs(), ratchet.oldest());
    let validity = epochs.validity(oldest);
    assert!(validity.not_before <= validity.not_after);
    assert!(epochs.announced_from(oldest) <= validity.not_before);
    let key = |ratchet: &KeyRatchet, epoch| ratchet.key(&world().cps, OfferedKem::X25519, epoch);
    let next = oldest.next();
    let key_of_next = key(&ratchet, next).expect("a key of the next epoch");
    if next == oldest {
        return;
    }
    assert!(ratchet.advance(next).expect("a step"));
    let key_again = key(&ratchet, next).expect("the same key");
    assert_eq!(key_again.config(), key_of_next.config());
    assert!(key(&ratchet, oldest).is_err());
    // A stored epoch that no clock has reached costs no endless derivation.
    if let Some(far) = next.0.checked_add(2_000_000) {
        assert!(ratchet.advance(Epoch(far)).is_err());
    }
}
