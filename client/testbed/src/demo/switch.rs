//! The switches of the demonstration: each asks its gateway by SIP, with one INVITE in a
//! datagram. Not here: SIP itself (`pennyblack_sip::caller`), and what is asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use pennyblack_sip::caller::{CallEvent, CallParts, OutgoingCall, Transport};
use pennyblack_sip::message::{LineEnds, RawMessage};
use pennyblack_sip::response::Response;
use pennyblack_stir::telephone_number::TelephoneNumber;
use tokio::net::UdpSocket;
use tokio::time::sleep_until;

use super::{DemoError, WhileDoing as _};

/// Most bytes of a datagram.
const MAX_DATAGRAM: usize = 65_535;

const ASKING: &str = "asking a gateway by SIP";

/// Asks the gateway about a call that has no Identity; what it answers.
pub(super) async fn invite(
    gateway: SocketAddr,
    orig: &TelephoneNumber,
    dest: &TelephoneNumber,
) -> Result<Response, DemoError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let socket = socket.during(ASKING)?;
    socket.connect(gateway).await.during(ASKING)?;
    let uri = |number: &TelephoneNumber, network: &str| {
        let uri = format!("sip:+{number}@{network}.example;user=phone");
        uri.parse().during("naming a telephone")
    };
    let parts = CallParts {
        called: uri(dest, "terminating")?,
        calling: uri(orig, "originating")?,
        local: socket.local_addr().during(ASKING)?,
        transport: Transport::Udp,
        random: rand::random(),
        headers: Vec::new(),
    };
    let (mut call, first) = OutgoingCall::new(Instant::now(), parts);
    let mut events = vec![first];
    loop {
        for event in events {
            match event {
                CallEvent::Send(message) => {
                    socket.send(&message).await.during(ASKING)?;
                }
                CallEvent::Answered(answer) => return Ok(*answer),
                CallEvent::TimedOut => return Err(DemoError::Never("a gateway's answer")),
            }
        }
        events = next_events(&mut call, &socket).await?;
    }
}

/// Waits until a message comes, or until something is to be done without one.
async fn next_events(
    call: &mut OutgoingCall,
    socket: &UdpSocket,
) -> Result<Vec<CallEvent>, DemoError> {
    let Some(timer) = call.next_timer() else {
        return Err(DemoError::Never("a gateway's answer"));
    };
    let mut datagram = vec![0; MAX_DATAGRAM];
    tokio::select! {
        size = socket.recv(&mut datagram) => {
            datagram.truncate(size.during(ASKING)?);
            let message = RawMessage::parse(&datagram, LineEnds::CrLf).during(ASKING)?;
            Ok(call.on_message(message))
        }
        () = sleep_until(timer.into()) => Ok(call.on_timer(Instant::now()).into_iter().collect()),
    }
}
