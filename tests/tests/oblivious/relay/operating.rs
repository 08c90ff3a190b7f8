//! What an operator does with a relay: checks, starts, renews, stops.

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use pennyblack_tests::answer::Answer;
use pennyblack_tests::wait::until;

use super::scene::{REQUEST, Scene};
use crate::SERVICE;

/// Longest wait for what happens at once.
const SOON: Duration = Duration::from_secs(20);

const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../client/relay/relay.example.toml"
);

fn run(arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(SERVICE);
    command.args(["relay", "--config", EXAMPLE]).args(arguments);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    (output, said)
}

#[test]
fn a_check_tells_each_fault_and_a_start_refuses_what_it_tells() {
    let free = [
        "--set",
        "public.listen=127.0.0.1:0",
        "--set",
        "admin.listen=127.0.0.1:0",
    ];
    let (good, said) = run(&[&free[..], &["--check-config"]].concat());
    assert!(good.status.success(), "{said}");
    assert!(
        String::from_utf8(good.stdout)
            .unwrap()
            .contains("at_once = 32")
    );
    let gateways = "gateway=[\
        {name=\"a\", url=\"https://a.example\", tls_roots=\"/no/roots.pem\"}, \
        {name=\"b\", url=\"https://b.example\", client_certificate=\"/no/chain.pem\", \
         client_key=\"/no/key.pem\"}]";
    let bad = [&free[..], &["--set", gateways]].concat();
    for start in [&["--check-config"][..], &[]] {
        let (refused, said) = run(&[&bad[..], start].concat());
        assert_eq!(refused.status.code(), Some(1));
        for part in ["\"a\"", "/no/roots.pem", "\"b\"", "/no/chain.pem"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let own = [
        "--set",
        "gateway=[{name=\"a\", url=\"http://localhost:8731\"}]",
    ];
    let (refused, said) = run(&[&free[..], &own].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said.contains("gateway.url") && said.contains("relay.authority"),
        "{said}"
    );
    let (greedy, said) = run(&[
        &free[..],
        &["--check-config", "--set", "clients.at_once=256"],
    ]
    .concat());
    assert!(
        greedy.status.success() && said.contains("note: clients.network_times"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_in_force_from_the_next_connection_on() {
    let scene = Scene::open(&[]).await;
    let client = scene.client([127, 0, 0, 1]);
    let [chain, key] = ["relay-client.pem", "relay-client.key"].map(|name| scene.world.path(name));
    let good = [&chain, &key].map(|path| fs::read(path).unwrap());
    let stranger = rcgen::generate_simple_self_signed(["stranger.test".to_owned()]).unwrap();
    fs::write(&chain, stranger.cert.pem()).unwrap();
    fs::write(&key, stranger.signing_key.serialize_pem()).unwrap();
    let asks_until = async |statuses: &[u16]| {
        scene.relay.hang_up();
        until("new files to be in force", SOON, async || {
            let answer = scene.ask(&client, "end").await;
            let is_one = |answer: &Answer| statuses.contains(&answer.status.as_u16());
            (is_one(&answer) || is_one(&scene.ask(&client, "hello").await)).then_some(())
        })
        .await;
    };
    // The gateway accepts the first one alone.
    // It refuses before or after the request has left.
    let refused = [502, 503];
    asks_until(&refused).await;
    until("only refusals", SOON, async || {
        let status = scene.ask(&client, "hello").await.status.as_u16();
        refused.contains(&status).then_some(())
    })
    .await;
    for (path, content) in [&chain, &key].into_iter().zip(good) {
        fs::write(path, content).unwrap();
    }
    asks_until(&[200]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stops_answers_what_it_has_begun() {
    let scene = Scene::open(&[]).await;
    let client = scene.client([127, 0, 0, 1]);
    let request = client.post(scene.url()).header("content-type", REQUEST);
    let asked = tokio::spawn(request.body("wait").send());
    until("the request at the gateway", SOON, async || {
        (scene.gateway.asked_for("wait") == 1).then_some(())
    })
    .await;
    let Scene {
        world: _world,
        gateway,
        relay,
    } = scene;
    let public = relay.addresses().public;
    tokio::join!(relay.stop(), async {
        until("no further connection", SOON, async || {
            tokio::net::TcpStream::connect(public).await.err()
        })
        .await;
        gateway.release();
        assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    });
}
