//! Piles against the simplest thing that they could be: a set of tokens, each with its key
//! and the time at which it was drawn. Two processes share the wallet, and both die.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::{Nonce, Token, TokenKeyId};
use pennyblack_protocol::store_request::SignStoreError;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::scene::{
    NOW, Scene, TARGET, URL, answer, copies, cps, fill, issuer, new_draw, nonce_of, open_unsynced,
    scene, spend,
};
use super::*;

const AGE: Duration = Duration::from_secs(300);
const LIVES: u64 = 12;
const STEPS: usize = 120;
const KEYS: u8 = 4;

/// A token of the model.
#[derive(Debug, Clone, Copy)]
struct Held {
    key: TokenKeyId,
    drawn_at: UnixTime,
}

/// A wallet of two processes and the set that it should be.
struct Life {
    home: tempfile::TempDir,
    processes: [Wallet; 2],
    now: UnixTime,
    held: HashMap<Nonce, Held>,
    spent: BTreeSet<Nonce>,
    rng: StdRng,
}

fn open(home: &Path) -> Wallet {
    open_unsynced(&home.join("wallet.db"))
}

impl Life {
    fn begin(seed: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self {
            processes: [(); 2].map(|()| open(home.path())),
            home,
            now: NOW,
            held: HashMap::new(),
            spent: BTreeSet::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    fn one(&mut self) -> Wallet {
        self.processes[self.rng.random_range(0..2)].clone()
    }

    fn a_key(&mut self) -> TokenKeyId {
        TokenKeyId([self.rng.random_range(0..KEYS); 32])
    }

    /// A draw that one process begins and either of them brings in, perhaps both.
    fn draw(&mut self) {
        let key = self.a_key();
        let size = self.rng.random_range(1..5);
        let draw = new_draw(size, &mut self.rng);
        let id = self.one().begin_draw(&draw, self.now).unwrap();
        let tokens = answer(&draw, key);
        let first = self.one().complete_draw(id, &tokens, self.now).unwrap();
        assert_eq!(first, size);
        let again = self.one().complete_draw(id, &tokens, self.now).unwrap();
        assert_eq!(again, 0);
        for drawn in tokens {
            let held = Held {
                key,
                drawn_at: self.now,
            };
            self.held.insert(drawn.token.nonce, held);
        }
    }

    /// Whether a token was spent; `refused` is a key that must not be used.
    fn spend(&mut self, refused: Option<TokenKeyId>) -> bool {
        let wallet = self.one();
        let choice = refused.map_or(TokenChoice::Any, TokenChoice::NotOf);
        let copy = copies().seal(&cps()).unwrap();
        let Ok(paid) = wallet.spend_copy(&copy, &choice, AGE, TARGET, self.now) else {
            return false;
        };
        let entry = paid.entry;
        let nonce = nonce_of(&entry);
        let held = self.held.remove(&nonce).expect("a token that is not held");
        assert!(self.spent.insert(nonce), "spent twice");
        assert!(held.drawn_at.plus(AGE) <= self.now, "spent too young");
        assert_ne!(Some(held.key), refused);
        wallet.settle(entry.id).unwrap();
        true
    }

    /// A key has ended. Its tokens are destroyed now, in part, or later.
    fn end(&mut self) {
        let over = self.a_key();
        let standing = |key| match key == over {
            true => KeyStanding::Over,
            false => KeyStanding::Good,
        };
        self.one().sort_keys(&issuer(), standing, self.now).unwrap();
        self.held.retain(|_, held| held.key != over);
        if self.rng.random_bool(0.5) {
            self.one().destroy_ended().unwrap();
        }
    }

    fn restart(&mut self) {
        let home = self.home.path().to_owned();
        self.processes = [(); 2].map(|()| open(&home));
    }

    fn step(&mut self) {
        match self.rng.random_range(0..20) {
            0..6 => self.draw(),
            6..14 => {
                self.spend(None);
            }
            14..17 => {
                let refused = self.a_key();
                self.spend(Some(refused));
            }
            17 => self.end(),
            18 => self.restart(),
            _ => {}
        }
    }

    /// The tokens of piles that have not ended lie where the piles say, without a gap, and
    /// are those of the model.
    fn check(&mut self) {
        let wallet = self.one();
        let connection = wallet.lock();
        let query = "SELECT pile.id, first, next, token.id, token FROM pile
             LEFT JOIN token ON token.id >> 40 = pile.id WHERE NOT ended ORDER BY token.id";
        let mut statement = connection.prepare(query).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut piles: BTreeMap<(i64, i64, i64), Vec<i64>> = BTreeMap::new();
        let mut found = BTreeSet::new();
        while let Some(row) = rows.next().unwrap() {
            let get = |column| row.get::<_, i64>(column).unwrap();
            let positions = piles.entry((get(0), get(1), get(2))).or_default();
            if let Some(token) = row.get::<_, Option<Vec<u8>>>(4).unwrap() {
                positions.push(get(3) & ((1 << 40) - 1));
                assert!(
                    found.insert(Token::parse(&token).unwrap().nonce),
                    "there twice"
                );
            }
        }
        for ((_, first, next), positions) in piles {
            assert_eq!(positions, (first..next).collect::<Vec<_>>());
        }
        assert_eq!(found.len(), self.held.len());
        assert!(found.iter().all(|nonce| self.held.contains_key(nonce)));
        drop(rows);
        drop(statement);
        drop(connection);
        let counted = wallet.count(&issuer(), cps()).unwrap();
        assert_eq!(counted, self.held.len() as u64);
    }

    /// How many tokens the wallet would spend, and how many are old enough.
    fn ready(&mut self) -> (u64, u64) {
        let holdings = self.one().holdings(AGE, self.now).unwrap();
        let ready = holdings.iter().map(|holding| holding.ready).sum();
        let old = |held: &&Held| held.drawn_at.plus(AGE) <= self.now;
        (ready, self.held.values().filter(old).count() as u64)
    }
}

#[test]
fn a_wallet_is_a_set_whatever_its_processes_do() {
    let mut spent = 0;
    for seed in 0..LIVES {
        let mut life = Life::begin(seed);
        for _ in 0..STEPS {
            life.step();
            life.check();
            let (ready, old) = life.ready();
            assert_eq!(ready, old, "seed {seed}");
            let later = Duration::from_secs(life.rng.random_range(0..120));
            life.now = life.now.plus(later);
        }
        // What is left can be spent to the last token, once it is old enough.
        life.now = life.now.plus(AGE);
        while life.spend(None) {}
        assert!(life.held.is_empty(), "seed {seed}");
        life.check();
        spent += life.spent.len();
    }
    assert!(spent > 500, "only {spent} were spent");
}

#[test]
fn a_clock_that_jumps_makes_no_token_look_older_and_loses_none() {
    for seed in 100..100 + LIVES {
        let mut life = Life::begin(seed);
        for _ in 0..STEPS {
            life.step();
            life.check();
            let (ready, old) = life.ready();
            assert!(ready <= old, "seed {seed}: {ready} of {old}");
            let jump = Duration::from_secs(life.rng.random_range(0..3_600));
            life.now = match life.rng.random_bool(0.5) {
                true => life.now.plus(jump),
                false => life.now.minus(jump),
            };
        }
        life.now = life.now.plus(Duration::from_secs(1_000_000));
        while life.spend(None) {}
        assert!(life.held.is_empty(), "seed {seed}");
    }
}

#[test]
fn every_usable_token_of_every_pile_is_equally_likely() {
    const EACH: usize = 100;
    let Scene {
        wallet,
        home: _home,
    } = scene();
    let mut times = BTreeMap::new();
    for (key, size) in [(1, 2), (2, 9), (3, 30)] {
        let at = UnixTime(NOW.0 + u64::from(key));
        for nonce in fill(&wallet, size, TokenKeyId([key; 32]), at) {
            times.insert(nonce, 0_usize);
        }
    }
    let now = NOW.plus(AGE + Duration::from_secs(10));
    // These are too young, and one that was spent leaves its place to the first.
    fill(&wallet, 5, TokenKeyId([3; 32]), now);
    let spent = spend(&wallet, AGE, now).unwrap();
    times.remove(&spent).unwrap();
    let cells = times.len();
    for _ in 0..EACH * cells {
        let refused = wallet.spend(&cps(), AGE, URL, now, |token, _| {
            *times.get_mut(&token.nonce).expect("it is too young") += 1;
            Err(SignStoreError::KeyOfAnotherToken)
        });
        // So the token stays where it was.
        assert!(matches!(refused, Err(SpendError::Sign(_))));
    }
    let expected = EACH as f64;
    let parts = times
        .values()
        .map(|seen| (*seen as f64 - expected).powi(2) / expected);
    let chi_square: f64 = parts.sum();
    println!("chi-square {chi_square:.1} of {cells} tokens");
    // With 39 degrees of freedom, chance exceeds it once in ten million times.
    assert!(chi_square < 105.0, "{chi_square}");
}
