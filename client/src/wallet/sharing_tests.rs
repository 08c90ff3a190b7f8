//! Federation tokens: what the copies of a call share, and that nothing else ever does.

use std::collections::{BTreeMap, BTreeSet};

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::{ChallengeDigest, Nonce, TokenKeyId, TokenScope, TokenType};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::scene::{
    NOW, Scene, copies, fill, fill_with, issuer, nonce_of, open_unsynced, own, scene, token_of,
};
use super::*;

const KEY: TokenKeyId = TokenKeyId([1; 32]);
const OTHER_KEY: TokenKeyId = TokenKeyId([2; 32]);

/// The first of them has tokens of its own, too.
const CPSS: [&str; 4] = ["cps.example", "b.example", "c.example", "d.example"];

fn cps(place: usize) -> Authority {
    CPSS[place].parse().unwrap()
}

fn pay_by(
    wallet: &Wallet,
    copies: &Arc<Copies>,
    place: usize,
    choice: &TokenChoice,
) -> Result<PaidCopy, SpendError> {
    let copy = copies.seal(&cps(place)).unwrap();
    let url = format!("https://{}/v1/passports", CPSS[place]);
    let target = StoreTarget {
        url: &url,
        ways: AllowedWays::All,
    };
    wallet.spend_copy(&copy, choice, Duration::ZERO, target, NOW)
}

fn pay(wallet: &Wallet, copies: &Arc<Copies>, place: usize) -> Nonce {
    let paid = pay_by(wallet, copies, place, &TokenChoice::Any).unwrap();
    nonce_of(&paid.entry)
}

fn left(wallet: &Wallet) -> u64 {
    wallet.count(&issuer(), TokenScope::Federation).unwrap()
}

/// Federation tokens that were drawn so many seconds ago, each batch at another time.
fn fill_federation(wallet: &Wallet, size: usize, key: TokenKeyId, age: u64) {
    let at = UnixTime(NOW.0 - age);
    fill_with(wallet, &TokenScope::Federation, size, key, at);
}

fn digest(scope: &TokenScope) -> ChallengeDigest {
    let challenge = scope.challenge(TokenType::BLIND_RSA_2048, &issuer());
    challenge.unwrap().digest()
}

#[test]
fn the_copies_of_a_call_cost_one_token_and_another_call_costs_another() {
    let Scene { wallet, home } = scene();
    fill_federation(&wallet, 8, KEY, 1);
    let (first, second) = (copies(), copies());
    let paid: Vec<_> = [1, 2, 3].map(|place| pay(&wallet, &first, place)).into();
    assert!(paid.iter().all(|nonce| *nonce == paid[0]), "{paid:?}");
    assert_eq!((left(&wallet), first.newly_spent()), (7, 1));
    assert_eq!(first.newly_spent(), 0);
    // Another call, to the same CPSs.
    let other = [1, 2].map(|place| pay(&wallet, &second, place));
    assert!(other[0] == other[1] && other[0] != paid[0]);
    assert_eq!(left(&wallet), 6);
    // All five requests are kept until they are answered.
    let outbox = wallet.outbox().unwrap();
    assert_eq!(outbox.len(), 5);
    let bodies: BTreeSet<_> = outbox.iter().map(|entry| entry.call.body.clone()).collect();
    assert_eq!(bodies.len(), 5);
    drop((wallet, home));
}

#[test]
fn a_cps_is_asked_once_with_a_token_whatever_became_of_the_request() {
    let Scene { wallet, home } = scene();
    fill_federation(&wallet, 8, KEY, 1);
    let call = copies();
    let first = pay(&wallet, &call, 1);
    // Once more for the same CPS, as a program might try: it costs another token.
    let again = pay(&wallet, &call, 1);
    assert_ne!(first, again);
    // The database would not take a second request with it, either.
    let connection = wallet.lock();
    let copied = connection.execute(
        "INSERT INTO outbox (nonce, url, headers, body, created, relays_only)
         SELECT nonce, url, headers, x'00', created, relays_only FROM outbox LIMIT 1",
        [],
    );
    assert!(copied.is_err());
    drop((connection, home));
}

