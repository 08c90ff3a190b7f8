//! The protected header of a STIR token: its type, and where the signer's
//! certificate is (RFC 7515 section 4.1, RFC 8225 section 4).

use std::fmt;

use serde_json::{Map, Value, json};

use super::claim_set::{ClaimError, ClaimSet};
use super::x5u::{X5u, X5uError};
use crate::{MAX_CERTIFICATE_SIZE, MAX_CHAIN_LENGTH};
use pennyblack_base::encoding::{self, Base64Error};

/// A header that is not one of a STIR token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Not JSON, or a parameter of the wrong type.
    #[error("{0}")]
    Parameter(#[from] ClaimError),
    /// Another algorithm than ES256: `none`, a MAC, or one that STIR does not use.
    #[error("\"alg\" is {0:?}, STIR tokens are signed with ES256")]
    Algorithm(String),
    /// The header demands the understanding of an extension (RFC 7515 section
    /// 4.1.11); none is understood here.
    #[error("\"crit\" names extensions, and none is supported")]
    Critical,
    /// Certificates both inside and by reference: which one signed is not said.
    #[error("\"x5c\" and \"x5u\" are both there, send one of them")]
    TwoCertificates,
    /// `x5c` without a certificate, or with more than [`MAX_CHAIN_LENGTH`].
    #[error("\"x5c\" holds {0} certificates, 1 to {MAX_CHAIN_LENGTH} are taken")]
    CertificateCount(usize),
    /// A certificate in `x5c` larger than any in the field.
    #[error(
        "certificate {index} of \"x5c\" has {size} bytes, at most {MAX_CERTIFICATE_SIZE} are read"
    )]
    CertificateSize {
        /// Its place, the leaf being 0.
        index: usize,
        /// Bytes of its DER form.
        size: usize,
    },
    /// A certificate in `x5c` that is not standard base64 (base64url is not).
    #[error("certificate {index} of \"x5c\" is {error}")]
    CertificateText {
        /// Its place, the leaf being 0.
        index: usize,
        /// What the decoder objected to.
        error: Base64Error,
    },
    /// `x5u` is a URL that must not be fetched.
    #[error("\"x5u\": {0}")]
    X5u(#[from] X5uError),
}

/// A chain of certificates as a token brings it: DER, leaf first, judged by
/// nobody (RFC 7515 section 4.1.6).
#[derive(Clone, PartialEq, Eq)]
pub struct X5c(Vec<Vec<u8>>);

impl X5c {
    /// Takes 1 to [`MAX_CHAIN_LENGTH`] certificates in DER, leaf first.
    ///
    /// # Errors
    /// [`HeaderError::CertificateCount`] and [`HeaderError::CertificateSize`].
    pub fn new(certificates: Vec<Vec<u8>>) -> Result<Self, HeaderError> {
        check_count(certificates.len())?;
        for (index, certificate) in certificates.iter().enumerate() {
            check_size(index, certificate.len())?;
        }
        Ok(Self(certificates))
    }

    /// The certificates in DER, leaf first.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.0
    }

    fn parse(texts: &[String]) -> Result<Self, HeaderError> {
        check_count(texts.len())?;
        let certificates = texts.iter().enumerate().map(|(index, text)| {
            check_size(index, text.len() / 4 * 3)?;
            encoding::from_base64_standard(text)
                .map_err(|error| HeaderError::CertificateText { index, error })
        });
        certificates.collect::<Result<_, _>>().map(Self)
    }

    fn to_json(&self) -> Value {
        self.0
            .iter()
            .map(|certificate| encoding::base64_standard(certificate))
            .collect()
    }
}

impl fmt::Debug for X5c {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X5c({} certificates)", self.0.len())
    }
}

fn check_count(count: usize) -> Result<(), HeaderError> {
    match count {
        1..=MAX_CHAIN_LENGTH => Ok(()),
        _ => Err(HeaderError::CertificateCount(count)),
    }
}

const fn check_size(index: usize, size: usize) -> Result<(), HeaderError> {
    if size > MAX_CERTIFICATE_SIZE {
        return Err(HeaderError::CertificateSize { index, size });
    }
    Ok(())
}

/// Where the certificate of a token's signer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateReference {
    /// In the token itself: nothing has to be fetched, nothing to be trusted.
    X5c(X5c),
    /// At a URL that the signer chose.
    X5u(X5u),
}

impl CertificateReference {
    /// The URL, if it is one.
    #[must_use]
    pub const fn url(&self) -> Option<&X5u> {
        match self {
            Self::X5u(url) => Some(url),
            Self::X5c(_) => None,
        }
    }
}

/// The header parameters that STIR tokens use. `alg` is ES256 always; whatever
/// else a header holds (`kid`, `jwk`) is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JoseHeader {
    /// What kind of token it is, `passport` for PASSporTs.
    pub typ: Option<String>,
    /// The PASSporT extension (RFC 8225 section 8.1).
    pub ppt: Option<String>,
    /// Where the signer's certificate is.
    pub certificate: Option<CertificateReference>,
}

impl JoseHeader {
    /// The header, and the name of a parameter in it that is none of these, if it has one.
    pub(super) fn parse(json: &[u8]) -> Result<(Self, Option<String>), HeaderError> {
        let mut parameters = ClaimSet::parse(json)?;
        let alg = parameters.take_string("alg")?;
        if alg != "ES256" {
            return Err(HeaderError::Algorithm(alg));
        }
        if parameters.contains("crit") {
            return Err(HeaderError::Critical);
        }
        let header = Self {
            typ: parameters.take_optional_string("typ")?,
            ppt: parameters.take_optional_string("ppt")?,
            certificate: take_certificate(&mut parameters)?,
        };
        let unknown = parameters.into_rest().into_iter().next();
        Ok((header, unknown.map(|(name, _)| name)))
    }

    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("alg".to_owned(), json!("ES256"));
        if let Some(typ) = &self.typ {
            parameters.insert("typ".to_owned(), json!(typ));
        }
        if let Some(ppt) = &self.ppt {
            parameters.insert("ppt".to_owned(), json!(ppt));
        }
        match &self.certificate {
            Some(CertificateReference::X5c(chain)) => {
                parameters.insert("x5c".to_owned(), chain.to_json());
            }
            Some(CertificateReference::X5u(url)) => {
                parameters.insert("x5u".to_owned(), json!(url.as_str()));
            }
            None => {}
        }
        parameters
    }
}

fn take_certificate(
    parameters: &mut ClaimSet,
) -> Result<Option<CertificateReference>, HeaderError> {
    let url = parameters.take_optional_string("x5u")?;
    match (parameters.contains("x5c"), url) {
        (false, None) => Ok(None),
        (true, Some(_)) => Err(HeaderError::TwoCertificates),
        (false, Some(url)) => Ok(Some(CertificateReference::X5u(url.parse()?))),
        (true, None) => {
            let texts = parameters.take_strings("x5c")?;
            X5c::parse(&texts).map(|chain| Some(CertificateReference::X5c(chain)))
        }
    }
}
