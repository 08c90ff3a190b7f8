//! The relay's program.

fn main() -> std::process::ExitCode {
    pennyblack_relay::run(std::env::args_os().collect())
}
