//! The program `pennyblack`. Not here: what its commands do; they are thin
//! layers on the library, in `cli`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
