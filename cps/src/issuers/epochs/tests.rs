use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::directory::DirectoryKey;
use pennyblack_privacypass::token::TokenType;

use super::*;

const NOW: UnixTime = UnixTime(1_000_000);
const EPOCH: u64 = 10_000;

fn public(number: u8) -> TokenKey {
    let mut modulus = [number; 256];
    modulus[0] = 0x80;
    modulus[255] = 1;
    TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap())
}

fn directory(keys: &[(u8, u64)]) -> IssuerDirectory {
    IssuerDirectory {
        request_uri: "/token-request".to_owned(),
        token_keys: keys
            .iter()
            .map(|(number, not_before)| DirectoryKey {
                token_type: TokenType::BLIND_RSA_2048,
                encoded: public(*number).encoded().to_vec(),
                not_before: Some(UnixTime(*not_before)),
            })
            .collect(),
    }
}

fn acquainted(keys: &[(u8, u64)]) -> KeyEpochs {
    let mut epochs = KeyEpochs::default();
    assert_eq!(epochs.take(&directory(keys), &[], NOW), []);
    epochs
}

fn live(epochs: &KeyEpochs, now: u64) -> Vec<TokenKeyId> {
    let live = epochs.live(UnixTime(now));
    live.iter().map(|key| key.public.id()).collect()
}

fn ids(numbers: &[u8]) -> Vec<TokenKeyId> {
    numbers.iter().map(|number| public(*number).id()).collect()
}

#[test]
fn the_current_key_and_the_one_before_are_redeemable() {
    let start = NOW.0 - EPOCH;
    let epochs = acquainted(&[(1, start), (2, start + EPOCH), (3, start + 2 * EPOCH)]);
    assert_eq!(live(&epochs, NOW.0), ids(&[1, 2]));
    let third = start + 2 * EPOCH;
    assert_eq!(live(&epochs, third - 61), ids(&[1, 2]));
    assert_eq!(live(&epochs, third - 60), ids(&[2, 3]));
    assert_eq!(epochs.over(UnixTime(third + 59)), []);
    assert_eq!(epochs.over(UnixTime(third + 60)), ids(&[1]));
}

#[test]
fn a_key_that_vanished_is_closed_once_its_successor_has_begun() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 - 100)]);
    assert_eq!(epochs.over(NOW), []);
    assert_eq!(epochs.take(&directory(&[(2, NOW.0 - 100)]), &[], NOW), []);
    assert_eq!(epochs.over(NOW), ids(&[1]));
    epochs.forget(public(1).id());
    // Without a successor a key stays, whatever the directory lists.
    assert_eq!(epochs.take(&directory(&[]), &[], NOW), []);
    assert_eq!(epochs.over(NOW), []);
}

#[test]
fn a_key_out_of_the_blue_is_refused() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
    for begins in [0, NOW.0 - 5, NOW.0, NOW.0 + 5, NOW.0 + EPOCH] {
        let refusals = epochs.take(&directory(&[(2, NOW.0 + EPOCH), (9, begins)]), &[], NOW);
        assert!(
            matches!(refusals[..], [KeyRefusal::Unannounced { .. }]),
            "{begins}"
        );
    }
    assert_eq!(
        epochs.take(
            &directory(&[(2, NOW.0 + EPOCH), (9, NOW.0 + EPOCH + 1)]),
            &[],
            NOW
        ),
        []
    );
}

#[test]
fn a_key_that_was_withdrawn_before_it_began_is_in_nobodys_way() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
    // In its place there is another now, at the same time or earlier.
    for (replacement, begins) in [(3, NOW.0 + EPOCH), (4, NOW.0 + 5)] {
        let directory = directory(&[(1, NOW.0 - EPOCH), (replacement, begins)]);
        assert_eq!(epochs.take(&directory, &[], NOW), []);
        assert_eq!(live(&epochs, begins), ids(&[1, replacement]));
    }
}

#[test]
fn a_key_of_a_clock_gone_wrong_is_not_trusted() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH)]);
    let years = NOW.0 + 10 * 365 * 86_400;
    let refusals = epochs.take(&directory(&[(1, NOW.0 - EPOCH), (2, years)]), &[], NOW);
    assert!(matches!(refusals[..], [KeyRefusal::TooFarAhead { .. }]));
    let next = directory(&[(1, NOW.0 - EPOCH), (3, NOW.0 + EPOCH)]);
    assert_eq!(epochs.take(&next, &[], NOW), []);
}

#[test]
fn a_key_that_another_issuer_has_is_not_this_ones_to_close() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH)]);
    let stolen = directory(&[(1, NOW.0 - EPOCH), (2, NOW.0 + 5)]);
    let refusals = epochs.take(&stolen, &ids(&[2]), NOW);
    assert_eq!(refusals, [KeyRefusal::AnotherIssuers(public(2).id())]);
    assert_eq!(epochs.ids().collect::<Vec<_>>(), ids(&[1]));
}

#[test]
fn a_closed_key_does_not_come_back() {
    let mut epochs = acquainted(&[(1, NOW.0 - 2 * EPOCH), (2, NOW.0 - EPOCH), (3, NOW.0 - 100)]);
    assert_eq!(epochs.over(NOW), ids(&[1]));
    epochs.forget(public(1).id());
    let refusals = epochs.take(&directory(&[(1, NOW.0 - 2 * EPOCH)]), &[], NOW);
    assert!(matches!(refusals[..], [KeyRefusal::Unannounced { .. }]));
}

#[test]
fn an_announced_key_cannot_be_moved() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
    let refusals = epochs.take(&directory(&[(2, NOW.0)]), &[], NOW);
    assert!(matches!(refusals[..], [KeyRefusal::Moved { .. }]));
    assert_eq!(live(&epochs, NOW.0), ids(&[1]));
}

#[test]
fn what_is_known_survives_a_restart() {
    let epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
    let restored = KeyEpochs::from_json(&epochs.to_json().unwrap()).unwrap();
    assert_eq!(restored, epochs);
    assert!(KeyEpochs::from_json(b"[{}]").is_err());
}

#[test]
fn the_next_change_is_told_ahead() {
    let epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + 500)]);
    assert_eq!(epochs.next_change(NOW), Some(UnixTime(NOW.0 + 440)));
    assert_eq!(
        epochs.next_change(UnixTime(NOW.0 + 440)),
        Some(UnixTime(NOW.0 + 560))
    );
    assert_eq!(epochs.next_change(UnixTime(NOW.0 + 560)), None);
}
