//! The value of a SIP Identity header around a PASSporT in full form (RFC 8224
//! section 4): `<jws>;info=<url>;alg=ES256;ppt=shaken`. The compact form has no
//! claims in it and is refused.
//!
//! Names and values of parameters are compared without case, as all of SIP (RFC 3261
//! section 7.3.1); what is inside the PASSporT is exact.

use std::fmt;
use std::str::FromStr;

use super::claims::is_token;
use super::{PassportError, UnverifiedPassport};
use pennyblack_stir::jws::{CertificateReference, X5u, X5uError};

/// A header value that does not bring a PASSporT in full form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityHeaderError {
    /// The compact form: `..signature` (RFC 8225 section 7).
    #[error("the PASSporT is in compact form; out of band the full form is needed")]
    CompactForm,
    /// What stands in front of the parameters is not a PASSporT.
    #[error("{0}")]
    Passport(#[from] PassportError),
    /// A parameter without a name, or one of RFC 8224's that has no value or stands twice,
    /// or a value without its closing bracket or quote, or with text behind it.
    #[error("the parameter {0:?} is malformed or stands twice")]
    Parameter(String),
    /// There is no `info`.
    #[error("the parameter \"info\" is missing")]
    NoInfo,
    /// `info` is not a certificate URL.
    #[error("\"info\": {0}")]
    Info(#[from] X5uError),
    /// `info` and the PASSporT's `x5u` name two certificates.
    #[error("\"info\" is {info}, the PASSporT's x5u is {x5u}")]
    OtherCertificate {
        /// The parameter.
        info: X5u,
        /// The token's header.
        x5u: X5u,
    },
    /// The PASSporT has no `x5u` that `info` could be equal to.
    #[error("the PASSporT brings its certificate as x5c; an Identity header needs x5u")]
    NoX5u,
    /// `alg` is not ES256.
    #[error("\"alg\" is {0:?}, it must be ES256")]
    Algorithm(String),
    /// The parameter `ppt` and that in the PASSporT differ.
    #[error("the parameter \"ppt\" is {parameter:?}, in the PASSporT it is {passport:?}")]
    OtherExtension {
        /// The parameter.
        parameter: Option<String>,
        /// The token's header.
        passport: Option<String>,
    },
}

/// A PASSporT together with the parameters it travels with in SIP, which agree
/// with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeader {
    passport: UnverifiedPassport,
    info: X5u,
}

impl IdentityHeader {
    /// Wraps a PASSporT.
    ///
    /// # Errors
    /// [`IdentityHeaderError::NoX5u`].
    pub fn new(passport: UnverifiedPassport) -> Result<Self, IdentityHeaderError> {
        match passport.certificate() {
            CertificateReference::X5u(url) => Ok(Self {
                info: url.clone(),
                passport,
            }),
            CertificateReference::X5c(_) => Err(IdentityHeaderError::NoX5u),
        }
    }

    /// The PASSporT.
    #[must_use]
    pub const fn passport(&self) -> &UnverifiedPassport {
        &self.passport
    }

    /// The PASSporT without the header around it.
    #[must_use]
    pub fn into_passport(self) -> UnverifiedPassport {
        self.passport
    }
}

impl fmt::Display for IdentityHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{};info=<{}>;alg=ES256",
            self.passport.as_str(),
            self.info
        )?;
        match self.passport.claims().extension.ppt() {
            Some(ppt) => write!(f, ";ppt={ppt}"),
            None => Ok(()),
        }
    }
}

impl FromStr for IdentityHeader {
    type Err = IdentityHeaderError;

