//! An issuer or a CPS as a program, for tests that kill it: the first argument
//! says which, the rest are the service's own.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.len() < 2 {
        eprintln!("usage: service issuer|cps ARGUMENTS");
        return ExitCode::FAILURE;
    }
    let which = arguments.remove(1);
    match which.to_str() {
        Some("issuer") => pennyblack_issuer::run(arguments),
        Some("cps") => pennyblack_cps::run(arguments),
        _ => {
            eprintln!("{} is neither issuer nor cps", which.display());
            ExitCode::FAILURE
        }
    }
}
