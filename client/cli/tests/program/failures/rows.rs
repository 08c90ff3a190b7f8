//! The table of failures, in three parts. Names in braces are those of `Town::filled`.

mod files;
mod results;
mod services;

/// How a command tells of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It could not do what it was asked: `error:`.
    Error,
    /// It did, and its result may be a bad one.
    Outcome,
}

/// One failure.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) line: &'static str,
    pub(super) exit: u8,
    pub(super) told: Told,
    /// Parts of what is said, as text and in the JSON.
    pub(super) says: &'static [&'static str],
}

const fn error(
    exit: u8,
    what: &'static str,
    line: &'static str,
    says: &'static [&'static str],
) -> Row {
    Row {
        what,
        line,
        exit,
        told: Told::Error,
        says,
    }
}

const fn outcome(
    exit: u8,
    what: &'static str,
    line: &'static str,
    says: &'static [&'static str],
) -> Row {
    Row {
        what,
        line,
        exit,
        told: Told::Outcome,
        says,
    }
}

/// Every failure.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    let parts = [services::ROWS, files::ROWS, results::ROWS];
    parts.into_iter().flatten()
}
