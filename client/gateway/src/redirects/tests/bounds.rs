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
    for (limit, calls) in [
        ("sip.limits.transactions=2", 2),
        ("sip.limits.bytes=140000", 3),
    ] {
        let scene = Scene::signing(gated(), &[limit]);
        let mut sockets = Vec::new();
        for number in 1..=calls {
            let socket = scene.socket().await;
            let invite = request("INVITE", number);
            socket.send(invite.as_bytes()).await.unwrap();
            sockets.push((socket, number));
        }
        let begun = || scene.engine.signed.lock().unwrap().len();
        until(|| begun() == sockets.len()).await;
        assert_eq!(
            code(&scene.asks(&request("INVITE", 9)).await),
            "503",
            "{limit}"
        );
        scene.engine.gate.as_ref().unwrap().add_permits(begun());
        for (socket, number) in sockets {
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
async fn calls_beyond_those_that_are_decided_at_once_go_on_as_they_are() {
    for (nothing, code) in [("404", "404"), ("302-without", "302")] {
        let nothing = format!("sip.sign.nothing={nothing}");
        let scene = Scene::signing(gated(), &["sip.limits.decisions=2", &nothing]);
        let begun = || scene.engine.signed.lock().unwrap().len();
        // One of them is given up at once, and over a connection it is forgotten as soon. What
        // it has begun costs no less.
        let mut stream = TcpStream::connect(scene.tcp).await.unwrap();
        let given_up = ["INVITE", "CANCEL", "ACK"].map(|method| request(method, 1));
        stream
            .write_all(given_up.concat().as_bytes())
            .await
            .unwrap();
        let waiting = scene.socket().await;
        waiting.send(request("INVITE", 2).as_bytes()).await.unwrap();
        until(|| begun() == 2).await;
        for number in 3..100 {
            let said = scene.asks(&request("INVITE", number)).await;
            assert_eq!(super::code(&said), code);
            assert!(!said.contains("Identity"), "{said}");
        }
        assert_eq!(begun(), 2);
        scene.engine.gate.as_ref().unwrap().add_permits(1_000);
        let decided = async {
            let mut number = 100;
            while !scene
                .asks(&request("INVITE", number))
                .await
                .contains("Identity")
            {
                number += 1;
            }
        };
        timeout(SOON, decided).await.unwrap();
        waiting.send(request("ACK", 2).as_bytes()).await.unwrap();
        scene.stops().await;
    }
}

#[tokio::test]
async fn a_call_that_has_waited_too_long_goes_on_as_it_is() {
    let mut config = example_with(&[side("sign", &[])[0].as_str()]).unwrap();
    // Whatever it was, it was longer.
    config.signing.deadline = Duration::from_nanos(1);
    let scene = Scene::of(StandIn::default(), config);
    assert_eq!(code(&scene.asks(&request("INVITE", 1)).await), "404");
    assert_eq!(scene.engine.signed.lock().unwrap().len(), 0);
    scene.stops().await;
}

#[tokio::test]
async fn a_flood_of_strangers_keeps_no_switch_waiting() {
    let own = "sip.sign.listen=[\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]".to_owned();
    let allow = "sip.sign.allow=[\"127.0.0.2/32\"]".to_owned();
    let scene = Scene::new(StandIn::default(), &[own, allow]);
    let (stranger, switch) = (scene.socket().await, {
        let socket = UdpSocket::bind("127.0.0.2:0").await.unwrap();
        socket.connect(scene.udp).await.unwrap();
        socket
    });
    for number in 0..1_000 {
        stranger
            .send(request("INVITE", number).as_bytes())
            .await
            .unwrap();
        tokio::task::yield_now().await;
    }
    let signed = async {
        let mut number = 1_000;
        loop {
            switch
                .send(request("INVITE", number).as_bytes())
                .await
                .unwrap();
            let wait = Duration::from_millis(100);
            if let Ok(said) = timeout(wait, heard(&switch)).await {
                return said;
            }
            // The flood had filled the socket.
            number += 1;
        }
    };
    assert_eq!(code(&timeout(SOON, signed).await.unwrap()), "302");
    let mut told = 0;
    while let Ok(said) = timeout(Duration::from_millis(200), heard(&stranger)).await {
        assert_eq!(code(&said), "403");
        told += 1;
    }
    // As many as in two seconds, on a machine that is busy.
    assert!((1..=40).contains(&told), "{told}");
    scene.shutdown.trigger();
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
