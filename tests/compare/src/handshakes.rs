//! The floor of a fresh TLS connection: rustls with AWS-LC accepts one after the other, with
//! the certificate of the services, without HTTP and without resumption. And clients that
//! connect, and do nothing else.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use pennyblack_runtime::config::TlsConfig;
use pennyblack_service::tls::{CertifiedKey, TlsSettings, read};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::server::NoServerSessionStorage;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, Stream,
};

use crate::floor_process::{FloorProcess, announce};
use crate::machine;

/// The argument that makes this program the one that accepts.
pub const ARGUMENT: &str = "handshakes";

/// Clients that connect at the same time, so that nobody waits for one of them.
const CLIENTS: usize = 8;

fn certified_key([certificate, key]: [PathBuf; 2]) -> CertifiedKey {
    read(&TlsConfig { certificate, key }, TlsSettings::CONFIGURED).unwrap()
}

/// Starts it on `core`, with the certificate and the key of a service.
#[must_use]
pub fn start(core: usize, tls: &TlsConfig) -> FloorProcess {
    FloorProcess::start(ARGUMENT, core, [&tls.certificate, &tls.key])
}

/// Accepts until it is killed. `arguments` are those after [`ARGUMENT`].
pub fn serve(arguments: &[String]) {
    let [core, certificate, key] = arguments else {
        panic!("{ARGUMENT} CORE CERTIFICATE KEY");
    };
    machine::pin(core.parse().unwrap());
    let config = Arc::new(server(certified_key([certificate.into(), key.into()])));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    announce(listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        // Until the client ends it.
        io::copy(&mut Stream::new(&mut tls, &mut stream), &mut io::sink()).unwrap();
    }
}

/// As the services have it.
fn server((chain, key): CertifiedKey) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

/// Makes so many connections to a server that has this certificate, which vouches for itself.
pub fn connect(server: SocketAddr, tls: &TlsConfig, count: usize) {
    let config = Arc::new(client(certified_key([
        tls.certificate.clone(),
        tls.key.clone(),
    ])));
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let config = &config;
            scope.spawn(move || {
                (number..count)
                    .step_by(CLIENTS)
                    .for_each(|_| connect_once(server, config));
            });
        }
    });
}

fn client((chain, _): CertifiedKey) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    config.resumption = Resumption::disabled();
    config
}

fn connect_once(server: SocketAddr, config: &Arc<ClientConfig>) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::from(server.ip());
    let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
    tls.complete_io(&mut stream).unwrap();
    tls.send_close_notify();
    tls.write_tls(&mut stream).unwrap();
    // Until the server has seen it, too.
    io::copy(&mut stream, &mut io::sink()).unwrap();
}
