//! Reading certificates (RFC 5280 section 4, RFC 8226): what stands in them, in
//! owned form. Nothing is judged here but whether it can be read at all; whether
//! to rely on a certificate is for `chain`.

use x509_parser::der_parser::oid::Oid;
use x509_parser::prelude::{
    ASN1Time, FromDer as _, ParsedExtension, SubjectPublicKeyInfo, X509Certificate, X509Extension,
    X509Version,
};

use super::certificate_form::check_form;
use super::claim_constraints::{
    CLAIM_CONSTRAINTS_OID, ClaimConstraints, ClaimConstraintsFormError,
    ENHANCED_CLAIM_CONSTRAINTS_OID,
};
use super::distribution_point::{count_names, urls};
use super::name::{Name, NameError};
use super::signature::{AuthorityKey, AuthorityKeyKind, Signed};
use super::tn_auth_list::{TN_AUTH_LIST_OID, TnAuthList, TnAuthListError};
use pennyblack_base::time::UnixTime;

/// Largest certificate that is read, in bytes. Real ones have about 800.
pub const MAX_CERTIFICATE_SIZE: usize = 16 * 1024;

/// Most extensions, most policies, and most URLs of revocation lists, of a certificate that
/// is read. Real ones have at most eight extensions and two policies.
const MAX_EXTENSIONS: usize = 32;

/// Longest object identifier that is read, in bytes. Real ones have about ten.
const MAX_IDENTIFIER_SIZE: usize = 64;

const CERTIFICATE_POLICIES_OID: &str = "2.5.29.32";

/// A certificate that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Larger than any honest one.
    #[error("a certificate has at most {MAX_CERTIFICATE_SIZE} bytes, not {0}")]
    TooLarge(usize),
    /// Not an X.509 certificate in DER, or bytes follow it.
    #[error("not an X.509 certificate in DER: {0}")]
    Form(String),
    /// More extensions, or more policies, than any honest one.
    #[error("a certificate has at most {MAX_EXTENSIONS} {what}, not {count}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The name of subject or issuer is more than any honest one.
    #[error("the certificate's subject or issuer: {0}")]
    Name(#[from] NameError),
    /// An object identifier is longer than any honest one.
    #[error(
        "an object identifier in a certificate has at most {MAX_IDENTIFIER_SIZE} bytes, not {0}"
    )]
    LongIdentifier(usize),
    /// An extension that cannot be read.
    #[error("the certificate's extension {0} cannot be read")]
    Extension(String),
    /// An extension that stands there twice (RFC 5280 section 4.2).
    #[error("the certificate's extension {0} stands there twice")]
    RepeatedExtension(String),
    /// A TNAuthList that is refused.
    #[error("{0}")]
    TnAuthList(#[from] TnAuthListError),
    /// Claim constraints that are refused.
    #[error("{0}")]
    ClaimConstraints(#[from] ClaimConstraintsFormError),
}

/// What the certificate may be used for (RFC 5280 section 4.2.1.3), as far as
/// it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// May sign PASSporTs and JWTs.
    pub digital_signature: bool,
    /// May sign certificates.
    pub key_cert_sign: bool,
    /// May sign revocation lists.
    pub crl_sign: bool,
}

/// Basic constraints (RFC 5280 section 4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicConstraints {
    /// An authority.
    pub ca: bool,
    /// How many authorities may stand between it and the leaf.
    pub path_length: Option<u32>,
}

