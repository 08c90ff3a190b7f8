//! Who belongs to a federation: services, each with its operator and the keys of its logs.

use std::fmt;
use std::str::FromStr;

use pennyblack_base::authority::Authority;
use pennyblack_base::cps_uri::CpsUri;
use pennyblack_tlog::VerifierKey;
use pennyblack_tlog::note_key::SignatureType;

/// Most members.
pub const MAX_MEMBERS: usize = 512;
/// Most keys of one member.
pub const MAX_KEYS: usize = 4;
/// Most characters of an operator's name.
const LONGEST_OPERATOR: usize = 63;

/// What cannot stand in a roster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// The operator's name.
    #[error(
        "{0:?} is not the name of an operator: write 1 to {LONGEST_OPERATOR} lower-case letters, \
         digits, dots and hyphens"
    )]
    Operator(String),
    /// The member's keys.
    #[error("{member}: {why}")]
    Keys {
        /// Whose they are.
        member: Authority,
        /// What is wrong with them.
        why: String,
    },
    /// One service in two lines.
    #[error("{0} is there twice: each service has one line")]
    Twice(Authority),
    /// Too many.
    #[error("a roster has at most {MAX_MEMBERS} members")]
    TooMany,
}

/// What a member does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It takes and serves PASSporTs.
    Cps,
    /// It signs tokens.
    Issuer,
    /// It passes sealed requests on.
    Relay,
}

impl Role {
    /// All of them, in the order in which they stand in a roster.
    pub const ALL: [Self; 3] = [Self::Cps, Self::Issuer, Self::Relay];

    /// The word in a roster.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cps => "cps",
            Self::Issuer => "issuer",
            Self::Relay => "relay",
        }
    }
}

/// The word by which a roster names an operator: 1 to 63 lower-case letters, digits, dots and
/// hyphens. Two services have one operator if they have the same word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorName(String);

impl FromStr for OperatorName {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        let is_plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
        };
        if text.is_empty() || text.len() > LONGEST_OPERATOR || !text.bytes().all(is_plain) {
            return Err(MemberError::Operator(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One service of a federation. As text it is its line in the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    role: Role,
    uri: CpsUri,
    operator: OperatorName,
    /// In the order of their texts.
    keys: Vec<VerifierKey>,
}

impl Member {
    /// A member. A CPS and an issuer have the key of their log, and perhaps keys of other
    /// logs, each named by the authority and a path; a relay has none.
    ///
    /// # Errors
    /// [`MemberError::Keys`].
    pub fn new(
        role: Role,
        uri: CpsUri,
        operator: OperatorName,
        mut keys: Vec<VerifierKey>,
    ) -> Result<Self, MemberError> {
        check_keys(role, uri.authority(), &keys).map_err(|why| MemberError::Keys {
            member: uri.authority().clone(),
            why,
        })?;
        keys.sort_by_cached_key(ToString::to_string);
        Ok(Self {
            role,
            uri,
            operator,
            keys,
        })
    }

    /// What it does.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Where it is.
    #[must_use]
    pub const fn uri(&self) -> &CpsUri {
        &self.uri
    }

    /// Who runs it.
    #[must_use]
    pub const fn operator(&self) -> &OperatorName {
        &self.operator
    }

    /// The keys of its logs.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }
}

fn check_keys(role: Role, authority: &Authority, keys: &[VerifierKey]) -> Result<(), String> {
    if role == Role::Relay {
        let none = keys.is_empty().then_some(());
        return none.ok_or_else(|| "a relay has no log, and so no key".to_owned());
    }
    if keys.len() > MAX_KEYS {
        return Err(format!("{} keys: at most {MAX_KEYS}", keys.len()));
    }
    let log = format!("{authority}/log");
    if !keys.iter().any(|key| key.name().as_str() == log) {
        return Err(format!(
            "the key of its log is missing, which is named {log}"
        ));
    }
    for (place, key) in keys.iter().enumerate() {
        let path = key.name().as_str().strip_prefix(authority.as_str());
        if path.is_none_or(|path| !path.starts_with('/')) {
            let name = key.name();
            return Err(format!("the key {name} is not named {authority}/…"));
        }
        if key.kind() != SignatureType::Ed25519 {
            return Err(format!(
                "the key {} is a witness's, not a log's",
                key.name()
            ));
        }
        if keys.iter().take(place).any(|other| other == key) {
            return Err(format!("the key {} is there twice", key.name()));
        }
    }
    Ok(())
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.role.as_str(), self.uri, self.operator)?;
        self.keys.iter().try_for_each(|key| write!(f, " {key}"))
    }
}

/// The members of a federation, **each with an authority that no other has**.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members(Vec<Member>);

impl Members {
    /// These, in whatever order.
    ///
    /// # Errors
    /// [`MemberError::Twice`] and [`MemberError::TooMany`].
    pub fn new(mut members: Vec<Member>) -> Result<Self, MemberError> {
        if members.len() > MAX_MEMBERS {
            return Err(MemberError::TooMany);
        }
        let mut seen = std::collections::HashSet::new();
        for member in &members {
            if !seen.insert(member.uri.authority()) {
                return Err(MemberError::Twice(member.uri.authority().clone()));
            }
        }
        members.sort_by_cached_key(|member| (member.role, member.uri.to_string()));
        Ok(Self(members))
    }

    /// All of them: CPSs, issuers, relays, each in the order of their URLs.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    /// The one with this authority, if there is one.
    #[must_use]
    pub fn find(&self, authority: &Authority) -> Option<&Member> {
        let is_it = |member: &&Member| member.uri.authority() == authority;
        self.0.iter().find(is_it)
    }
}
