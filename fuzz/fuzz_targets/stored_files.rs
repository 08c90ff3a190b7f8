#![no_main]
//! What a program reads back from its own disk: a token being drawn, a mailbox's
//! private key, a record of the spent set.

use pennyblack_evidence::double_spend::SpendRecord;
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
}
