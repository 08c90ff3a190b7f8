//! Claim constraints: what the issuer of a certificate allows its holder to
//! claim (RFC 8226 section 8, RFC 9118). Parsed from the extension, and
//! evaluated on a PASSporT's claims.

use serde_json::{Map, Value};

use super::der::{DerError, DerReader, tag};

/// id-pe-JWTClaimConstraints (RFC 8226).
pub const CLAIM_CONSTRAINTS_OID: &str = "1.3.6.1.5.5.7.1.27";
/// id-pe-eJWTClaimConstraints (RFC 9118), the form with `mustExclude`.
pub const ENHANCED_CLAIM_CONSTRAINTS_OID: &str = "1.3.6.1.5.5.7.1.33";

/// An extension that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimConstraintsFormError {
    /// Not strict DER, or not of the right structure.
    #[error("JWTClaimConstraints is not strict DER: {0}")]
    Der(#[from] DerError),
    /// None of the lists is there, or one of them is empty.
    #[error("JWTClaimConstraints constrains nothing: a list is missing or empty")]
    Empty,
}

/// Claims that the certificate's holder may not make.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimConstraintError {
    /// `mustInclude` names a claim that is not there.
    #[error("the certificate demands the claim {0:?}, which is missing")]
    Missing(String),
    /// `mustExclude` names a claim that is there.
    #[error("the certificate forbids the claim {0:?}")]
    Excluded(String),
    /// The claim's value is not among those permitted.
    #[error("the certificate does not permit {value} for the claim {claim:?}")]
    NotPermitted {
        /// The claim's name.
        claim: String,
        /// Its value, as JSON.
        value: String,
    },
}

/// The constraints of one certificate.
///
/// ```text
/// EnhancedJWTClaimConstraints ::= SEQUENCE {
///   mustInclude     [0] JWTClaimNames OPTIONAL,
///   permittedValues [1] JWTClaimValuesList OPTIONAL,
///   mustExclude     [2] JWTClaimNames OPTIONAL }    -- RFC 9118 only
/// JWTClaimNames ::= SEQUENCE SIZE (1..MAX) OF IA5String
/// JWTClaimValues ::= SEQUENCE {
///   claim IA5String, values SEQUENCE SIZE (1..MAX) OF UTF8String }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimConstraints {
    must_include: Vec<String>,
    permitted_values: Vec<(String, Vec<String>)>,
    must_exclude: Vec<String>,
}

impl ClaimConstraints {
    /// Parses RFC 8226's form, which has no `mustExclude`.
    ///
    /// # Errors
    /// [`ClaimConstraintsFormError`].
    pub fn parse(der: &[u8]) -> Result<Self, ClaimConstraintsFormError> {
        Self::parse_form(der, false)
    }

    /// Parses RFC 9118's form.
    ///
    /// # Errors
    /// [`ClaimConstraintsFormError`].
    pub fn parse_enhanced(der: &[u8]) -> Result<Self, ClaimConstraintsFormError> {
        Self::parse_form(der, true)
    }

    fn parse_form(der: &[u8], enhanced: bool) -> Result<Self, ClaimConstraintsFormError> {
        let mut reader = DerReader::new(der);
        let mut lists = reader.inside(tag::SEQUENCE)?;
        reader.finish()?;
        let mut constraints = Self::default();
        if let Some(list) = lists.optional(tag::explicit(0))? {
            constraints.must_include = sequence_of(list, ia5_string)?;
        }
        if let Some(list) = lists.optional(tag::explicit(1))? {
            constraints.permitted_values = sequence_of(list, claim_values)?;
        }
        if enhanced && let Some(list) = lists.optional(tag::explicit(2))? {
            constraints.must_exclude = sequence_of(list, ia5_string)?;
        }
        lists.finish()?;
        if constraints == Self::default() {
            return Err(ClaimConstraintsFormError::Empty);
        }
        Ok(constraints)
    }

    /// Checks a PASSporT's claims.
    ///
    /// Permitted values are text. A string claim must equal one of them; of an
    /// array every element must be permitted; any other value must equal one as
    /// JSON without white space.
    ///
    /// # Errors
    /// [`ClaimConstraintError`] names the first claim that is not allowed.
    pub fn evaluate(&self, claims: &Map<String, Value>) -> Result<(), ClaimConstraintError> {
        if let Some(missing) = self.must_include.iter().find(|c| !claims.contains_key(*c)) {
            return Err(ClaimConstraintError::Missing(missing.clone()));
        }
        if let Some(there) = self.must_exclude.iter().find(|c| claims.contains_key(*c)) {
            return Err(ClaimConstraintError::Excluded(there.clone()));
        }
        for (claim, permitted) in &self.permitted_values {
            match claims.get(claim) {
                Some(value) if !is_permitted(value, permitted) => {
                    return Err(ClaimConstraintError::NotPermitted {
                        claim: claim.clone(),
                        value: value.to_string(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_permitted(value: &Value, permitted: &[String]) -> bool {
    match value {
        Value::String(text) => permitted.contains(text),
        Value::Array(elements) => elements.iter().all(|e| is_permitted(e, permitted)),
        other => permitted.contains(&other.to_string()),
    }
}

/// The elements of the one SEQUENCE in `reader`, which must not be empty.
fn sequence_of<'a, T>(
    mut reader: DerReader<'a>,
    read: impl Fn(&mut DerReader<'a>) -> Result<T, ClaimConstraintsFormError>,
) -> Result<Vec<T>, ClaimConstraintsFormError> {
    let mut elements = reader.inside(tag::SEQUENCE)?;
    reader.finish()?;
    let mut out = Vec::new();
    while !elements.is_empty() {
        out.push(read(&mut elements)?);
    }
    if out.is_empty() {
        return Err(ClaimConstraintsFormError::Empty);
    }
    Ok(out)
}

fn ia5_string(reader: &mut DerReader<'_>) -> Result<String, ClaimConstraintsFormError> {
    Ok(reader.ia5_string()?.to_owned())
}

fn claim_values(
    reader: &mut DerReader<'_>,
) -> Result<(String, Vec<String>), ClaimConstraintsFormError> {
    let mut pair = reader.inside(tag::SEQUENCE)?;
    let claim = ia5_string(&mut pair)?;
    let values = sequence_of(pair, |values| Ok(values.utf8_string()?.to_owned()))?;
    Ok((claim, values))
}
