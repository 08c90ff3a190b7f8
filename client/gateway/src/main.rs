//! The gateway's program.

fn main() -> std::process::ExitCode {
    pennyblack_gateway::run(std::env::args_os().collect())
}
