//! The claims of a PASSporT, from JSON and to JSON (RFC 8225 section 5; RFC 8588
//! section 4; RFC 8946 sections 4 and 5).

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::party::{Destinations, Party, PartyError};
use super::{PassportError, UnverifiedPassport};
use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::{ClaimError, ClaimSet};

/// Claims that are not those of a PASSporT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// Missing, or of the wrong type.
    #[error("{0}")]
    Claim(#[from] ClaimError),
    /// `orig`, `dest` or `div` does not name anybody as it must.
    #[error("\"{claim}\": {error}")]
    Party {
        /// Which of them.
        claim: &'static str,
        /// What is wrong with it.
        error: PartyError,
    },
    /// `attest` is not A, B or C (RFC 8588 section 4).
    #[error("\"attest\" is {0:?}, it must be A, B or C")]
    Attest(String),
    /// `origid` of a PASSporT that is to be signed is not a UUID (RFC 8588 section 5).
    #[error("\"origid\" is {0:?}, it must be a UUID")]
    OrigId(String),
    /// `opt` is not a PASSporT.
    #[error("\"opt\": {0}")]
    Nested(Box<PassportError>),
}

/// What a PASSporT says.
///
/// Only [`Claims::sign`] makes a token of it; what another party's token says is
/// read by [`UnverifiedPassport::parse`] and means nothing before it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who calls.
    pub orig: Party,
    /// Who is called.
    pub dest: Destinations,
    /// When it was signed.
    pub iat: UnixTime,
    /// Fingerprints of the media's keys, none if empty (RFC 8225 section 5.2.2).
    pub mky: Vec<MediaKey>,
    /// What kind of PASSporT it is, with the claims of that kind.
    pub extension: Extension,
    /// Claims that this code only carries: `rcd`, `crn` and whatever else. Names
    /// of the fields above are not looked up here and must not be put here.
    pub others: Map<String, Value>,
}

/// The extension that `ppt` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    /// No `ppt`: RFC 8225 alone.
    Base,
    /// `shaken`: a service provider vouches for the caller (RFC 8588).
    Shaken {
        /// How well it knows the caller.
        attest: Attestation,
        /// Names the origin of the call opaquely, for tracing.
        origid: OrigId,
    },
    /// `div`: the call was retargeted, by the party `div`, to `dest`; another
    /// PASSporT names the number that was called first (RFC 8946 section 4).
    Div {
        /// Who was called before.
        div: Party,
    },
    /// `div-o`: the same with that other PASSporT inside (RFC 8946 section 5).
    DivO {
        /// Who was called before.
        div: Party,
        /// The claim `opt`.
        opt: Box<UnverifiedPassport>,
    },
    /// `rcd`: what to show to the callee stands among [`Claims::others`] (RFC 9795).
    Rcd,
    /// Another one, such as `rph` (RFC 8443): who stores it passes it on as it came (RFC
    /// 8816 section 8.3), and no verifier here finds it good. Its claims stand among
    /// [`Claims::others`].
    Other(String),
}

impl Extension {
    /// The header parameter that names it.
    #[must_use]
    pub const fn ppt(&self) -> Option<&str> {
        match self {
            Self::Base => None,
            Self::Shaken { .. } => Some("shaken"),
            Self::Div { .. } => Some("div"),
            Self::DivO { .. } => Some("div-o"),
            Self::Rcd => Some("rcd"),
            Self::Other(ppt) => Some(ppt.as_str()),
        }
    }

    /// Who retargeted the call, if anybody did.
    #[must_use]
    pub const fn diverting_party(&self) -> Option<&Party> {
        match self {
            Self::Div { div } | Self::DivO { div, .. } => Some(div),
            Self::Base | Self::Shaken { .. } | Self::Rcd | Self::Other(_) => None,
        }
    }

    pub(super) const fn nested(&self) -> Option<&UnverifiedPassport> {
        match self {
            Self::DivO { opt, .. } => Some(opt),
            Self::Base | Self::Shaken { .. } | Self::Div { .. } | Self::Rcd | Self::Other(_) => {
                None
            }
        }
    }
}

/// How well the signer knows who calls (RFC 8588 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attestation {
    /// A: it knows the customer and its right to the number.
    Full,
    /// B: it knows the customer, not its right to the number.
    Partial,
    /// C: it knows only where the call entered its network.
    Gateway,
}

impl Attestation {
    /// The letter that stands in the token.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Full => "A",
            Self::Partial => "B",
            Self::Gateway => "C",
        }
    }
}

impl FromStr for Attestation {
    type Err = ClaimsError;

    fn from_str(letter: &str) -> Result<Self, ClaimsError> {
        match letter {
            "A" => Ok(Self::Full),
            "B" => Ok(Self::Partial),
            "C" => Ok(Self::Gateway),
            _ => Err(ClaimsError::Attest(letter.to_owned())),
        }
    }
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}

/// Characters of a UUID with its hyphens.
const UUID_SIZE: usize = 36;

/// An origination identifier. RFC 8588 section 5 wants a UUID, and so do we of ourselves;
/// the field also has other texts, which keep their spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrigId(String);

