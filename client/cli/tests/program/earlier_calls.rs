//! What a call does with what earlier calls have left.

use std::net::TcpListener;

use rusqlite::Connection;

use crate::terminal::{NO_KEY, Scene, cps_with, now};

/// A CPS of several that hangs leaves one with most calls.
#[test]
fn a_call_waits_for_no_request_that_an_earlier_one_has_left() {
    let scene = Scene::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let wallet = Connection::open(scene.path("wallet.db")).unwrap();
    let sql = format!(
        "INSERT INTO outbox (nonce, url, headers, body, created, relays_only)
             VALUES (x'01', 'http://{}/v1/passports', '[]', x'02', {}, 0);",
        silent.local_addr().unwrap(),
        now().0
    );
    wallet.execute_batch(&sql).unwrap();
    let cps = cps_with(now(), Vec::new());
    scene
        .call_with(&cps, &["--deadline=5"])
        .exits_with(NO_KEY)
        .has("nobody has published a key");
}