/// A certificate, read and not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub(super) version_3: bool,
    pub(super) subject: Name,
    pub(super) issuer: Name,
    pub(super) serial: Box<[u8]>,
    pub(super) key: AuthorityKey,
    pub(super) signed: Signed,
    pub(super) subject_key_id: Option<Box<[u8]>>,
    pub(super) authority_key_id: Option<Box<[u8]>>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) basic_constraints: Option<BasicConstraints>,
    /// The URLs where lists that may revoke it are to be found.
    pub(super) distribution_points: Vec<String>,
    pub(super) constraints: Vec<ClaimConstraints>,
    pub(super) unknown_critical: Option<String>,
    /// It has an extended key usage, in which the purpose that includes all is not.
    pub(super) has_other_purpose: bool,
    subject_text: String,
    issuer_text: String,
    not_before: UnixTime,
    not_after: UnixTime,
    tn_auth_list: Option<TnAuthList>,
    policies: Vec<String>,
    extensions: Vec<(String, Box<[u8]>)>,
}

impl Certificate {
    /// Reads a certificate; every byte must belong to it. Anyone may send one, so it is
    /// bounded in all of which more takes longer than its share of the bytes.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_SIZE {
            return Err(CertificateError::TooLarge(der.len()));
        }
        check_form(der).map_err(|error| CertificateError::Form(error.to_string()))?;
        let (rest, read) = X509Certificate::from_der(der)
            .map_err(|error| CertificateError::Form(error.to_string()))?;
        if !rest.is_empty() {
            let what = format!("{} bytes follow it", rest.len());
            return Err(CertificateError::Form(what));
        }
        check_at_most("extensions", read.extensions().len())?;
        let mut certificate = Self {
            version_3: read.version() == X509Version::V3,
            subject: Name::of(read.subject())?,
            issuer: Name::of(read.issuer())?,
            serial: read.raw_serial().into(),
            key: authority_key(read.public_key())?,
            signed: Signed {
                message: read.tbs_certificate.as_ref().into(),
                algorithm: identifier(&read.signature_algorithm.algorithm)?,
                signature: read.signature_value.data.as_ref().into(),
            },
            subject_key_id: None,
            authority_key_id: None,
            key_usage: None,
            basic_constraints: None,
            distribution_points: Vec::new(),
            constraints: Vec::new(),
            unknown_critical: None,
            has_other_purpose: false,
            subject_text: read.subject().to_string(),
            issuer_text: read.issuer().to_string(),
            not_before: unix_time(read.validity().not_before),
            not_after: unix_time(read.validity().not_after),
            tn_auth_list: None,
            policies: Vec::new(),
            extensions: Vec::new(),
        };
        for extension in read.extensions() {
            certificate.take(extension)?;
        }
        Ok(certificate)
    }

    /// The subject's name as text, for messages.
    #[must_use]
    pub fn subject_text(&self) -> &str {
        &self.subject_text
    }

    /// The issuer's name as text, for messages.
    #[must_use]
    pub fn issuer_text(&self) -> &str {
        &self.issuer_text
    }

    /// The first second of its validity.
    #[must_use]
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second of its validity.
    #[must_use]
    pub const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whom it speaks for.
    #[must_use]
    pub const fn tn_auth_list(&self) -> Option<&TnAuthList> {
        self.tn_auth_list.as_ref()
    }

    /// The object identifiers of its certificate policies.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// The value of any extension, for those whose identifier is configured
    /// (such as the CPS URI's).
    #[must_use]
    pub fn extension(&self, oid: &str) -> Option<&[u8]> {
        let mut all = self.extensions.iter();
        all.find(|(own, _)| own == oid).map(|(_, value)| &**value)
    }

    fn take(&mut self, extension: &X509Extension<'_>) -> Result<(), CertificateError> {
        let oid = identifier(&extension.oid)?;
        if self.extension(&oid).is_some() {
            return Err(CertificateError::RepeatedExtension(oid));
        }
        match oid.as_str() {
            TN_AUTH_LIST_OID => self.tn_auth_list = Some(TnAuthList::parse(extension.value)?),
            CLAIM_CONSTRAINTS_OID => {
                let constraints = ClaimConstraints::parse(extension.value)?;
                self.constraints.push(constraints);
            }
            ENHANCED_CLAIM_CONSTRAINTS_OID => {
                let constraints = ClaimConstraints::parse_enhanced(extension.value)?;
                self.constraints.push(constraints);
            }
            _ => self.take_standard(extension, &oid)?,
        }
        self.extensions.push((oid, extension.value.into()));
        Ok(())
    }

    fn take_standard(
        &mut self,
        extension: &X509Extension<'_>,
        oid: &str,
    ) -> Result<(), CertificateError> {
        match extension.parsed_extension() {
            ParsedExtension::ParseError { .. } => {
                return Err(CertificateError::Extension(oid.to_owned()));
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = Some(id.0.into()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.into());
            }
            ParsedExtension::KeyUsage(usage) => {
                self.key_usage = Some(KeyUsage {
                    digital_signature: usage.digital_signature(),
                    key_cert_sign: usage.key_cert_sign(),
                    crl_sign: usage.crl_sign(),
                });
            }
            ParsedExtension::BasicConstraints(constraints) => {
                self.basic_constraints = Some(BasicConstraints {
                    ca: constraints.ca,
                    path_length: constraints.path_len_constraint,
                });
            }
            // Critical or not, it restricts (RFC 5280 section 4.2.1.12), and nobody has
            // registered a purpose for STIR.
            ParsedExtension::ExtendedKeyUsage(usage) => self.has_other_purpose = !usage.any,
            ParsedExtension::CertificatePolicies(policies) => {
                check_at_most("policies", policies.len())?;
                let policies = policies.iter().map(|policy| identifier(&policy.policy_id));
                self.policies = policies.collect::<Result<_, _>>()?;
            }
            ParsedExtension::CRLDistributionPoints(points) if !extension.critical => {
                check_at_most("distribution points", points.len())?;
                let points = points.iter().filter_map(|p| p.distribution_point.as_ref());
                let names = points.clone().map(count_names).sum();
                check_at_most("URLs of revocation lists", names)?;
                self.distribution_points = points.filter_map(urls).flatten().collect();
            }
            // Policies may be critical: 81 real certificates mark them so, and
            // they only narrow what a certificate is meant for.
            _ if extension.critical && oid != CERTIFICATE_POLICIES_OID => {
                self.unknown_critical = Some(oid.to_owned());
            }
            _ => {}
        }
        Ok(())
    }
}

