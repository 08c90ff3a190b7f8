//! Peers at other addresses than those that they write: over IPv6, and behind a NAT.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use pennyblack_runtime::clock::Clock;
use pennyblack_tests::gateway_scene::{Beginning, CALLED, GatewayScene, trunk};
use pennyblack_tests::port::free_port;
use pennyblack_tests::world::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::SERVICE;
use super::switch::{Said, Switch};

const CALLER: &str = "17325551000";
const SOON: Duration = Duration::from_secs(20);

/// An INVITE of which everything is at `host`, but its answer.
fn invite(transport: &str, sent_by: &str, host: &str, branch: &str) -> String {
    format!(
        "INVITE sip:+{CALLED}@{host};user=phone SIP/2.0\r\n\
         Via: SIP/2.0/{transport} {sent_by};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:+{CALLER}@{host}>;tag=a\r\nTo: <sip:+{CALLED}@{host}>\r\n\
         Call-ID: {branch}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The final answer to a datagram, which is acknowledged.
async fn asks(gateway: SocketAddr, from: &str, invite: impl Fn(SocketAddr) -> String) -> Said {
    let socket = UdpSocket::bind(from).await.unwrap();
    socket.connect(gateway).await.unwrap();
    let invite = invite(socket.local_addr().unwrap());
    socket.send(invite.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 65_535];
    loop {
        let size = timeout(SOON, socket.recv(&mut buffer)).await.unwrap();
        let said = Said(String::from_utf8(buffer[..size.unwrap()].to_vec()).unwrap());
        if said.code() >= 200 {
            let ack = invite.replace("INVITE", "ACK");
            socket.send(ack.as_bytes()).await.unwrap();
            return said;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_answered_over_ipv6_and_behind_a_nat() {
    let world = World::new(Clock::system());
    let at = |ip: &str| -> SocketAddr { format!("{ip}:{}", free_port()).parse().unwrap() };
    let (sign, verify, old) = (at("[::1]"), at("[::1]"), at("127.0.0.1"));
    let settings = vec![
        format!("sip.sign.listen=[\"udp:{sign}\", \"tcp:{sign}\", \"udp:{old}\"]"),
        format!("sip.verify.listen=[\"udp:{verify}\"]"),
        // The deadline is another test's.
        "verify.wait=5s".to_owned(),
        "verify.deadline=6s".to_owned(),
    ];
    let beginning = Beginning {
        tokens: 8,
        config: trunk(&world, "switch"),
        settings,
        ..Beginning::default()
    };
    let scene = GatewayScene::open_in(world, SERVICE, beginning).await;

    let signed = asks(sign, "[::1]:0", |local| {
        invite("UDP", &local.to_string(), "[::1]", "six")
    })
    .await;
    assert_eq!(signed.code(), 302, "{signed:?}");
    let contact = signed.one("Contact");
    let host = format!("<sip:+{CALLED}@[::1];user=phone?Identity=");
    assert!(contact.starts_with(&host), "{contact}");
    let found = asks(verify, "[::1]:0", |local| {
        invite("UDP", &local.to_string(), "[2001:db8::7]", "found")
    })
    .await;
    assert_eq!(
        found.one("P-Asserted-Identity"),
        format!("<sip:+{CALLER};verstat=TN-Validation-Passed@[2001:db8::7];user=phone>")
    );
    over_a_connection(sign).await;

    // The peer writes its address behind the NAT; the answer goes where it came from.
    for (gateway, from, behind, outside) in [
        (old, "127.0.0.1:0", "10.9.9.9:5060", "127.0.0.1"),
        (sign, "[::1]:0", "[fd00::9]:5060", "::1"),
    ] {
        let port = AtomicU16::new(0);
        let said = asks(gateway, from, |local| {
            port.store(local.port(), Ordering::Relaxed);
            invite("UDP", behind, "h", &format!("nat{}", local.port()))
        })
        .await;
        let port = port.into_inner();
        assert_eq!(said.code(), 302, "{said:?}");
        let via = said.one("Via");
        assert!(via.contains(&format!(";received={outside}")), "{via}");
        assert!(via.contains(&format!(";rport={port}")), "{via}");
    }
    let mut plain = Switch::udp(old).await;
    assert_eq!(plain.invites(CALLER).await.code(), 302);
    scene.gateway.stop().await;
}

async fn over_a_connection(gateway: SocketAddr) {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let local = stream.local_addr().unwrap().to_string();
    let invite = invite("TCP", &local, "[::1]", "connection");
    stream.write_all(invite.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("SIP/2.0 302 ") {
        let read = timeout(SOON, stream.read_buf(&mut text)).await.unwrap();
        assert_ne!(read.unwrap(), 0, "{}", String::from_utf8_lossy(&text));
    }
}
