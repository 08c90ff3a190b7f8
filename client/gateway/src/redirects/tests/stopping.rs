//! The end of a front end, and of what is in force.

use super::*;

#[tokio::test]
async fn what_has_begun_is_answered_and_what_begins_goes_elsewhere() {
    let engine = StandIn {
        gate: Some(Semaphore::new(0)),
        ..StandIn::default()
    };
    let scene = Scene::signing(engine, &[]);
    let socket = scene.socket().await;
    let mut stream = TcpStream::connect(scene.tcp).await.unwrap();
    socket.send(request("INVITE", 1).as_bytes()).await.unwrap();
    stream
        .write_all(request("INVITE", 2).as_bytes())
        .await
        .unwrap();
    until(|| scene.engine.signed.lock().unwrap().len() == 2).await;
    scene.shutdown.trigger();
    let refused = async {
        // Until the request to stop has arrived, it is one more call.
        let mut number = 3;
        loop {
            let said = scene.asks(&request("OPTIONS", number)).await;
            number += 1;
            if code(&said) == "503" {
                return code(&scene.asks(&request("INVITE", number)).await).to_owned();
            }
        }
    };
    assert_eq!(timeout(SOON, refused).await.unwrap(), "503");
    assert!(!scene.running.is_finished());
    scene.engine.gate.as_ref().unwrap().add_permits(2);
    let mut said = heard_by(&mut stream).await;
    if code(&said) == "100" {
        said = heard_by(&mut stream).await;
    }
    assert_eq!(code(&said), "302");
    let mut said = heard(&socket).await;
    if code(&said) == "100" {
        said = heard(&socket).await;
    }
    assert_eq!(code(&said), "302");
    // It waits for the ACK, without which the answer would be sent again.
    assert_eq!(heard(&socket).await, said);
    socket.send(request("ACK", 1).as_bytes()).await.unwrap();
    scene.stops().await;
}

#[tokio::test]
async fn a_peer_that_never_acknowledges_keeps_no_gateway_from_its_end() {
    let scene = Scene::signing(StandIn::default(), &["public.limits.drain=50ms"]);
    let socket = scene.socket().await;
    socket.send(request("INVITE", 1).as_bytes()).await.unwrap();
    assert_eq!(code(&heard(&socket).await), "302");
    scene.stops().await;
}

#[tokio::test]
async fn a_call_that_is_open_when_trunks_change_is_answered_by_the_old_ones() {
    let engine = StandIn {
        gate: Some(Semaphore::new(0)),
        ..StandIn::default()
    };
    let scene = Scene::signing(engine, &[]);
    let socket = scene.socket().await;
    socket.send(request("INVITE", 1).as_bytes()).await.unwrap();
    until(|| scene.engine.signed.lock().unwrap().len() == 1).await;
    let elsewhere = "trunk=[{name=\"elsewhere\", addresses=[\"192.0.2.1/32\"]}]";
    *scene.next.lock().unwrap() = example_with(&[elsewhere]).unwrap();
    scene.settings.reread();
    assert_eq!(code(&scene.asks(&request("INVITE", 2)).await), "403");
    // The same call, sent again, is still the same call.
    socket.send(request("INVITE", 1).as_bytes()).await.unwrap();
    scene.engine.gate.as_ref().unwrap().add_permits(1);
    let mut said = heard(&socket).await;
    while code(&said) == "100" {
        said = heard(&socket).await;
    }
    assert_eq!(code(&said), "302");
    socket.send(request("ACK", 1).as_bytes()).await.unwrap();
    assert_eq!(scene.engine.signed.lock().unwrap().len(), 1);
    scene.stops().await;
}
