//! PASSporTs sealed to an X-Wing key by OpenSSL and opened here, and the other way round:
//! the whole suite against an implementation of which nothing is ours.

use pennyblack_base::authority::Authority;
use pennyblack_hpke::{Kem, PRIVATE_KEY_SIZE, PrivateKey, PublicKey};
use serde_json::json;

use super::client::run;

const INFO: &[u8] = b"pennyblack passport v1 and a mailbox";

async fn ask_openssl(task: &str, seed: &[u8], aad: &str, message: &[u8]) -> Vec<u8> {
    let input = json!({
        "seed": hex::encode(seed),
        "info": hex::encode(INFO),
        "aad": hex::encode(aad),
        "message": hex::encode(message),
    });
    let said = run("mailbox_seal.py", &[task], &input).await;
    hex::decode(said.trim_end()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_openssl_seals_with_x_wing_opens_here_and_the_other_way_round() {
    let cps: Authority = "cps.test".parse().unwrap();
    let key = PrivateKey::generate(Kem::XWing, &mut rand::rng());
    let mut seed = [0; PRIVATE_KEY_SIZE];
    key.write(&mut seed);
    let public = ask_openssl("public", &seed, cps.as_str(), b"").await;
    assert_eq!(public, key.public_key_bytes());

    let sealed = ask_openssl("seal", &seed, cps.as_str(), b"theirs").await;
    let opened = key.open(INFO, cps.as_str().as_bytes(), &sealed).unwrap();
    assert_eq!(*opened, b"theirs");

    let mut message = vec![0; Kem::XWing.enc_size()];
    message.extend(b"ours");
    message.resize(Kem::XWing.sealing_overhead() + 4, 0);
    let public = PublicKey::parse(Kem::XWing, &public).unwrap();
    let aad = cps.as_str().as_bytes();
    public
        .seal(INFO, aad, &mut message, &mut rand::rng())
        .unwrap();
    let opened = ask_openssl("open", &seed, cps.as_str(), &message).await;
    assert_eq!(opened, b"ours");
}
