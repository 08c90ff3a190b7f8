//! The sockets that switches ask at: bound at the start, and probed by `--check-config`.

use std::io::{self, ErrorKind};
use std::net::{TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::sync::Arc;

use pennyblack_service::findings::Findings;
use pennyblack_service::start_error::StartError;
use tokio::net::{TcpListener, UdpSocket};

use super::Side;
use crate::config::Config;
use crate::config::sip::{SipListen, SipSide, SipTransport};

/// The sockets of one side.
pub(crate) struct Sockets {
    pub(super) side: Side,
    pub(super) config: SipSide,
    pub(super) datagrams: Vec<Arc<UdpSocket>>,
    pub(super) listeners: Vec<TcpListener>,
}

/// Binds the sockets of all sides; nothing if one cannot be bound. Inside a tokio runtime.
pub(crate) fn bind(config: &Config, findings: &mut Findings) -> Option<Vec<Sockets>> {
    let sides: Vec<_> = sides(config)
        .map(|(side, config)| bind_side(side, config, findings))
        .collect();
    sides.into_iter().collect()
}

/// Finds out whether [`bind`] would succeed. Each port is free again when this returns.
pub(crate) fn probe(config: &Config, findings: &mut Findings) {
    for (side, config) in sides(config) {
        for socket in &config.listen {
            match open(*socket) {
                // Nothing tells whose it is.
                Err(error) if error.kind() == ErrorKind::AddrInUse => findings.note(format!(
                    "{}.listen: {socket} is in use: if not by this service as it runs, the \
                     start will fail",
                    side.section()
                )),
                opened => {
                    findings.keep(opened.map_err(|error| refused(side, *socket, error)));
                }
            }
        }
    }
}

fn sides(config: &Config) -> impl Iterator<Item = (Side, &SipSide)> {
    let role = config.gateway.role;
    let sign = config
        .sip
        .signing(role)
        .map(|config| (Side::Signing, config));
    let verify = config.sip.verifying(role);
    let verify = verify.map(|config| (Side::Verification, config));
    sign.into_iter().chain(verify)
}

fn bind_side(side: Side, config: &SipSide, findings: &mut Findings) -> Option<Sockets> {
    let mut sockets = Sockets {
        side,
        config: config.clone(),
        datagrams: Vec::new(),
        listeners: Vec::new(),
    };
    let mut is_whole = true;
    for socket in &config.listen {
        let bound = open(*socket).and_then(|opened| sockets.add(opened));
        let bound = bound.map_err(|error| refused(side, *socket, error));
        is_whole &= findings.keep(bound).is_some();
    }
    is_whole.then_some(sockets)
}

impl Sockets {
    fn add(&mut self, opened: Opened) -> io::Result<()> {
        match opened {
            Opened::Udp(socket) => {
                let socket = UdpSocket::from_std(socket)?;
                self.datagrams.push(Arc::new(socket));
            }
            Opened::Tcp(listener) => self.listeners.push(TcpListener::from_std(listener)?),
        }
        Ok(())
    }
}

impl Sockets {
    /// Writes down where switches ask: a port may be the system's choice.
    pub(super) fn report(&self) {
        let udp = self.datagrams.iter().map(|one| ("udp", one.local_addr()));
        let tcp = self.listeners.iter().map(|one| ("tcp", one.local_addr()));
        let at: Vec<_> = udp
            .chain(tcp)
            .filter_map(|(transport, address)| Some(format!("{transport}:{}", address.ok()?)))
            .collect();
        let (at, section) = (at.join(" "), self.side.section());
        tracing::info!(section, at, "switches can ask by SIP");
    }
}

enum Opened {
    Udp(StdUdpSocket),
    Tcp(StdTcpListener),
}

fn open(socket: SipListen) -> io::Result<Opened> {
    match socket.transport {
        SipTransport::Udp => {
            let socket = StdUdpSocket::bind(socket.address)?;
            socket.set_nonblocking(true)?;
            Ok(Opened::Udp(socket))
        }
        SipTransport::Tcp => {
            // It sets SO_REUSEADDR: a restart waits for no connection of the life before.
            let listener = StdTcpListener::bind(socket.address)?;
            listener.set_nonblocking(true)?;
            Ok(Opened::Tcp(listener))
        }
    }
}

fn refused(side: Side, socket: SipListen, error: io::Error) -> StartError {
    let advice = match error.kind() {
        ErrorKind::AddrNotAvailable => "choose an address of this machine",
        ErrorKind::PermissionDenied => "choose a port from 1024 on",
        _ => "choose another port, or stop what uses it",
    };
    let what = format!("{}.listen", side.section());
    StartError::new(
        what,
        format!("cannot listen at {socket}: {error}; {advice}"),
    )
}