    fn from_str(value: &str) -> Result<Self, IdentityHeaderError> {
        let (token, parameters) = value.split_once(';').unwrap_or((value, ""));
        let token = token.trim_matches(BLANKS);
        if token.starts_with("..") {
            return Err(IdentityHeaderError::CompactForm);
        }
        let passport = UnverifiedPassport::parse_to_carry(token)?;
        let parameters = Parameters::parse(parameters)?;
        parameters.check(&passport)?;
        Self::new(passport)
    }
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// The parameters that RFC 8224 defines; others are passed over.
#[derive(Default)]
struct Parameters {
    info: Option<String>,
    alg: Option<String>,
    ppt: Option<String>,
}

impl Parameters {
    fn parse(text: &str) -> Result<Self, IdentityHeaderError> {
        let mut parameters = Self::default();
        let mut rest = text.trim_start_matches(BLANKS);
        while !rest.is_empty() {
            let malformed = || IdentityHeaderError::Parameter(rest.to_owned());
            let (name, value, after) = split_parameter(rest).ok_or_else(malformed)?;
            let known = match name.to_ascii_lowercase().as_str() {
                "info" => Some(&mut parameters.info),
                "alg" => Some(&mut parameters.alg),
                "ppt" => Some(&mut parameters.ppt),
                _ => None,
            };
            if let Some(known) = known
                && known.replace(value.ok_or_else(malformed)?).is_some()
            {
                return Err(malformed());
            }
            rest = after;
        }
        Ok(parameters)
    }

    fn check(self, passport: &UnverifiedPassport) -> Result<(), IdentityHeaderError> {
        let info: X5u = self.info.ok_or(IdentityHeaderError::NoInfo)?.parse()?;
        match passport.certificate() {
            CertificateReference::X5u(x5u) if x5u.is_equivalent(&info) => {}
            CertificateReference::X5u(x5u) => {
                let x5u = x5u.clone();
                return Err(IdentityHeaderError::OtherCertificate { info, x5u });
            }
            CertificateReference::X5c(_) => return Err(IdentityHeaderError::NoX5u),
        }
        if let Some(alg) = self.alg.filter(|alg| !alg.eq_ignore_ascii_case("ES256")) {
            return Err(IdentityHeaderError::Algorithm(alg));
        }
        // RFC 8224 section 4: the parameter may be left out only with the token's.
        let is_the_same = match (&self.ppt, passport.claims().extension.ppt()) {
            (Some(parameter), Some(ppt)) => parameter.eq_ignore_ascii_case(ppt),
            (parameter, ppt) => parameter.is_none() && ppt.is_none(),
        };
        if !is_the_same {
            return Err(IdentityHeaderError::OtherExtension {
                parameter: self.ppt,
                passport: passport.claims().extension.ppt().map(str::to_owned),
            });
        }
        Ok(())
    }
}

/// The first parameter of a list, its value if it has one, and the parameters behind it
/// (RFC 3261 section 25.1: `generic-param`). A value is a token, or stands in quotes (seen
/// in the field around `ppt`) or in brackets.
fn split_parameter(text: &str) -> Option<(&str, Option<String>, &str)> {
    let end_of_name = text.find(['=', ';']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end_of_name)?;
    let name = name.trim_end_matches(BLANKS);
    let (value, rest) = match rest.strip_prefix('=') {
        Some(rest) => {
            split_value(rest.trim_start_matches(BLANKS)).map(|(value, rest)| (Some(value), rest))?
        }
        None => (None, rest),
    };
    let rest = rest.trim_start_matches(BLANKS);
    let after = match rest.strip_prefix(';') {
        Some(after) => after.trim_start_matches(BLANKS),
        None if rest.is_empty() => rest,
        None => return None,
    };
    is_token(name).then_some((name, value, after))
}

fn split_value(text: &str) -> Option<(String, &str)> {
    if let Some(inside) = text.strip_prefix('<') {
        let (value, rest) = inside.split_once('>')?;
        return Some((value.to_owned(), rest));
    }
    if let Some(inside) = text.strip_prefix('"') {
        return split_quoted(inside);
    }
    let end = text.find(';').unwrap_or(text.len());
    let (value, rest) = text.split_at_checked(end)?;
    let value = value.trim_end_matches(BLANKS);
    (!value.is_empty()).then(|| (value.to_owned(), rest))
}

/// What stands before the closing quote, without the backslashes of quoted pairs.
fn split_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests;
