//! A switch that asks a gateway by SIP over UDP, and sends again what may be lost. Not here:
//! SIP itself (`pennyblack_sip::caller`).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use pennyblack_sip::caller::{CallEvent, CallParts, OutgoingCall, Transport};
use pennyblack_sip::header_name::IDENTITY;
use pennyblack_sip::message::{LineEnds, RawMessage};
use pennyblack_sip::response::Response;
use pennyblack_sip::uri::Uri;
use tokio::net::UdpSocket;
use tokio::time::sleep_until;

/// Most bytes of a datagram.
const MAX_DATAGRAM: usize = 65_535;

/// The code of an answer that adds something to a call.
const REDIRECT: u16 = 302;

/// Has a call signed; its Identity header if it got a redirect with one.
pub async fn sign(gateway: SocketAddr, caller: &str, called: &str) -> Option<String> {
    let answer = invite(gateway, caller, called).await.ok()??;
    let identity = answer.headers().all(IDENTITY).next()?;
    (answer.code() == REDIRECT).then(|| identity.text().into_owned())
}

/// Asks about a call that has no Identity; the final answer, or nothing after 32 seconds.
///
/// # Errors
/// When there is no socket, or nobody at the other end of it.
pub async fn invite(
    gateway: SocketAddr,
    caller: &str,
    called: &str,
) -> io::Result<Option<Response>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(gateway).await?;
    let parts = CallParts {
        called: uri(called),
        calling: uri(caller),
        local: socket.local_addr()?,
        transport: Transport::Udp,
        random: rand::random(),
        headers: Vec::new(),
    };
    let (mut call, first) = OutgoingCall::new(Instant::now(), parts);
    let mut events = vec![first];
    loop {
        for event in events {
            match event {
                CallEvent::Send(message) => drop(socket.send(&message).await?),
                CallEvent::Answered(answer) => return Ok(Some(*answer)),
                CallEvent::TimedOut => return Ok(None),
            }
        }
        let Some(timer) = call.next_timer() else {
            return Ok(None);
        };
        let mut datagram = vec![0; MAX_DATAGRAM];
        events = tokio::select! {
            size = socket.recv(&mut datagram) => {
                datagram.truncate(size?);
                let message = RawMessage::parse(&datagram, LineEnds::CrLf);
                message.map_or_else(|_| Vec::new(), |message| call.on_message(message))
            }
            () = sleep_until(timer.into()) => {
                call.on_timer(Instant::now()).into_iter().collect()
            }
        };
    }
}

fn uri(number: &str) -> Uri {
    let uri = format!("sip:+{number}@127.0.0.1;user=phone");
    uri.parse().unwrap()
}
