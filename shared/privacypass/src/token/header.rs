//! The `PrivateToken` authentication scheme (RFC 9577 section 2): values of
//! `Authorization` and `WWW-Authenticate`.
//!
//! Values are written quoted and padded. They are read as they are met in the
//! field: any case of the scheme, values without quotes even where they are
//! padded, unknown parameters, and other schemes before and after.

use super::{ChallengeError, TokenChallenge};
use pennyblack_base::encoding::{self, Base64Error};

const SCHEME: &str = "PrivateToken";

/// Longest header value that is looked at, in bytes.
const MAX_SIZE: usize = 16 * 1024;

/// Most schemes and parameters of a value, together.
const MAX_WORDS: usize = 64;

/// A header value that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// More than anyone has to say.
    #[error("{0} bytes are too many; at most {MAX_SIZE} are read")]
    TooLong(usize),
    /// More schemes and parameters than anyone has to name.
    #[error("more than {MAX_WORDS} schemes and parameters")]
    TooMany,
    /// A quoted value does not end, or a character is out of place.
    #[error("malformed at byte {0}")]
    Malformed(usize),
    /// No credentials of this scheme.
    #[error("no PrivateToken credentials: send PrivateToken token=\"…\"")]
    NoPrivateToken,
    /// A parameter that must be there exactly once.
    #[error("the parameter {0} must be there exactly once")]
    Parameter(&'static str),
    /// A value that is not base64url.
    #[error("{0}")]
    Text(#[from] Base64Error),
    /// A challenge that is not one.
    #[error("{0}")]
    Challenge(#[from] ChallengeError),
    /// `max-age` is not a number of seconds.
    #[error("max-age {0:?} is not a number of seconds")]
    MaxAge(String),
}

/// One `PrivateToken` challenge of a `WWW-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticateChallenge {
    /// The challenge that a token is wanted for.
    pub challenge: TokenChallenge,
    /// The issuer's key, as its directory publishes it.
    pub token_key: Vec<u8>,
    /// For how many seconds the challenge may be used.
    pub max_age: Option<u64>,
}

impl AuthenticateChallenge {
    /// The header's value.
    #[must_use]
    pub fn to_header(&self) -> String {
        let challenge = encoding::base64url_padded(&self.challenge.to_bytes());
        let token_key = encoding::base64url_padded(&self.token_key);
        let max_age = self.max_age.map(|age| format!(", max-age=\"{age}\""));
        format!(
            "{SCHEME} challenge=\"{challenge}\", token-key=\"{token_key}\"{}",
            max_age.unwrap_or_default()
        )
    }

    fn from_credentials(credentials: &Credentials<'_>) -> Result<Self, HeaderError> {
        let challenge = encoding::from_base64url_any_padding(credentials.once("challenge")?)?;
        let token_key = encoding::from_base64url_any_padding(credentials.once("token-key")?)?;
        let max_age = credentials
            .parameters("max-age")
            .next()
            .map(|age| age.parse().map_err(|_| HeaderError::MaxAge(age.to_owned())))
            .transpose()?;
        Ok(Self {
            challenge: TokenChallenge::parse(&challenge)?,
            token_key,
            max_age,
        })
    }
}

/// Every `PrivateToken` challenge of a `WWW-Authenticate` value; other schemes are passed
/// over. So are challenges that cannot be read beside one that can: servers send some of
/// types that nobody knows (RFC 9577 section 2.1, greasing), and their form is not ours.
///
/// # Errors
/// [`HeaderError`] when the value is malformed, or each of its `PrivateToken` challenges is.
pub fn parse_www_authenticate(value: &str) -> Result<Vec<AuthenticateChallenge>, HeaderError> {
    let all = parse(value)?;
    let own = all
        .iter()
        .filter(|credentials| credentials.is_private_token());
    let (mut read, mut refusal) = (Vec::new(), None);
    for challenge in own.map(AuthenticateChallenge::from_credentials) {
        match challenge {
            Ok(challenge) => read.push(challenge),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    match refusal {
        Some(refusal) if read.is_empty() => Err(refusal),
        _ => Ok(read),
    }
}

pub(super) fn authorization(token: &[u8]) -> String {
    format!("{SCHEME} token=\"{}\"", encoding::base64url_padded(token))
}

pub(super) fn token_parameter(value: &str) -> Result<&str, HeaderError> {
    match parse(value)?.as_slice() {
        [only] if only.is_private_token() => only.once("token"),
        _ => Err(HeaderError::NoPrivateToken),
    }
}

/// One scheme with its parameters, in the order of the header.
struct Credentials<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Credentials<'a> {
    fn is_private_token(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(SCHEME)
    }

    fn parameters(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.parameters
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|&(_, value)| value)
    }

    fn once(&self, name: &'static str) -> Result<&'a str, HeaderError> {
        let mut values = self.parameters(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(HeaderError::Parameter(name)),
        }
    }
}

/// Splits a value into credentials (RFC 9110 section 11): a word that `=`
/// follows is a parameter of the scheme before it, any other word a new scheme.
fn parse(value: &str) -> Result<Vec<Credentials<'_>>, HeaderError> {
    if value.len() > MAX_SIZE {
        return Err(HeaderError::TooLong(value.len()));
    }
    let at = |rest: &str| HeaderError::Malformed(value.len() - rest.len());
    let mut found: Vec<Credentials<'_>> = Vec::new();
    let mut rest = skip_separators(value);
    let mut words = 0;
    while !rest.is_empty() {
        words += 1;
        if words > MAX_WORDS {
            return Err(HeaderError::TooMany);
        }
        let (word, after) = split_where(rest, |c| !is_token_character(c));
        if word.is_empty() {
            return Err(at(rest));
        }
        if let Some(after) = after.strip_prefix('=') {
            let (text, after) = parameter_value(after).ok_or_else(|| at(after))?;
            let current = found.last_mut().ok_or_else(|| at(rest))?;
            current.parameters.push((word, text));
            rest = skip_separators(after);
        } else {
            found.push(Credentials {
                scheme: word,
                parameters: Vec::new(),
            });
            rest = skip_separators(after);
        }
    }
    Ok(found)
}

/// The value after `=`, quoted or not, and what follows it. Other schemes escape characters
/// (RFC 9110 section 5.6.4); no value of this one has any to escape, so they stay as they
/// are, and are no base64 there.
fn parameter_value(rest: &str) -> Option<(&str, &str)> {
    match rest.strip_prefix('"') {
        Some(quoted) => {
            let end = end_of_quoted(quoted)?;
            let (value, rest) = quoted.split_at_checked(end)?;
            Some((value, rest.strip_prefix('"')?))
        }
        None => Some(split_where(rest, |c| {
            c == ',' || c == '"' || c.is_ascii_whitespace()
        })),
    }
}

/// Where the quotation mark is that no backslash escapes.
fn end_of_quoted(quoted: &str) -> Option<usize> {
    let mut is_escaped = false;
    quoted.char_indices().find_map(|(at, c)| match c {
        '"' if !is_escaped => Some(at),
        _ => {
            is_escaped = c == '\\' && !is_escaped;
            None
        }
    })
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(end).unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

fn skip_separators(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', ','])
}

/// `tchar` of RFC 9110 section 5.6.2, which a `token68` shares but for `/`.
fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c)
}
