//! Why a request got no answer, said so that its sender knows what to change.

use std::error::Error;
use std::io;

/// Where each kind of program is told of CAs: services and commands share these messages.
pub(super) const WHERE_ROOTS_ARE_NAMED: &str =
    "(a command: --ca-file; carrier run: http.ca_file; a service: tls_roots)";

/// What happened, without the layers above it, which all say "error sending
/// request", and what to do about it.
pub(super) fn explain(url: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return TOO_LONG.to_owned();
    }
    explain_connection(url, error)
}

/// What is said of a service that is silent.
pub(super) const TOO_LONG: &str =
    "it took too long; check the address and the network, then try again";

/// The same of a connection that is not there, or is no more.
pub(super) fn explain_connection(url: &str, error: &(dyn Error + 'static)) -> String {
    if let Some(tls) = find::<rustls::Error>(error) {
        return explain_tls(url, tls);
    }
    let why = innermost(error);
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            format!("{why}; nothing listens there: check the port, and whether the service runs")
        }
        _ => format!("{why}; check the address and the network, then try again"),
    }
}

fn explain_tls(url: &str, error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidMessage(_) => {
            let plain = url.replacen("https://", "http://", 1);
            format!("it speaks plain HTTP there, not TLS: use {}", base(&plain))
        }
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => format!(
            "{error}; if its CA is your own, name the CA's certificate {}",
            WHERE_ROOTS_ARE_NAMED
        ),
        rustls::Error::InvalidCertificate(
            Bad::Expired
            | Bad::ExpiredContext { .. }
            | Bad::NotValidYet
            | Bad::NotValidYetContext { .. },
        ) => format!("{error}; is the clock of this machine right?"),
        _ => format!("{error}; check the address, then try again"),
    }
}

/// True when another try fails in the same way: the other side does not speak TLS,
/// or its certificate is not accepted.
pub(super) fn is_final(error: &reqwest::Error) -> bool {
    use rustls::Error as E;
    let tls = find::<E>(error);
    tls.is_some_and(|error| matches!(error, E::InvalidMessage(_) | E::InvalidCertificate(_)))
}

/// True when something answers and it is no HTTP, as when plain HTTP is sent to a
/// port that speaks TLS.
pub(super) fn is_no_http(error: &reqwest::Error) -> bool {
    !error.is_connect() && !error.is_timeout() && !error.is_builder()
}

/// True when the other side did speak TLS, whatever became of it.
pub(super) fn spoke_tls(answer: &Result<reqwest::Response, reqwest::Error>) -> bool {
    let Err(error) = answer else {
        return true;
    };
    let tls = find::<rustls::Error>(error);
    tls.is_some_and(|error| !matches!(error, rustls::Error::InvalidMessage(_)))
}

/// Scheme, host and port of a URL.
pub(super) fn base(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let path = url.get(start..).and_then(|rest| rest.find('/'));
    path.and_then(|at| url.get(..start + at)).unwrap_or(url)
}

/// The first cause of this type. An [`io::Error`] does not name what it wraps as
/// its source.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        let wrapped = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|inner| find(inner)) {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
