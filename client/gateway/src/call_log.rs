//! The line for each call, for the CDRs of an operator: JSON, one object a line, in a file
//! that is opened again on SIGHUP. **Numbers are in it only as far as the configuration
//! says.** A thread writes; no call waits for it, and what it cannot write is counted. Not
//! here: log lines of the program.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use pennyblack_base::foreign_text::printable;
use pennyblack_base::time::UnixTime;
use serde::Serialize;

use crate::config::Numbers;

/// Lines that wait to be written: some seconds of many calls.
const MAX_WAITING: usize = 16 * 1024;

/// Characters of a text that a switch chose.
const MAX_TEXT: usize = 128;

/// What happened to a call.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallLine {
    /// When the switch was answered.
    pub time: u64,
    /// `signing` or `verification`.
    pub side: &'static str,
    /// The trunk.
    pub trunk: String,
    /// The agreement under which it signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// The Call-ID or requestId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The calling number, as far as it may be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orig: Option<String>,
    /// The called number, the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dest: Option<String>,
    /// What came of it: `signed`, `came-with-identity`, `none` or the `verstat`.
    pub result: &'static str,
    /// The attestation level of the PASSporT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attest: Option<&'static str>,
    /// Its origination identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origid: Option<String>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// Copies that were stored before the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<usize>,
    /// Why it was not signed, stored or found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The code with which verification failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Microseconds from the request to the answer.
    pub micros: u64,
}

/// Where lines of calls go. Clones write to the same file.
#[derive(Debug, Clone)]
pub struct CallLog {
    to: Option<SyncSender<Message>>,
    numbers: Numbers,
}

enum Message {
    Line(Box<CallLine>),
    Reopen,
}

impl CallLog {
    /// Opens the file, and starts the thread that writes; without a file nothing is written.
    ///
    /// # Errors
    /// What the system says of the file or the thread.
    pub fn open(file: Option<&Path>, numbers: Numbers) -> io::Result<Self> {
        lost().absolute(0);
        let Some(path) = file else {
            return Ok(Self { to: None, numbers });
        };
        let (path, file) = (path.to_owned(), append_to(path)?);
        let (to, from) = sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("call lines".to_owned());
        thread.spawn(move || write(&path, file, &from))?;
        let to = Some(to);
        Ok(Self { to, numbers })
    }

    /// Writes a line, soon.
    pub fn record(&self, line: impl FnOnce() -> CallLine) {
        let Some(to) = &self.to else { return };
        let line = self.shorten(line());
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            to.try_send(Message::Line(Box::new(line)))
        {
            lost().increment(1);
        }
    }

    /// Opens the file again: a program that rotates files has moved it away.
    pub fn reopen(&self) {
        if let Some(to) = &self.to {
            // A full queue is tried again at the next rotation.
            let _ = to.try_send(Message::Reopen);
        }
    }

    fn shorten(&self, line: CallLine) -> CallLine {
        let number = |text: Option<String>| match self.numbers {
            Numbers::Never => None,
            Numbers::Last4 => text.map(|text| last4(&text)),
            Numbers::Full => text.map(|text| printable(&text, MAX_TEXT)),
        };
        CallLine {
            orig: number(line.orig),
            dest: number(line.dest),
            call: line.call.map(|call| printable(&call, MAX_TEXT)),
            ..line
        }
    }
}

/// The last four digits of the number, which stands before what a URI has behind it.
fn last4(text: &str) -> String {
    let number = text.split(['@', ';']).next().unwrap_or_default();
    let digits: Vec<_> = number.chars().filter(char::is_ascii_digit).collect();
    let last = digits.len().saturating_sub(4);
    digits.into_iter().skip(last).collect()
}

/// A line of the time `now`.
#[must_use]
pub fn line_at(now: UnixTime, took: Duration) -> CallLine {
    CallLine {
        time: now.0,
        micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        ..CallLine::default()
    }
}

/// Lines that were not written.
fn lost() -> metrics::Counter {
    metrics::counter!("pennyblack_gateway_call_lines_lost_total")
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn write(path: &Path, mut file: File, from: &Receiver<Message>) {
    while let Ok(message) = from.recv() {
        let written = match message {
            Message::Line(line) => {
                serde_json::to_vec(&line)
                    .map_err(io::Error::from)
                    .and_then(|mut text| {
                        text.push(b'\n');
                        file.write_all(&text)
                    })
            }
            Message::Reopen => append_to(path).map(|opened| file = opened),
        };
        if let Err(error) = written {
            lost().increment(1);
            tracing::error!(%error, path = %path.display(), "calls.file: a line was not written");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn line() -> CallLine {
        CallLine {
            side: "signing",
            trunk: "sbc-1".to_owned(),
            orig: Some("sip:+17325551000@host9999;user=phone".to_owned()),
            dest: Some("+1-215-555-0100".to_owned()),
            call: Some("a\r\nb@c".to_owned()),
            result: "signed",
            ..CallLine::default()
        }
    }

    /// The lines that come of two calls, with the file moved away between them.
    fn lines(numbers: Numbers) -> Vec<serde_json::Value> {
        let home = tempfile::tempdir().unwrap();
        let (path, moved) = (home.path().join("calls"), home.path().join("calls.1"));
        let log = CallLog::open(Some(&path), numbers).unwrap();
        log.record(line);
        while fs::read(&path).unwrap().is_empty() {
            std::thread::yield_now();
        }
        fs::rename(&path, &moved).unwrap();
        log.reopen();
        log.record(line);
        while fs::read(&path).unwrap_or_default().is_empty() {
            std::thread::yield_now();
        }
        let texts = [&moved, &path].map(|path| fs::read_to_string(path).unwrap());
        texts
            .iter()
            .flat_map(|text| text.lines())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn numbers_are_written_only_as_far_as_it_is_said() {
        for (numbers, orig, dest) in [
            (Numbers::Never, None, None),
            (Numbers::Last4, Some("1000"), Some("0100")),
            (
                Numbers::Full,
                Some("sip:+17325551000@host9999;user=phone"),
                Some("+1-215-555-0100"),
            ),
        ] {
            let written = lines(numbers);
            assert_eq!(written.len(), 2);
            for line in written {
                assert_eq!(line["orig"].as_str(), orig);
                assert_eq!(line["dest"].as_str(), dest);
                assert_eq!(line["call"], "ab@c");
                assert_eq!(line["result"], "signed");
            }
        }
    }

    #[test]
    fn without_a_file_a_line_is_not_even_made() {
        let log = CallLog::open(None, Numbers::Never).unwrap();
        log.record(|| unreachable!("nobody reads it"));
    }
}
