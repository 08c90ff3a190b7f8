//! More calls by SIP than can be signed and stored: each is answered all the same, and soon.
//! Issuer, CPS and gateway are processes of their own on this machine.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_scene::{Beginning, CALLED, GatewayScene, SipPorts, trunk};
use pennyblack_tests::world::World;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout};

use super::alone;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const SOON: Duration = Duration::from_secs(60);

/// A rush, in seconds.
const SECONDS: u32 = 5;

/// `signing.deadline`.
const DEADLINE: Duration = Duration::from_millis(250);

fn invite(local: SocketAddr, number: u32) -> String {
    format!(
        "INVITE sip:+{CALLED}@127.0.0.1;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP {local};branch=z9hG4bK{number};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:+1215{:07}@127.0.0.1>;tag=a\r\nTo: <sip:+{CALLED}@127.0.0.1>\r\n\
         Call-ID: {number}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        5_500_000 + number
    )
}

/// When each final answer came, with its code.
async fn answers(socket: &UdpSocket, calls: u32) -> HashMap<u32, (u16, Instant)> {
    let (mut answers, mut buffer) = (HashMap::new(), vec![0; 65_535]);
    while answers.len() < calls as usize {
        let size = timeout(SOON, socket.recv(&mut buffer)).await;
        let size = size.unwrap_or_else(|_| panic!("{} answers", answers.len()));
        let now = Instant::now();
        let said = String::from_utf8_lossy(&buffer[..size.unwrap()]).into_owned();
        let code: u16 = said.split(' ').nth(1).unwrap().parse().unwrap();
        let call = said.split("Call-ID: ").nth(1).unwrap();
        let number: u32 = call.split('\r').next().unwrap().parse().unwrap();
        if code >= 200 && answers.insert(number, (code, now)).is_none() {
            let ack = invite(socket.local_addr().unwrap(), number);
            let ack = ack.replace("INVITE", "ACK");
            socket.send(ack.as_bytes()).await.unwrap();
        }
    }
    answers
}

async fn rush(scene: &GatewayScene, gateway: SocketAddr, a_second: u32, from: u32) {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    socket.connect(gateway).await.unwrap();
    let calls = a_second * SECONDS;
    // Numbers of calls of an earlier rush are not used again.
    let hearing = Arc::clone(&socket);
    let hearing = tokio::spawn(async move { answers(&hearing, calls).await });
    let (began, local) = (Instant::now(), socket.local_addr().unwrap());
    let mut sent = HashMap::new();
    for number in 0..calls {
        sleep_until(began + Duration::from_secs(1) * number / a_second).await;
        sent.insert(from + number, Instant::now());
        let text = invite(local, from + number);
        socket.send(text.as_bytes()).await.unwrap();
    }
    let answers = hearing.await.unwrap();
    let mut times: Vec<_> = answers
        .iter()
        .map(|(number, (_, at))| *at - sent[number])
        .collect();
    times.sort_unstable();
    let percentile = |of: usize| times[(times.len() - 1) * of / 100];
    let late = times.iter().filter(|time| **time > DEADLINE).count();
    let redirects = answers.values().filter(|(code, _)| *code == 302).count();
    println!(
        "{a_second} a second, {calls} calls: {redirects} redirects, {late} answered after the \
         deadline; p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
        percentile(50),
        percentile(99),
        percentile(100),
    );
    for line in scene.admin("/metrics").await.lines() {
        let is_told = [
            "gateway_copies_total",
            "gateway_reasons_total",
            "sip_events_total{side=\"signing\"",
            "sip_answers_total{side=\"signing\"",
        ];
        if is_told.iter().any(|name| line.contains(name)) && !line.ends_with(" 0") {
            println!("    {line}");
        }
    }
}

#[test]
#[ignore = "prints figures, and asserts nothing of them"]
fn what_becomes_of_more_calls_than_can_be_stored() {
    let _alone = alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measured());
}

async fn measured() {
    let (mut world, ports) = (World::new(Clock::system()), SipPorts::free());
    world.issuer.quota.tokens = 1 << 20;
    let beginning = Beginning {
        tokens: 12_288,
        more_mailboxes: 0,
        config: trunk(&world, "switch"),
        settings: ports.settings().collect(),
    };
    let scene = GatewayScene::open_in(world, SERVICE, beginning).await;
    let mut from = 0;
    for a_second in [240, 480, 1_000] {
        rush(&scene, ports.sign, a_second, from).await;
        from += a_second * SECONDS;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    scene.gateway.stop().await;
}
