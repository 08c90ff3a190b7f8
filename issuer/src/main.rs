//! The issuer's program.

fn main() -> std::process::ExitCode {
    pennyblack_issuer::run(std::env::args_os().collect())
}
