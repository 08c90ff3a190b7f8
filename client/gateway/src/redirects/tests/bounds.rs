//! What peers may hold.

use super::*;

fn gated() -> StandIn {
    StandIn {
        gate: Some(Semaphore::new(0)),
        ..StandIn::default()
    }
}

#[tokio::test]
async fn an_invite_without_room_is_answered_503_and_others_are_not_lost() {
    for limit in ["sip.limits.transactions=2", "sip.limits.bytes=1100"] {
        let scene = Scene::signing(gated(), &[limit]);
        let (first, second) = (scene.socket().await, scene.socket().await);
        first.send(request("INVITE", 1).as_bytes()).await.unwrap();
        second.send(request("INVITE", 2).as_bytes()).await.unwrap();
        until(|| scene.engine.signed.lock().unwrap().len() == 2).await;
        assert_eq!(
            code(&scene.asks(&request("INVITE", 3)).await),
            "503",
            "{limit}"
        );
        scene.engine.gate.as_ref().unwrap().add_permits(2);
        for (socket, number) in [(first, 1), (second, 2)] {
            let answer = loop {
                let said = heard(&socket).await;
                if code(&said) != "100" {
                    break said;
                }
            };
            assert_eq!(code(&answer), "302");
            socket
                .send(request("ACK", number).as_bytes())
                .await
                .unwrap();
        }
        scene.stops().await;
    }
}

#[tokio::test]
async fn connections_are_counted_and_a_place_is_free_when_one_ends() {
    let scene = Scene::signing(StandIn::default(), &["sip.limits.connections=1"]);
    let mut first = TcpStream::connect(scene.tcp).await.unwrap();
    first
        .write_all(request("OPTIONS", 1).as_bytes())
        .await
        .unwrap();
    assert_eq!(code(&heard_by(&mut first).await), "200");
    let mut second = TcpStream::connect(scene.tcp).await.unwrap();
    assert_eq!(heard_by(&mut second).await, "", "turned away");
    drop(first);
    let answer = timeout(SOON, async {
        loop {
            let mut third = TcpStream::connect(scene.tcp).await.unwrap();
            let _ = third.write_all(request("OPTIONS", 2).as_bytes()).await;
            let said = heard_by(&mut third).await;
            if !said.is_empty() {
                return said;
            }
        }
    });
    assert_eq!(code(&answer.await.unwrap()), "200");
    scene.stops().await;
}

#[tokio::test]
async fn a_message_that_never_ends_and_a_connection_that_is_idle_are_given_up() {
    let patient = ["sip.limits.idle=1h", "sip.limits.message=50ms"];
    let scene = Scene::signing(StandIn::default(), &patient);
    let mut stream = TcpStream::connect(scene.tcp).await.unwrap();
    let text = request("INVITE", 1);
    // A byte now and then is no progress.
    let dripping = async {
        let (mut from, mut to) = stream.split();
        let mut byte = [0];
        for piece in text.as_bytes().chunks(1).cycle() {
            let wait = Duration::from_millis(10);
            match timeout(wait, from.read(&mut byte)).await {
                Err(_) => drop(to.write_all(piece).await),
                Ok(ended) => return ended.unwrap_or(0),
            }
        }
        1
    };
    assert_eq!(timeout(SOON, dripping).await.unwrap(), 0);
    scene.stops().await;

    let scene = Scene::signing(StandIn::default(), &["sip.limits.idle=50ms"]);
    let mut stream = TcpStream::connect(scene.tcp).await.unwrap();
    assert_eq!(heard_by(&mut stream).await, "");
    scene.stops().await;
}

#[tokio::test]
async fn a_keep_alive_is_answered_and_a_lone_line_end_is_no_message() {
    let limits = ["sip.limits.message=50ms", "sip.limits.idle=1h"];
    let scene = Scene::signing(StandIn::default(), &limits);
    let mut stream = TcpStream::connect(scene.tcp).await.unwrap();
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    timeout(SOON, stream.read_exact(&mut pong))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&pong, b"\r\n");
    stream.write_all(b"\r\n").await.unwrap();
    let mut other = TcpStream::connect(scene.tcp).await.unwrap();
    other.write_all(b"X").await.unwrap();
    assert_eq!(
        heard_by(&mut other).await,
        "",
        "longer than a message may take"
    );
    stream
        .write_all(request("OPTIONS", 1).as_bytes())
        .await
        .unwrap();
    assert_eq!(code(&heard_by(&mut stream).await), "200");
    scene.stops().await;
}
