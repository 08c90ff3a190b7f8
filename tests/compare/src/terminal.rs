//! A terminal without a screen, so that a program shows what it shows to people.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What a program did on a terminal.
#[derive(Debug)]
pub struct Shown {
    /// From its start to its first byte on the screen; none if it showed nothing.
    pub first: Option<Duration>,
    /// From its start to its end.
    pub whole: Duration,
    /// How it ended.
    pub status: ExitStatus,
}

/// Runs a program on a terminal of 100 columns until it ends.
///
/// # Errors
/// When there is no terminal, or no such program.
pub fn run(command: &mut Command) -> std::io::Result<Shown> {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&screen)?;
    unlockpt(&screen)?;
    let size = Winsize {
        ws_row: 40,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&screen, size)?;
    let path = PathBuf::from(std::ffi::OsString::from_vec(
        ptsname(&screen, Vec::new())?.into_bytes(),
    ));
    let terminal = OpenOptions::new().read(true).write(true).open(path)?;
    command
        .env("TERM", "xterm-256color")
        .stdin(Stdio::null())
        .stdout(terminal.try_clone()?)
        .stderr(terminal);
    let start = Instant::now();
    let mut child = command.spawn()?;
    // The command has the terminal open as long as it lives.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let first = watch(File::from(screen), start);
    let status = child.wait()?;
    Ok(Shown {
        first,
        whole: start.elapsed(),
        status,
    })
}

/// Reads until nobody has the terminal open any more; when the first byte came.
fn watch(mut screen: File, start: Instant) -> Option<Duration> {
    let mut first = None;
    let mut bytes = [0; 4_096];
    // The end of a terminal is an error of its own kind.
    while let Ok(1..) = screen.read(&mut bytes) {
        first.get_or_insert_with(|| start.elapsed());
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_finds_itself_on_a_terminal() {
        let mut command = Command::new("sh");
        command.args(["-c", "test -t 1 && test -t 2 && echo here"]);
        let shown = run(&mut command).unwrap();
        assert!(shown.status.success());
        assert!(shown.first.unwrap() <= shown.whole);
    }

    #[test]
    fn a_program_that_shows_nothing_has_no_first_byte() {
        let shown = run(&mut Command::new("false")).unwrap();
        assert_eq!(shown.first, None);
        assert!(!shown.status.success());
    }
}