impl OrigId {
    /// A fresh random one (UUID version 4).
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrigId {
    type Err = ClaimsError;

    /// Takes a UUID and keeps its spelling.
    fn from_str(text: &str) -> Result<Self, ClaimsError> {
        match Uuid::try_parse(text) {
            Ok(_) if text.len() == UUID_SIZE => Ok(Self(text.to_owned())),
            _ => Err(ClaimsError::OrigId(text.chars().take(UUID_SIZE).collect())),
        }
    }
}

/// How a PASSporT is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// How many more may be nested in it.
    pub(super) levels_left: usize,
    /// Whether one of an unknown kind is read, too, to be passed on.
    pub(super) carries: bool,
}

/// A `token` of RFC 3261 section 25.1: what a SIP parameter is without quotes.
pub(super) fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// The fingerprint of a key that protects the media (RFC 8225 section 5.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaKey {
    /// The hash algorithm, for example `sha-256`.
    pub alg: String,
    /// The fingerprint in hexadecimal.
    pub dig: String,
}

impl Claims {
    pub(super) fn parse(
        ppt: Option<&str>,
        mut claims: ClaimSet,
        reading: Reading,
    ) -> Result<Self, PassportError> {
        // The extension is looked at first: a PASSporT of an unknown kind is
        // passed over, whatever else may be wrong with it.
        let extension = match ppt {
            None => Extension::Base,
            Some("shaken") => parse_shaken(&mut claims)?,
            Some("div") => Extension::Div {
                div: take_party(&mut claims, "div")?,
            },
            Some("div-o") => parse_div_o(&mut claims, reading)?,
            Some("rcd") => parse_rcd(&claims)?,
            Some(other) if reading.carries && is_token(other) => Extension::Other(other.to_owned()),
            Some(other) => return Err(PassportError::UnknownExtension(other.to_owned())),
        };
        Ok(Self {
            orig: take_party(&mut claims, "orig")?,
            dest: take_destinations(&mut claims)?,
            iat: claims.take_numeric_date("iat")?,
            mky: take_media_keys(&mut claims)?,
            extension,
            others: claims.into_rest(),
        })
    }

    /// The claims as a JSON object, the carried ones first so that they cannot
    /// stand in the place of the others.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut object = self.others.clone();
        let mut put = |claim: &str, value: Value| {
            object.insert(claim.to_owned(), value);
        };
        put("orig", self.orig.to_json());
        put("dest", self.dest.to_json());
        put("iat", json!(self.iat));
        if !self.mky.is_empty() {
            let keys = self.mky.iter();
            put(
                "mky",
                keys.map(|key| json!({"alg": key.alg, "dig": key.dig}))
                    .collect(),
            );
        }
        match &self.extension {
            Extension::Base | Extension::Rcd | Extension::Other(_) => {}
            Extension::Shaken { attest, origid } => {
                put("attest", json!(attest.letter()));
                put("origid", json!(origid.as_str()));
            }
            Extension::Div { div } => put("div", div.to_json()),
            Extension::DivO { div, opt } => {
                put("div", div.to_json());
                put("opt", json!(opt.as_str()));
            }
        }
        object
    }
}

fn parse_shaken(claims: &mut ClaimSet) -> Result<Extension, ClaimsError> {
    Ok(Extension::Shaken {
        attest: claims.take_string("attest")?.parse()?,
        origid: OrigId(claims.take_string("origid")?),
    })
}

fn parse_div_o(claims: &mut ClaimSet, reading: Reading) -> Result<Extension, PassportError> {
    let levels_left = reading.levels_left.checked_sub(1);
    let inside = Reading {
        levels_left: levels_left.ok_or(PassportError::NestedTooDeep)?,
        ..reading
    };
    let div = take_party(claims, "div")?;
    let opt = UnverifiedPassport::read(&claims.take_string("opt")?, inside);
    let opt = match opt {
        Err(PassportError::NestedTooDeep) => return Err(PassportError::NestedTooDeep),
        other => other.map_err(|error| ClaimsError::Nested(Box::new(error)))?,
    };
    Ok(Extension::DivO {
        div,
        opt: Box::new(opt),
    })
}

/// `rcd` must be there, an object, with a display name (RFC 9795 section 5.1.1).
fn parse_rcd(claims: &ClaimSet) -> Result<Extension, ClaimsError> {
    let mut rcd = claims.clone().take_object("rcd")?;
    rcd.take_string("nam")?;
    Ok(Extension::Rcd)
}

fn take_party(claims: &mut ClaimSet, claim: &'static str) -> Result<Party, ClaimsError> {
    Party::parse(claims.take_object(claim)?).map_err(|error| ClaimsError::Party { claim, error })
}

fn take_destinations(claims: &mut ClaimSet) -> Result<Destinations, ClaimsError> {
    let claim = "dest";
    Destinations::parse(claims.take_object(claim)?)
        .map_err(|error| ClaimsError::Party { claim, error })
}

fn take_media_keys(claims: &mut ClaimSet) -> Result<Vec<MediaKey>, ClaimsError> {
    let keys = claims.take_objects("mky")?.into_iter();
    let parse = |mut key: ClaimSet| {
        Ok(MediaKey {
            alg: key.take_string("alg")?,
            dig: key.take_string("dig")?,
        })
    };
    keys.map(parse).collect()
}
