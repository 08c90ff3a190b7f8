//! The lines of a roster below its head, which a draft has, too. Not here: their order.

use pennyblack_tlog::VerifierKey;

use super::governors::{Governors, MAX_GOVERNORS};
use super::member::{MAX_KEYS, MAX_MEMBERS, Member, Members, Role};

/// What lines have said so far.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    threshold: Option<usize>,
    governors: Vec<VerifierKey>,
    members: Vec<Member>,
}

impl Statements {
    /// Takes in a line, or says why it cannot.
    pub(crate) fn add(&mut self, line: &str) -> Result<(), String> {
        // Names go to terminals and log lines.
        if !line
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return Err("it has characters that are not printable ASCII".to_owned());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "threshold" if self.threshold.is_some() => Err("a second threshold".to_owned()),
            "threshold" => {
                let threshold = rest.parse();
                self.threshold = Some(threshold.map_err(|_| format!("{rest:?} is no number"))?);
                Ok(())
            }
            // One more than there may be, which is refused at the end.
            "governor" if self.governors.len() > MAX_GOVERNORS => Ok(()),
            "governor" => {
                let key = rest.parse().map_err(|error| format!("{error}"))?;
                self.governors.push(key);
                Ok(())
            }
            _ if self.members.len() > MAX_MEMBERS => Ok(()),
            _ => {
                let role = Role::ALL.into_iter().find(|role| role.as_str() == word);
                let role = role.ok_or_else(|| {
                    let word: String = word.chars().take(40).collect();
                    format!("{word:?} is none of threshold, governor, cps, issuer and relay")
                })?;
                self.members.push(member(role, rest)?);
                Ok(())
            }
        }
    }

    /// What all lines have said together.
    pub(crate) fn finish(self) -> Result<(Governors, Members), String> {
        let threshold = self
            .threshold
            .ok_or("there is no line with the threshold")?;
        let governors = Governors::new(threshold, self.governors);
        let governors = governors.map_err(|error| error.to_string())?;
        let members = Members::new(self.members).map_err(|error| error.to_string())?;
        Ok((governors, members))
    }
}

fn member(role: Role, rest: &str) -> Result<Member, String> {
    let mut words = rest.split(' ');
    let mut word = |what: &str| {
        let word = words.next().filter(|word| !word.is_empty());
        word.ok_or_else(|| format!("{what} is missing: write URL, operator and keys"))
    };
    let uri = word("the URL")?
        .parse()
        .map_err(|error| format!("{error}"))?;
    let operator = word("the operator")?;
    let operator = operator.parse().map_err(|error| format!("{error}"))?;
    let mut keys = Vec::new();
    // One more than there may be, which is refused.
    for word in words.take(MAX_KEYS + 1) {
        keys.push(word.parse().map_err(|error| format!("{error}"))?);
    }
    Member::new(role, uri, operator, keys).map_err(|error| error.to_string())
}
