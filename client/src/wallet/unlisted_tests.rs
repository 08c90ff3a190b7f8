//! What becomes of tokens whose key the directory does not list.

use pennyblack_privacypass::token::TokenKeyId;

use super::scene::{NOW, Scene, cps, fill, issuer, scene, spend};
use super::*;

const AGED: Duration = Duration::from_secs(300);

/// A wallet with three tokens of one key and two of another.
fn of_two_keys() -> Scene {
    let scene = scene();
    fill(&scene.wallet, 3, TokenKeyId([1; 32]), NOW);
    fill(&scene.wallet, 2, TokenKeyId([2; 32]), NOW.plus(AGED));
    scene
}

/// Directories of an issuer without a log, fetched at an hour each.
struct Directories {
    scene: Scene,
}

impl Directories {
    /// How many tokens one sets aside that lists these keys.
    fn list(&self, listed: &[u8], hour: u64) -> usize {
        let now = NOW.plus(AGED + Duration::from_secs(hour * 3_600));
        let standing = |key: TokenKeyId| match listed.contains(&key.0[0]) {
            true => KeyStanding::Good,
            false => KeyStanding::UnlistedWithoutLog,
        };
        let wallet = &self.scene.wallet;
        wallet.sort_keys(&issuer(), standing, now).unwrap()
    }

    /// How many tokens are there to be spent once all are listed.
    fn left(&self, hour: u64) -> u64 {
        self.list(&[1, 2], hour);
        self.scene.wallet.count(&issuer(), cps()).unwrap()
    }
}

#[test]
fn without_a_log_tokens_of_an_unlisted_key_are_set_aside_until_it_is_listed_again() {
    let directories = Directories {
        scene: of_two_keys(),
    };
    let wallet = &directories.scene.wallet;
    assert_eq!(directories.list(&[2, 3], 0), 3);
    assert_eq!(directories.list(&[2, 3], 23), 0);
    assert_eq!(wallet.count(&issuer(), cps()).unwrap(), 2);
    for _ in 0..2 {
        spend(wallet, Duration::ZERO, NOW.plus(AGED)).unwrap();
    }
    assert!(spend(wallet, Duration::ZERO, NOW.plus(AGED)).is_err());
    assert_eq!(directories.left(23), 3);
}

#[test]
fn without_a_log_five_directories_over_a_day_destroy_the_tokens_of_a_key_that_none_lists() {
    // Four at any distance, or any number within a day, are not enough.
    let few: [&[u64]; 5] = [
        &[0, 24],
        &[0, 24, 48, 9_000],
        &[0, 1, 2, 3, 4, 5, 23],
        &[0, 6, 12, 18, 23],
        &[100, 0, 1, 2, 3, 4],
    ];
    for hours in few {
        let directories = Directories {
            scene: of_two_keys(),
        };
        for hour in hours {
            directories.list(&[2], *hour);
        }
        assert_eq!(directories.left(9_000), 5, "{hours:?}");
    }
    let enough: [&[u64]; 3] = [
        &[0, 6, 12, 18, 24],
        &[0, 24, 48, 72, 96],
        &[0, 1, 6, 7, 12, 18, 23, 24],
    ];
    for hours in enough {
        let directories = Directories {
            scene: of_two_keys(),
        };
        let (last, before) = hours.split_last().unwrap();
        for hour in before {
            directories.list(&[2], *hour);
        }
        // One that lists it, and the count begins anew.
        assert_eq!(directories.left(*last), 5, "{hours:?}");
        for hour in hours {
            directories.list(&[2], last + hour);
        }
        assert_eq!(directories.left(2 * last), 2, "{hours:?}");
    }
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
    let count = || wallet.count(&issuer(), cps()).unwrap();
    assert_eq!(sort(KeyStanding::Unlisted, 0), 3);
    assert_eq!(sort(KeyStanding::Unlisted, 400), 0);
    assert_eq!(count(), 2);
    assert_eq!(sort(KeyStanding::Good, 400), 0);
    assert_eq!(count(), 5);
    assert_eq!(sort(KeyStanding::Over, 400), 0);
    assert_eq!(sort(KeyStanding::Good, 400), 0);
    assert_eq!(count(), 2);
}
