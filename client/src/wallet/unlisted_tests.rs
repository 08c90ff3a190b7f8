//! What becomes of tokens whose key the directory does not list.

use pennyblack_privacypass::token::TokenKeyId;

use super::tests::{NOW, Scene, cps, fill, issuer, scene, spend};
use super::*;

const AGED: Duration = Duration::from_secs(300);

/// A wallet with three tokens of one key and two of another.
fn of_two_keys() -> Scene {
    let scene = scene();
    fill(&scene.wallet, 3, TokenKeyId([1; 32]), NOW);
    fill(&scene.wallet, 2, TokenKeyId([2; 32]), NOW.plus(AGED));
    scene
}

#[test]
fn without_a_log_tokens_of_an_unlisted_key_are_set_aside_and_destroyed_after_a_day() {
    let Scene {
        wallet,
        home: _home,
    } = of_two_keys();
    let live = [TokenKeyId([2; 32]), TokenKeyId([3; 32])];
    let retain = |listed: &[TokenKeyId], hours: u64| {
        let now = NOW.plus(AGED + Duration::from_secs(hours * 3_600));
        let standing = |key| match listed.contains(&key) {
            true => KeyStanding::Good,
            false => KeyStanding::UnlistedWithoutLog,
        };
        wallet.sort_keys(&issuer(), standing, now).unwrap()
    };
    let count = || wallet.count(&issuer(), &cps()).unwrap();
    assert_eq!(retain(&live, 0), 3);
    assert_eq!(retain(&live, 23), 0);
    assert_eq!(count(), 2);
    for _ in 0..2 {
        spend(&wallet, Duration::ZERO, NOW.plus(AGED)).unwrap();
    }
    assert!(spend(&wallet, Duration::ZERO, NOW.plus(AGED)).is_err());
    // Listed again, they are worth what they were.
    assert_eq!(retain(&[TokenKeyId([1; 32])], 23), 0);
    assert_eq!(count(), 3);
    // The day begins anew.
    assert_eq!(retain(&live, 24), 3);
    assert_eq!(retain(&live, 47), 0);
    assert_eq!(retain(&[TokenKeyId([1; 32])], 47), 0);
    assert_eq!(count(), 3);
    assert_eq!(retain(&live, 48), 3);
    assert_eq!(retain(&live, 72), 0);
    assert_eq!(retain(&[TokenKeyId([1; 32])], 72), 0);
    assert_eq!(count(), 0);
}

#[test]
fn with_a_log_tokens_of_an_unlisted_key_wait_until_the_log_ends_it() {
    let Scene {
        wallet,
        home: _home,
    } = of_two_keys();
    let sort = |first: KeyStanding, days: u64| {
        let now = NOW.plus(Duration::from_secs(days * 86_400));
        let standing = |key| match key {
            TokenKeyId([1, ..]) => first,
            _ => KeyStanding::Good,
        };
        wallet.sort_keys(&issuer(), standing, now).unwrap()
    };
    let count = || wallet.count(&issuer(), &cps()).unwrap();
    assert_eq!(sort(KeyStanding::Unlisted, 0), 3);
    assert_eq!(sort(KeyStanding::Unlisted, 400), 0);
    assert_eq!(count(), 2);
    assert_eq!(sort(KeyStanding::Good, 400), 0);
    assert_eq!(count(), 5);
    assert_eq!(sort(KeyStanding::Over, 400), 0);
    assert_eq!(sort(KeyStanding::Good, 400), 0);
    assert_eq!(count(), 2);
}
