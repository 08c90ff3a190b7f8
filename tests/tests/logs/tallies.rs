//! The counts that a CPS states in its log when it closes a key epoch, over a stop.

use std::collections::HashMap;

use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_tests::scene::Scene;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_that_is_answered_while_the_cps_stops_is_counted() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let request = world.spend(&world.draw_one().await, &mailbox, "one.passport.x");
    world.store(&request).await.unwrap().assert_created();

    let cps = world.cps_name();
    let mut repetition = BufStream::new(TcpStream::connect(cps.as_str()).await.unwrap());
    let mut head = format!(
        "POST {STORE_PATH} HTTP/1.1\r\nhost: {cps}\r\nconnection: close\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n",
        request.body().len()
    );
    for (name, value) in request.headers() {
        head += &format!("{name}: {value}\r\n");
    }
    repetition.write_all(head.as_bytes()).await.unwrap();
    repetition.write_all(b"\r\n").await.unwrap();
    repetition.flush().await.unwrap();
    // The CPS is waiting for the body now.
    let mut line = String::new();
    repetition.read_line(&mut line).await.unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");

    scene.begin_to_stop_the_cps().await;
    repetition.write_all(request.body()).await.unwrap();
    repetition.flush().await.unwrap();
    let mut answer = String::new();
    repetition.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("HTTP/1.1 201 Created\r\n"), "{answer}");

    // The clock stands still, so the CPS writes nothing by itself once it runs again.
    let scene = scene.restart().await;
    let file = scene.world.cps.cps.data_directory.join("log/tallies.json");
    let counts: HashMap<String, [u64; 3]> =
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [[1, 0, 0]]);
    scene.close().await;
}
