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

/// A directory of which nothing is in a log.
fn take(epochs: &mut KeyEpochs, directory: &IssuerDirectory, now: UnixTime) -> Vec<KeyRefusal> {
    let word = IssuerWord {
        directory,
        logged: &[],
    };
    epochs.take(word, &[], now)
}

fn acquainted(keys: &[(u8, u64)]) -> KeyEpochs {
    let mut epochs = KeyEpochs::default();
    assert_eq!(take(&mut epochs, &directory(keys), NOW), []);
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
fn a_key_that_one_directory_leaves_out_is_refused_and_not_closed() {
    let both = [(1, NOW.0 - EPOCH), (2, NOW.0 - 100)];
    let mut epochs = acquainted(&both);
    assert_eq!(take(&mut epochs, &directory(&both[1..]), NOW), []);
    assert_eq!(live(&epochs, NOW.0), ids(&[2]));
    // Nor after a silence, however long.
    assert_eq!(epochs.over(UnixTime(NOW.0 + 7_200)), []);
    // The next directory has it again, and so has the CPS.
    let later = UnixTime(NOW.0 + 3_599);
    assert_eq!(take(&mut epochs, &directory(&both), later), []);
    assert_eq!(live(&epochs, later.0), ids(&[1, 2]));
    assert_eq!(epochs.over(UnixTime(NOW.0 + 7_200)), []);
}

#[test]
fn a_key_that_no_directory_lists_for_an_hour_is_closed_once_its_successor_has_begun() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 - 100)]);
    for now in [NOW.0, NOW.0 + 1_800, NOW.0 + 3_600] {
        assert_eq!(epochs.over(UnixTime(now - 1)), []);
        let word = directory(&[(2, NOW.0 - 100)]);
        assert_eq!(take(&mut epochs, &word, UnixTime(now)), []);
    }
    assert_eq!(epochs.next_change(NOW), Some(UnixTime(NOW.0 + 3_600)));
    assert_eq!(epochs.over(UnixTime(NOW.0 + 3_600)), ids(&[1]));
    // It is as good a word that nothing has changed since the first of them.
    let mut unchanged = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 - 100)]);
    let word = directory(&[(2, NOW.0 - 100)]);
    assert_eq!(take(&mut unchanged, &word, NOW), []);
    unchanged.take_again(UnixTime(NOW.0 + 3_600));
    assert_eq!(unchanged.over(UnixTime(NOW.0 + 3_600)), ids(&[1]));
    epochs.forget(public(1).id());
    // Without a successor a key stays, whatever the directory lists.
    assert_eq!(take(&mut epochs, &directory(&[]), NOW), []);
    assert_eq!(live(&epochs, NOW.0), ids(&[2]));
    assert_eq!(epochs.over(UnixTime(NOW.0 + EPOCH)), []);
}

#[test]
fn a_key_that_was_missed_while_it_was_announced_is_taken_if_it_is_in_the_log() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH)]);
    let late = directory(&[(1, NOW.0 - EPOCH), (2, NOW.0 - 5)]);
    let refused = take(&mut epochs, &late, NOW);
    assert!(matches!(refused[..], [KeyRefusal::Unannounced { .. }]));
    let word = IssuerWord {
        directory: &late,
        logged: &ids(&[2]),
    };
    assert_eq!(epochs.take(word, &[], NOW), []);
    assert_eq!(live(&epochs, NOW.0), ids(&[1, 2]));
    // The log brings back no key that is older than those that are known.
    let old = directory(&[(1, NOW.0 - EPOCH), (2, NOW.0 - 5), (3, NOW.0 - 2 * EPOCH)]);
    let word = IssuerWord {
        directory: &old,
        logged: &ids(&[1, 2, 3]),
    };
    let refused = epochs.take(word, &[], NOW);
    assert!(matches!(refused[..], [KeyRefusal::Unannounced { .. }]));
}

#[test]
fn a_key_out_of_the_blue_is_refused() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
    for begins in [0, NOW.0 - 5, NOW.0, NOW.0 + 5, NOW.0 + EPOCH] {
        let refusals = take(
            &mut epochs,
            &directory(&[(2, NOW.0 + EPOCH), (9, begins)]),
            NOW,
        );
        assert!(
            matches!(refusals[..], [KeyRefusal::Unannounced { .. }]),
            "{begins}"
        );
    }
    assert_eq!(
        take(
            &mut epochs,
            &directory(&[(2, NOW.0 + EPOCH), (9, NOW.0 + EPOCH + 1_200)]),
            NOW
        ),
        []
    );
}

