//! What the wallet's tests have in common: wallets with draws and tokens, and what is paid for.

use std::fs;

use pennyblack_base::authority::Authority;
use pennyblack_base::encoding::base64url;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_passport::UnverifiedPassport;
use pennyblack_privacypass::token::{
    Nonce, Token, TokenChallenge, TokenKeyId, TokenScope, TokenType,
};
use pennyblack_privacypass::token_key::{TokenKey, TokenToBe};
use pennyblack_protocol::store_request::{SignedStoreRequest, sign_store_request};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_sealing::sealed::{Sealed, seal_passport};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

pub(super) const NOW: UnixTime = UnixTime(1_800_000_000);
pub(super) const URL: &str = "http://127.0.0.1:1/v1/passports";
pub(super) const TARGET: StoreTarget<'_> = StoreTarget {
    url: URL,
    ways: AllowedWays::RelaysOnly,
};

pub(super) fn issuer() -> Authority {
    "issuer.example".parse().unwrap()
}

pub(super) fn cps() -> Authority {
    "cps.example".parse().unwrap()
}

/// The public key of RFC 9578's test vectors.
fn token_key() -> TokenKey {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/rfc9578-blindrsa/type2-issuance-test-vectors.json"
    );
    let vectors: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    TokenKey::parse(
        TokenType::BLIND_RSA_2048,
        &hex::decode(vectors[0]["pkS"].as_str().unwrap()).unwrap(),
    )
    .unwrap()
}

/// Of the CPS's own tokens.
pub(super) fn own() -> TokenScope {
    cps().into()
}

fn challenge(scope: &TokenScope) -> TokenChallenge {
    scope
        .challenge(TokenType::BLIND_RSA_2048, &issuer())
        .unwrap()
}

pub(super) fn new_draw(size: usize, rng: &mut StdRng) -> NewDraw {
    new_draw_of(&own(), size, rng)
}

pub(super) fn new_draw_of(scope: &TokenScope, size: usize, rng: &mut StdRng) -> NewDraw {
    let (key, challenge) = (token_key(), challenge(scope));
    let parts = (0..size)
        .map(|_| {
            let spend_key = SpendKey::generate(rng);
            let pending =
                TokenToBe::blind(&key, spend_key.nonce(), challenge.digest(), rng).unwrap();
            DrawPart { pending, spend_key }
        })
        .collect();
    NewDraw {
        challenge,
        token_key: TokenKeyId([1; 32]),
        subject: "683G".to_owned(),
        body: b"a batch".to_vec(),
        parts,
    }
}

/// Tokens as an issuer's answer would give them. The wallet does not verify
/// authenticators; they are verified before a draw is completed.
pub(super) fn answer(draw: &NewDraw, key: TokenKeyId) -> Vec<DrawnToken> {
    let token = |nonce: Nonce| Token {
        token_type: TokenType::BLIND_RSA_2048,
        nonce,
        challenge_digest: draw.challenge.digest(),
        token_key_id: key,
        authenticator: vec![9; 256].into(),
    };
    draw.parts
        .iter()
        .enumerate()
        .map(|(position, part)| DrawnToken {
            position,
            token: token(part.pending.nonce()),
        })
        .collect()
}

pub(super) fn sealed() -> Sealed {
    let mut rng = StdRng::seed_from_u64(1);
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rng).unwrap();
    seal_passport(key.config(), &cps(), "a.b.c", &mut rng).unwrap()
}

pub(super) fn sign(
    token: &Token,
    key: &SpendKey,
) -> Result<SignedStoreRequest, pennyblack_protocol::store_request::SignStoreError> {
    let mailbox = pennyblack_sealing::mailbox::MailboxId([1; 32]);
    sign_store_request(token, key, &cps(), mailbox, &sealed(), NOW)
}

pub(super) struct Scene {
    pub(super) home: tempfile::TempDir,
    pub(super) wallet: Wallet,
}

pub(super) fn scene() -> Scene {
    let home = tempfile::tempdir().unwrap();
    let wallet = Wallet::open(&home.path().join("wallet.db")).unwrap();
    Scene { home, wallet }
}

/// A wallet that does not wait for the disk: no power fails in its test, and the disk's
/// times say nothing about the wallet.
pub(super) fn open_unsynced(path: &Path) -> Wallet {
    let wallet = Wallet::open(path).unwrap();
    let connection = wallet.lock();
    connection
        .pragma_update(None, "synchronous", "OFF")
        .unwrap();
    drop(connection);
    wallet
}

pub(crate) fn fill(wallet: &Wallet, size: usize, key: TokenKeyId, at: UnixTime) -> Vec<Nonce> {
    fill_with(wallet, &own(), size, key, at)
}

pub(super) fn fill_with(
    wallet: &Wallet,
    scope: &TokenScope,
    size: usize,
    key: TokenKeyId,
    at: UnixTime,
) -> Vec<Nonce> {
    let draw = new_draw_of(scope, size, &mut StdRng::seed_from_u64(at.0));
    let id = wallet.begin_draw(&draw, at).unwrap();
    let tokens = answer(&draw, key);
    assert_eq!(wallet.complete_draw(id, &tokens, at).unwrap(), size);
    tokens.iter().map(|drawn| drawn.token.nonce).collect()
}

/// The copies of a PASSporT that nobody has signed, for a mailbox of their own.
pub(super) fn copies() -> Arc<Copies> {
    let [header, claims] = [
        r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://c.example/c.pem"}"#,
        r#"{"attest":"A","dest":{"tn":["12125550142"]},"iat":1800000000,"orig":{"tn":"12155550100"},"origid":"123e4567-e89b-42d3-a456-426614174000"}"#,
    ]
    .map(|text| base64url(text.as_bytes()));
    let passport = format!("{header}.{claims}.{}", base64url(&[7; 64]));
    let passport = UnverifiedPassport::parse(&passport).unwrap();
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    Copies::new(Arc::new(passport), key.config().clone())
}

pub(super) fn token_of(entry: &OutboxEntry) -> Token {
    let mut headers = entry.call.headers.iter();
    let (_, value) = headers.find(|(name, _)| name == "authorization").unwrap();
    Token::from_authorization(value).unwrap()
}

pub(super) fn nonce_of(entry: &OutboxEntry) -> Nonce {
    token_of(entry).nonce
}

pub(super) fn spend(
    wallet: &Wallet,
    minimum_age: Duration,
    now: UnixTime,
) -> Result<Nonce, SpendError> {
    let mut spent = None;
    wallet.spend(&cps(), minimum_age, URL, now, |token, key| {
        spent = Some(token.nonce);
        sign(token, key)
    })?;
    Ok(spent.unwrap())
}
