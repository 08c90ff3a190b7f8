//! An issuer, a CPS, a telephone gateway or a relay as a program, for tests that kill it: the first
//! argument says which, the rest are the service's own.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.len() < 2 {
        eprintln!("usage: service issuer|cps|gateway|relay ARGUMENTS");
        return ExitCode::FAILURE;
    }
    let which = arguments.remove(1);
    match which.to_str() {
        Some("issuer") => pennyblack_issuer::run(arguments),
        Some("cps") => pennyblack_cps::run(arguments),
        Some("gateway") => pennyblack_gateway::run(arguments),
        Some("relay") => pennyblack_relay::run(arguments),
        _ => {
            eprintln!(
                "{} is none of issuer, cps, gateway and relay",
                which.display()
            );
            ExitCode::FAILURE
        }
    }
}