#[test]
fn a_key_that_begins_too_soon_after_another_is_refused_and_a_later_one_is_not() {
    let start = NOW.0 - 100;
    for apart in [1, 1_199] {
        let keys = [(1, start), (2, start + apart)];
        // In the first directory, and in a later one, whatever the log says.
        let refusals = take(&mut KeyEpochs::default(), &directory(&keys), NOW);
        assert!(matches!(refusals[..], [KeyRefusal::TooClose { .. }]));
        let mut epochs = acquainted(&keys[..1]);
        let directory = directory(&keys);
        let word = IssuerWord {
            directory: &directory,
            logged: &ids(&[2]),
        };
        let refusals = epochs.take(word, &[], NOW);
        assert!(matches!(refusals[..], [KeyRefusal::TooClose { .. }]));
        assert_eq!(live(&epochs, NOW.0 + EPOCH), ids(&[1]));
    }
    acquainted(&[(1, start), (2, start + 1_200), (3, start + 2_400)]);
}

#[test]
fn a_key_that_was_withdrawn_before_it_began_is_in_nobodys_way() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
    // In its place there is another now, at the same time or earlier.
    for (replacement, begins) in [(3, NOW.0 + EPOCH), (4, NOW.0 + 5)] {
        let directory = directory(&[(1, NOW.0 - EPOCH), (replacement, begins)]);
        assert_eq!(take(&mut epochs, &directory, NOW), []);
        assert_eq!(live(&epochs, begins), ids(&[1, replacement]));
    }
}

#[test]
fn a_key_that_was_given_up_unused_is_neither_taken_nor_anybodys_successor() {
    let start = NOW.0 - EPOCH;
    let keys = [(1, start), (2, start + EPOCH), (3, start + 2 * EPOCH)];
    let mut epochs = acquainted(&keys);
    epochs.give_up(&ids(&[2]), NOW);
    assert_eq!(live(&epochs, NOW.0), ids(&[1]));
    let third = start + 2 * EPOCH;
    assert_eq!(live(&epochs, third), ids(&[1, 3]));
    assert_eq!(epochs.over(UnixTime(third + EPOCH)), []);
    // So it is after a restart.
    let again = KeyEpochs::from_json(&epochs.to_json().unwrap()).unwrap();
    assert_eq!(again, epochs);
    // One that has not begun is forgotten.
    epochs.give_up(&ids(&[3]), NOW);
    assert_eq!(epochs.ids().collect::<Vec<_>>(), ids(&[1, 2]));
}

#[test]
fn a_key_of_a_clock_gone_wrong_is_not_trusted() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH)]);
    let years = NOW.0 + 10 * 365 * 86_400;
    let refusals = take(
        &mut epochs,
        &directory(&[(1, NOW.0 - EPOCH), (2, years)]),
        NOW,
    );
    assert!(matches!(refusals[..], [KeyRefusal::TooFarAhead { .. }]));
    let next = directory(&[(1, NOW.0 - EPOCH), (3, NOW.0 + EPOCH)]);
    assert_eq!(take(&mut epochs, &next, NOW), []);
}

#[test]
fn a_key_that_another_issuer_has_is_not_this_ones_to_close() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH)]);
    let stolen = directory(&[(1, NOW.0 - EPOCH), (2, NOW.0 + 5)]);
    let word = IssuerWord {
        directory: &stolen,
        logged: &[],
    };
    let refusals = epochs.take(word, &ids(&[2]), NOW);
    assert_eq!(refusals, [KeyRefusal::AnotherIssuers(public(2).id())]);
    assert_eq!(epochs.ids().collect::<Vec<_>>(), ids(&[1]));
}

#[test]
fn a_closed_key_does_not_come_back() {
    let mut epochs = acquainted(&[(1, NOW.0 - 2 * EPOCH), (2, NOW.0 - EPOCH), (3, NOW.0 - 100)]);
    assert_eq!(epochs.over(NOW), ids(&[1]));
    epochs.forget(public(1).id());
    let refusals = take(&mut epochs, &directory(&[(1, NOW.0 - 2 * EPOCH)]), NOW);
    assert!(matches!(refusals[..], [KeyRefusal::Unannounced { .. }]));
}

#[test]
fn an_announced_key_cannot_be_moved() {
    let mut epochs = acquainted(&[(1, NOW.0 - EPOCH), (2, NOW.0 + EPOCH)]);
    let refusals = take(&mut epochs, &directory(&[(2, NOW.0)]), NOW);
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
