//! What is found out about the world before a service starts, all of it and not only the
//! first fault. The start and `--check-config` collect it by the same functions, so that
//! what the one refuses the other does, too. Not here: the looking.

use crate::start_error::StartError;

/// What was found. Nothing, unless something is wrong or worth knowing.
#[derive(Debug, Default)]
pub struct Findings {
    faults: Vec<StartError>,
    lacks: Vec<String>,
    notes: Vec<String>,
}

impl Findings {
    /// Nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a part of the start; if there is none, the fault for which the service
    /// does not start.
    pub fn keep<T>(&mut self, part: Result<T, StartError>) -> Option<T> {
        part.map_err(|fault| self.faults.push(fault)).ok()
    }

    /// Something for which a service starts and is not ready.
    pub fn lack(&mut self, what: impl Into<String>) {
        self.lacks.push(what.into());
    }

    /// Something that an operator should know, and that keeps nothing from working.
    pub fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    /// Goes on with `parts`, which were all kept, unless there is a fault.
    ///
    /// # Errors
    /// All faults, as one.
    pub fn conclude<T>(self, parts: Option<T>) -> Result<T, StartError> {
        match parts {
            Some(parts) if self.faults.is_empty() => Ok(parts),
            _ => Err(StartError::of_all(self.faults)),
        }
    }

    /// True if the service would start and, as far as was looked, be ready.
    #[must_use]
    pub fn are_good(&self) -> bool {
        self.faults.is_empty() && self.lacks.is_empty()
    }

    /// Each finding in a line, the worst first.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let faults = self.faults.iter().map(|fault| format!("error: {fault}"));
        let lacks = self.lacks.iter().map(|lack| format!("not ready: {lack}"));
        let notes = self.notes.iter().map(|note| format!("note: {note}"));
        faults.chain(lacks).chain(notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_and_none_goes_on() {
        let mut findings = Findings::new();
        assert_eq!(findings.keep(Ok(1)), Some(1));
        findings.note("n");
        assert!(findings.are_good());
        for what in ["a", "b"] {
            let refused = findings.keep::<()>(Err(StartError::new(what, "it is wrong")));
            assert_eq!(refused, None);
        }
        findings.lack("l");
        assert!(!findings.are_good());
        let lines: Vec<_> = findings.lines().collect();
        let expected = [
            "error: a: it is wrong",
            "error: b: it is wrong",
            "not ready: l",
            "note: n",
        ];
        assert_eq!(lines, expected);
        let refused = findings.conclude(Some(1)).unwrap_err().to_string();
        assert!(refused.contains("a: it is wrong") && refused.contains("b: it is wrong"));
    }
}
