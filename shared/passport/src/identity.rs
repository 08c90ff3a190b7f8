//! The value of a SIP Identity header around a PASSporT in full form (RFC 8224
//! section 4): `<jws>;info=<url>;alg=ES256;ppt=shaken`. The compact form has no
//! claims in it and is refused.

use std::fmt;
use std::str::FromStr;

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
    /// A parameter that is not `name=value`, or stands twice, or has text
    /// behind its closing bracket or quote.
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
        passport: Option<&'static str>,
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
        let passport = UnverifiedPassport::parse(token)?;
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
        let mut rest = text.trim_matches(BLANKS);
        while !rest.is_empty() {
            let malformed = || IdentityHeaderError::Parameter(rest.to_owned());
            let (name, after_name) = rest.split_once('=').ok_or_else(malformed)?;
            let (value, after) = split_value(after_name).ok_or_else(malformed)?;
            let place = match name.trim_matches(BLANKS).to_ascii_lowercase().as_str() {
                "info" => Some(&mut parameters.info),
                "alg" => Some(&mut parameters.alg),
                "ppt" => Some(&mut parameters.ppt),
                _ => None,
            };
            if let Some(place) = place
                && place.replace(value.to_owned()).is_some()
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
            CertificateReference::X5u(x5u) if *x5u == info => {}
            CertificateReference::X5u(x5u) => {
                let x5u = x5u.clone();
                return Err(IdentityHeaderError::OtherCertificate { info, x5u });
            }
            CertificateReference::X5c(_) => return Err(IdentityHeaderError::NoX5u),
        }
        if let Some(alg) = self.alg.filter(|alg| alg != "ES256") {
            return Err(IdentityHeaderError::Algorithm(alg));
        }
        let ppt = passport.claims().extension.ppt();
        // RFC 8224 section 4: the parameter may be left out only with the token's.
        if self.ppt.as_deref() != ppt {
            return Err(IdentityHeaderError::OtherExtension {
                parameter: self.ppt,
                passport: ppt,
            });
        }
        Ok(())
    }
}

/// A value, in brackets, in quotes (seen in the field around `ppt`) or bare, and
/// what follows the semicolon behind it.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(BLANKS);
    let closing = match text.chars().next() {
        Some('<') => '>',
        Some('"') => '"',
        _ => {
            let (value, rest) = text.split_once(';').unwrap_or((text, ""));
            return Some((value.trim_matches(BLANKS), rest.trim_start_matches(BLANKS)));
        }
    };
    let (value, rest) = text.get(1..)?.split_once(closing)?;
    let rest = rest.trim_start_matches(BLANKS);
    match rest.strip_prefix(';') {
        Some(rest) => Some((value, rest.trim_start_matches(BLANKS))),
        None => rest.is_empty().then_some((value, "")),
    }
}