#[test]
fn a_cps_with_tokens_of_its_own_in_the_wallet_gets_one_of_these() {
    let Scene { wallet, home } = scene();
    let its_own = fill(&wallet, 1, KEY, NOW);
    fill_federation(&wallet, 2, KEY, 1);
    assert_eq!(wallet.holdings(Duration::ZERO, NOW).unwrap().len(), 2);
    let call = copies();
    let shared = pay(&wallet, &call, 1);
    assert_eq!(pay(&wallet, &call, 0), its_own[0]);
    assert_eq!(pay(&wallet, &call, 2), shared);
    // None of its own is left.
    let (next, before) = (copies(), left(&wallet));
    pay(&wallet, &next, 0);
    assert_eq!(left(&wallet), before - 1);
    let drawn_for = wallet.drawn_for().unwrap();
    assert_eq!(drawn_for, [TokenScope::Federation, own()]);
    drop(home);
}

#[test]
fn after_a_refusal_a_token_is_taken_that_the_cps_has_named() {
    let Scene { wallet, home } = scene();
    fill(&wallet, 9, KEY, NOW);
    fill_federation(&wallet, 4, KEY, 1);
    fill_federation(&wallet, 4, OTHER_KEY, 2);
    let call = copies();
    let refused = pay_by(&wallet, &call, 0, &TokenChoice::Any).unwrap().token;
    assert_eq!(refused.challenge, digest(&own()));
    // It takes federation tokens only: the key may be the same.
    let named = vec![digest(&TokenScope::Federation)];
    let choice = TokenChoice::after_refusal(&refused, named.clone());
    let paid = pay_by(&wallet, &call, 0, &choice).unwrap();
    assert_eq!(paid.token.challenge, named[0]);
    // It takes such, and has refused one: its key has ended, which others may not have seen.
    let choice = TokenChoice::after_refusal(&paid.token, named);
    assert_eq!(choice, TokenChoice::NotOf(paid.token.token_key));
    let call = copies();
    let other = pay_by(&wallet, &call, 1, &choice).unwrap();
    assert_ne!(other.token.token_key, paid.token.token_key);
    // It has named nothing, or what is not known here.
    let silent = TokenChoice::after_refusal(&refused, Vec::new());
    assert_eq!(silent, TokenChoice::NotOf(KEY));
    let unknown = TokenChoice::For(vec![ChallengeDigest([7; 32])]);
    let none = pay_by(&wallet, &copies(), 1, &unknown);
    assert!(matches!(none, Err(SpendError::NoToken { younger: 0, .. })));
    drop(home);
}

#[test]
fn a_token_that_is_refused_at_one_cps_is_replaced_for_those_that_are_asked_later() {
    let Scene { wallet, home } = scene();
    fill_federation(&wallet, 1, KEY, 1);
    fill_federation(&wallet, 1, OTHER_KEY, 2);
    let call = copies();
    let first = pay_by(&wallet, &call, 1, &TokenChoice::Any).unwrap();
    let choice = TokenChoice::NotOf(first.token.token_key);
    let second = pay_by(&wallet, &call, 1, &choice).unwrap();
    assert_ne!(nonce_of(&first.entry), nonce_of(&second.entry));
    assert_eq!(pay(&wallet, &call, 2), nonce_of(&second.entry));
    assert_eq!((left(&wallet), call.newly_spent()), (0, 2));
    drop(home);
}

#[test]
fn what_cannot_be_written_is_not_sent_and_its_token_signs_nothing_else_for_that_cps() {
    let Scene { wallet, home } = scene();
    fill_federation(&wallet, 3, KEY, 1);
    let call = copies();
    let first = pay(&wallet, &call, 1);
    let full = "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(FAIL, 'full'); END";
    wallet.lock().execute_batch(full).unwrap();
    for place in [2, 3] {
        let failed = pay_by(&wallet, &call, place, &TokenChoice::Any);
        assert!(matches!(failed, Err(SpendError::Wallet(_))));
    }
    // A call that had no token yet has none afterwards, and the wallet has lost none.
    let other = copies();
    assert!(pay_by(&wallet, &other, 1, &TokenChoice::Any).is_err());
    assert_eq!((left(&wallet), other.newly_spent()), (2, 0));
    wallet.lock().execute_batch("DROP TRIGGER full").unwrap();
    assert_ne!(pay(&wallet, &call, 2), first);
    drop(home);
}

