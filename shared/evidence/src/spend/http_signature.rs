//! The RFC 9421 signature by `K_temp` over a store request: its two header
//! fields, the signature base, and Ed25519 in its strict form. Not here: which
//! key is `K_temp` (the token's nonce), and whether its token is worth anything.

use std::fmt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use ed25519_dalek::VerifyingKey;
use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parser};

use super::MAX_FIELD_SIZE;
use super::content_digest::RequestDigest;
use pennyblack_base::authority::Authority;
use pennyblack_base::curve25519;
use pennyblack_base::encoding;
use pennyblack_base::service_paths::STORE_PATH;
use pennyblack_base::time::UnixTime;

/// Method of a store request.
pub const STORE_METHOD: &str = "POST";

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_SIZE: usize = 64;

const LABEL: &str = "spend";
const COMPONENTS: [&str; 4] = ["@method", "@authority", "@path", "content-digest"];
const ALGORITHM: &str = "ed25519";
const TAG: &str = "pennyblack-spend";

/// When a request was signed: seconds since 1970 in 4 bytes, enough until 2106. Signers
/// round it down to [`Self::GRAIN`], or their clocks' offsets would tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Created(pub u32);

impl Created {
    /// Seconds of which it is a multiple in every request that a CPS takes.
    pub const GRAIN: u32 = 30;

    /// The time to write into a request that is signed now.
    ///
    /// # Errors
    /// [`CreatedError`].
    pub fn rounded(now: UnixTime) -> Result<Self, CreatedError> {
        let Self(now) = Self::try_from(now)?;
        Ok(Self(now - now % Self::GRAIN))
    }

    /// Whether it tells no more than it must.
    #[must_use]
    pub const fn is_rounded(self) -> bool {
        self.0.is_multiple_of(Self::GRAIN)
    }

    /// The same moment as a [`UnixTime`].
    #[must_use]
    pub const fn time(self) -> UnixTime {
        // `as` only widens: From is not const.
        UnixTime(self.0 as u64)
    }
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment past 2106-02-07, which four bytes do not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is past the last second that a spend record can hold")]
pub struct CreatedError(UnixTime);

impl TryFrom<UnixTime> for Created {
    type Error = CreatedError;

    fn try_from(time: UnixTime) -> Result<Self, CreatedError> {
        u32::try_from(time.0)
            .map(Self)
            .map_err(|_| CreatedError(time))
    }
}

/// The two signature fields of a store request, parsed but not verified.
///
/// One meaning has one spelling here, that of [`Self::input_field`] and
/// [`Self::field`]: components and parameters in this order, nothing more.
/// `created` and the signature are therefore enough to rebuild every signed byte;
/// that is what makes a spend record evidence.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpendSignature {
    /// When it was made, by the signer's clock.
    pub created: Created,
    /// Ed25519 over [`signature_base`].
    pub signature: [u8; SIGNATURE_SIZE],
}

/// Signature fields that are not those of a store request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFieldError {
    /// Longer than it is ever spelled.
    #[error("{field} has {size} bytes, at most {MAX_FIELD_SIZE} are read")]
    TooLong {
        /// The header field.
        field: &'static str,
        /// Its bytes.
        size: usize,
    },
    /// Not a structured field dictionary (RFC 9651).
    #[error("{field} is not a dictionary: {detail}")]
    Syntax {
        /// The header field.
        field: &'static str,
        /// What the parser objected to.
        detail: String,
    },
    /// Not exactly one signature with the label `spend`.
    #[error("{field} must hold one member, {LABEL}")]
    Label {
        /// The header field.
        field: &'static str,
    },
    /// Other components covered, or in another order.
    #[error("the signature must cover {} in this order", component_list())]
    Components,
    /// A parameter that is missing, extra, out of order or has another value.
    #[error(
        "the signature's parameters must be created=…;alg=\"{ALGORITHM}\";tag=\"{TAG}\" in this order"
    )]
    Parameters,
    /// `created` is negative or past 2106.
    #[error("created={0} is not a time between 1970 and 2106")]
    Created(i64),
    /// Not a byte sequence of 64 bytes.
    #[error("the signature must be {SIGNATURE_SIZE} bytes between colons")]
    Size,
    /// The same value, spelled otherwise than RFC 9651 section 4.1 spells it.
    #[error("{field} must be spelled {canonical}")]
    Spelling {
        /// The header field.
        field: &'static str,
        /// How to spell it.
        canonical: String,
    },
}

impl SpendSignature {
    /// The value of `Signature-Input`.
    #[must_use]
    pub fn input_field(&self) -> String {
        format!("{LABEL}={}", signature_params(self.created))
    }

    /// The value of `Signature`.
    #[must_use]
    pub fn field(&self) -> String {
        format!("{LABEL}=:{}:", encoding::base64_standard(&self.signature))
    }

    /// Parses the values of `Signature-Input` and `Signature`.
    ///
    /// # Errors
    /// [`SignatureFieldError`], for anything but the one spelling.
    pub fn parse(input: &str, signature: &str) -> Result<Self, SignatureFieldError> {
        let parsed = Self {
            created: parse_input(input)?,
            signature: parse_signature(signature)?,
        };
        require_spelling("Signature-Input", input, parsed.input_field())?;
        require_spelling("Signature", signature, parsed.field())?;
        Ok(parsed)
    }
}

impl fmt::Debug for SpendSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpendSignature")
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

