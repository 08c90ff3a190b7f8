//! Other implementations of what Pennyblack does, each set up in a process of its own for
//! `compare` to measure against.
//!
//! `peers NAME` sets one up and prints `ready`. It then reads lines, each a number of
//! items, handles as many, and answers with the seconds that one item took. It ends with
//! its input.

mod cpu_time;
mod engines;
mod issuing;
mod voprf;

use std::io::{BufRead as _, Result, Write as _};
use std::path::Path;
use std::process::ExitCode;

use engines::{FjallEngine, RedbEngine, Spender};
use issuing::Issuer;
use voprf::{P384, Ristretto};

const USAGE: &str = "usage: peers issuing | voprf-ristretto255 | voprf-p384 | fjall NEW-DIRECTORY \
                     | redb NEW-FILE";

/// One implementation, ready to be measured.
trait Peer {
    /// Handles so many items and returns the seconds that one of them took.
    fn seconds_per_item(&mut self, items: usize) -> f64;
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let peer: Box<dyn Peer> = match arguments[..] {
        ["issuing"] => Box::new(Issuer::new()),
        ["voprf-ristretto255"] => Box::new(Ristretto::new()),
        ["voprf-p384"] => Box::new(P384::new()),
        ["fjall", path] => Box::new(Spender::new(FjallEngine::create(Path::new(path)))),
        ["redb", path] => Box::new(Spender::new(RedbEngine::create(Path::new(path)))),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match answer_lines(peer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer_lines(mut peer: Box<dyn Peer>) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "ready")?;
    output.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Ok(items @ 1..) = line.trim().parse() else {
            let what = format!("expected a number of items from 1 on, got {line:?}");
            return Err(std::io::Error::other(what));
        };
        writeln!(output, "{}", peer.seconds_per_item(items))?;
        output.flush()?;
    }
    Ok(())
}
