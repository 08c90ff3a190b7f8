#![no_main]
//! A store request (docs/protocol.md section 3): four lines with the values of
//! `Authorization`, `Content-Digest`, `Signature-Input` and `Signature`, and the body.

use pennyblack_fuzz::world::{NOW, world};
use pennyblack_base::encoding::sha256;
use pennyblack_protocol::store_request::{ParsedStore, StoreHeaders};

pennyblack_fuzz::fuzz_bytes!(check);

fn check(bytes: &[u8]) {
    let parts: Vec<&[u8]> = bytes.splitn(5, |&byte| byte == b'\n').collect();
    let [
        authorization,
        content_digest,
        signature_input,
        signature,
        body,
    ] = parts[..]
    else {
        return;
    };
    let headers = StoreHeaders {
        authorization: std::str::from_utf8(authorization).ok(),
        content_digest: std::str::from_utf8(content_digest).ok(),
        signature_input: std::str::from_utf8(signature_input).ok(),
        signature: std::str::from_utf8(signature).ok(),
    };
    check_request(&headers, body);
}

fn check_request(headers: &StoreHeaders<'_>, body: &[u8]) {
    let world = world();
    let Ok(parsed) = ParsedStore::parse(headers, body) else {
        return;
    };
    let Ok(admitted) = parsed.admit(&world.policy, NOW) else {
        return;
    };
    if let Ok(verified) = admitted.verify(&world.issuer.key) {
        let token = verified.token();
        assert_eq!(token.nonce(), world.spend_key.nonce());
        assert_eq!(verified.record().digest.0, sha256(body));
        assert_eq!(verified.record().verify(&token.nonce(), &world.cps), Ok(()));
    }
}