pub(super) fn unix_time(time: ASN1Time) -> UnixTime {
    UnixTime(u64::try_from(time.timestamp()).unwrap_or(0))
}

const fn check_at_most(what: &'static str, count: usize) -> Result<(), CertificateError> {
    if count > MAX_EXTENSIONS {
        return Err(CertificateError::TooMany { what, count });
    }
    Ok(())
}

fn identifier(oid: &Oid<'_>) -> Result<String, CertificateError> {
    let size = oid.as_bytes().len();
    if size > MAX_IDENTIFIER_SIZE {
        return Err(CertificateError::LongIdentifier(size));
    }
    Ok(oid.to_id_string())
}

fn authority_key(info: &SubjectPublicKeyInfo<'_>) -> Result<AuthorityKey, CertificateError> {
    let parameters = info.algorithm.parameters.as_ref();
    let curve = parameters.and_then(|parameters| parameters.as_oid().ok());
    let curve = curve.map(|oid| identifier(&oid)).transpose()?;
    let algorithm = identifier(&info.algorithm.algorithm)?;
    let kind = match (algorithm.as_str(), curve.as_deref()) {
        ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => AuthorityKeyKind::P256,
        ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => AuthorityKeyKind::P384,
        ("1.2.840.10045.2.1", Some("1.3.132.0.35")) => AuthorityKeyKind::P521,
        ("1.2.840.113549.1.1.1", _) => AuthorityKeyKind::Rsa,
        _ => AuthorityKeyKind::Unknown,
    };
    Ok(AuthorityKey {
        kind,
        bytes: info.subject_public_key.data.as_ref().into(),
    })
}