fn parse_input(value: &str) -> Result<Created, SignatureFieldError> {
    let ListEntry::InnerList(covered) = only_member("Signature-Input", value)? else {
        return Err(SignatureFieldError::Components);
    };
    require_components(&covered)?;
    let mut params = covered.params.iter();
    let mut next = || params.next().map(|(name, value)| (name.as_str(), value));
    let Some(("created", BareItem::Integer(created))) = next() else {
        return Err(SignatureFieldError::Parameters);
    };
    for (expected_name, expected_value) in [("alg", ALGORITHM), ("tag", TAG)] {
        match next() {
            Some((name, BareItem::String(value)))
                if name == expected_name && value.as_str() == expected_value => {}
            _ => return Err(SignatureFieldError::Parameters),
        }
    }
    if next().is_some() {
        return Err(SignatureFieldError::Parameters);
    }
    let seconds = i64::from(*created);
    u32::try_from(seconds)
        .map(Created)
        .map_err(|_| SignatureFieldError::Created(seconds))
}

fn require_components(covered: &InnerList) -> Result<(), SignatureFieldError> {
    let names = covered.items.iter().map(|item| match &item.bare_item {
        BareItem::String(name) if item.params.is_empty() => Some(name.as_str()),
        _ => None,
    });
    if names.eq(COMPONENTS.map(Some)) {
        Ok(())
    } else {
        Err(SignatureFieldError::Components)
    }
}

fn parse_signature(value: &str) -> Result<[u8; SIGNATURE_SIZE], SignatureFieldError> {
    match only_member("Signature", value)? {
        ListEntry::Item(item) if item.params.is_empty() => match item.bare_item {
            BareItem::ByteSequence(bytes) => {
                bytes.try_into().map_err(|_| SignatureFieldError::Size)
            }
            _ => Err(SignatureFieldError::Size),
        },
        _ => Err(SignatureFieldError::Size),
    }
}

fn only_member(field: &'static str, value: &str) -> Result<ListEntry, SignatureFieldError> {
    let size = value.len();
    if size > MAX_FIELD_SIZE {
        return Err(SignatureFieldError::TooLong { field, size });
    }
    let members: Dictionary =
        Parser::new(value)
            .parse()
            .map_err(|error| SignatureFieldError::Syntax {
                field,
                detail: error.to_string(),
            })?;
    let mut members = members.into_iter();
    match (members.next(), members.next()) {
        (Some((label, member)), None) if label.as_str() == LABEL => Ok(member),
        _ => Err(SignatureFieldError::Label { field }),
    }
}

fn require_spelling(
    field: &'static str,
    value: &str,
    canonical: String,
) -> Result<(), SignatureFieldError> {
    if canonical == value {
        Ok(())
    } else {
        Err(SignatureFieldError::Spelling { field, canonical })
    }
}

fn component_list() -> String {
    COMPONENTS.map(|name| format!("\"{name}\"")).join(" ")
}

fn signature_params(created: Created) -> String {
    let components = component_list();
    format!("({components});created={created};alg=\"{ALGORITHM}\";tag=\"{TAG}\"")
}

/// What `K_temp` signs (RFC 9421 section 2.5): five lines, without a line feed
/// after the last.
///
/// ```text
/// "@method": POST
/// "@authority": cps.example.net
/// "@path": /v1/passports
/// "content-digest": sha-256=:…:
/// "@signature-params": ("@method" "@authority" "@path" "content-digest");created=1795000000;alg="ed25519";tag="pennyblack-spend"
/// ```
///
/// The authority is the verifier's own, not one that a request names.
#[must_use]
pub fn signature_base(cps: &Authority, digest: RequestDigest, created: Created) -> String {
    base_for(STORE_METHOD, cps.as_str(), STORE_PATH, digest, created)
}

/// The same text for values of the caller's: what a request that is signed for another
/// method, authority or path would cover.
#[must_use]
pub fn base_for(
    method: &str,
    authority: &str,
    path: &str,
    digest: RequestDigest,
    created: Created,
) -> String {
    format!(
        "\"@method\": {method}\n\
         \"@authority\": {authority}\n\
         \"@path\": {path}\n\
         \"content-digest\": {}\n\
         \"@signature-params\": {}",
        digest.to_field(),
        signature_params(created)
    )
}

/// A signature that the token's nonce did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpendSignatureError {
    /// The nonce is not the canonical encoding of a point: nobody holds its
    /// private key, the token was drawn for another protocol.
    #[error("the token's nonce is not an Ed25519 public key: draw tokens whose nonce is one")]
    NonceIsNoKey,
    /// The signature does not verify strictly: made by another key, over other
    /// bytes, or with a key or R of small order.
    #[error("the signature is not by the token's nonce over this request")]
    Mismatch,
}

/// Verifies strictly (RFC 8032 section 5.1.7, without cofactor): the key must be
/// in canonical form, neither it nor R of small order, S reduced. So one key
/// cannot be made to have signed what its holder did not sign.
///
/// The library takes only a reduced S and compares R byte by byte with what the
/// key gives, so R is in canonical form; small orders it does not look for.
///
/// # Errors
/// [`SpendSignatureError`].
pub fn verify_strictly(
    nonce: &[u8; 32],
    base: &str,
    signature: &[u8; SIGNATURE_SIZE],
) -> Result<(), SpendSignatureError> {
    if !curve25519::is_reduced(nonce) {
        return Err(SpendSignatureError::NonceIsNoKey);
    }
    let small_order = curve25519::is_ed25519_of_small_order;
    let degenerate = small_order(nonce) || signature.first_chunk().is_none_or(small_order);
    let key = UnparsedPublicKey::new(&ED25519, nonce);
    if !degenerate && key.verify(base.as_bytes(), signature).is_ok() {
        return Ok(());
    }
    Err(match VerifyingKey::from_bytes(nonce) {
        Ok(_) => SpendSignatureError::Mismatch,
        Err(_) => SpendSignatureError::NonceIsNoKey,
    })
}

#[cfg(test)]
mod tests;