/// What was signed with a token, by the CPS for which it was.
type Signed = BTreeMap<Nonce, BTreeMap<String, Vec<u8>>>;

/// Two processes that share a wallet, their calls, and what they have signed.
struct Life {
    home: tempfile::TempDir,
    processes: [Wallet; 2],
    calls: Vec<Arc<Copies>>,
    signed: Signed,
    drawn: BTreeSet<Nonce>,
    rng: StdRng,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let open = || open_unsynced(&home.path().join("wallet.db"));
        Self {
            processes: [(); 2].map(|()| open()),
            home,
            calls: Vec::new(),
            signed: Signed::new(),
            drawn: BTreeSet::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    fn one(&mut self) -> Wallet {
        self.processes[self.rng.random_range(0..2)].clone()
    }

    fn step(&mut self) {
        match self.rng.random_range(0..12) {
            0 => self.draw(),
            1..4 => self.calls.push(copies()),
            4..11 => self.copy(),
            // The process dies, and with it what its calls had.
            _ => {
                self.calls.clear();
                let path = self.home.path().join("wallet.db");
                self.processes = [(); 2].map(|()| open_unsynced(&path));
            }
        }
    }

    fn draw(&mut self) {
        let (wallet, at) = (self.one(), UnixTime(self.rng.random_range(0..NOW.0)));
        let scopes = [own(), TokenScope::Federation, TokenScope::Federation];
        let scope = &scopes[self.rng.random_range(0..scopes.len())];
        let key = [KEY, OTHER_KEY][self.rng.random_range(0..2)];
        let size = self.rng.random_range(1..9);
        self.drawn.extend(fill_with(&wallet, scope, size, key, at));
    }

    /// A copy of some call at some CPS, perhaps after a refusal.
    fn copy(&mut self) {
        let (wallet, place) = (self.one(), self.rng.random_range(0..CPSS.len()));
        let Some(last) = self.calls.len().checked_sub(1) else {
            return;
        };
        let call = Arc::clone(&self.calls[self.rng.random_range(0..=last)]);
        let choices = [
            TokenChoice::Any,
            TokenChoice::Any,
            TokenChoice::NotOf(KEY),
            TokenChoice::For(vec![digest(&TokenScope::Federation)]),
        ];
        let choice = &choices[self.rng.random_range(0..choices.len())];
        let paid = match pay_by(&wallet, &call, place, choice) {
            Ok(paid) => paid,
            Err(SpendError::NoToken { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        let token = token_of(&paid.entry);
        assert!(choice.allows(token.challenge_digest, token.token_key_id));
        let requests = self.signed.entry(token.nonce).or_default();
        let before = requests.insert(CPSS[place].to_owned(), paid.entry.call.body);
        assert!(before.is_none(), "two requests with one token at one CPS");
        if token.challenge_digest == digest(&own()) {
            assert_eq!((place, requests.len()), (0, 1), "of a token of one CPS");
        }
    }

    /// No two mailboxes, and so no two calls, have a token in common: each call has a mailbox
    /// of its own here.
    fn check(&mut self) {
        for requests in self.signed.values() {
            let mailboxes: BTreeSet<_> = requests.values().map(|body| &body[..32]).collect();
            assert_eq!(mailboxes.len(), 1, "one token for two mailboxes");
        }
        let wallet = self.one();
        let held = wallet.count(&issuer(), own()).unwrap() + left(&wallet);
        assert_eq!(held + self.signed.len() as u64, self.drawn.len() as u64);
    }
}

#[test]
fn no_two_calls_and_no_two_mailboxes_ever_have_a_token_in_common() {
    let (mut tokens, mut requests) = (0, 0);
    for seed in 0..16 {
        let mut life = Life::begin(seed);
        for _ in 0..120 {
            life.step();
        }
        life.check();
        tokens += life.signed.len();
        requests += life.signed.values().map(BTreeMap::len).sum::<usize>();
    }
    println!("{tokens} tokens paid for {requests} requests");
    assert!(
        tokens > 200 && requests > tokens + 100,
        "{tokens}, {requests}"
    );
}
