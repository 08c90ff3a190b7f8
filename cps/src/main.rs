//! The CPS's program; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    pennyblack_cps::run(std::env::args_os().collect())
}
