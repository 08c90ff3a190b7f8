//! A JSON object read strictly: no name twice at any depth (RFC 7515 section 4,
//! RFC 7519 section 4), and each member of the type that its claim must have.
//! What the claims mean stands with the tokens that carry them.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use pennyblack_base::time::UnixTime;

/// Most values that are read, at all depths together; a key record has ten. Anyone may
/// send a token, and a value of three bytes takes much longer to read than its bytes.
const MAX_VALUES: usize = 512;

/// JSON that is not an object, or a member of it that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Not one JSON object, or a name stands in it twice.
    #[error("not a JSON object with each name once: {0}")]
    Json(String),
    /// A member that must be there is not.
    #[error("\"{0}\" is missing")]
    Missing(&'static str),
    /// A member is of another JSON type. `iat` as a string ends here.
    #[error("\"{claim}\" must be {expected}, not {found}")]
    Type {
        /// The member's name.
        claim: &'static str,
        /// What it must be.
        expected: &'static str,
        /// The JSON type that it was.
        found: &'static str,
    },
}

/// The members of a JSON object, taken out one by one.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimSet(Map<String, Value>);

impl ClaimSet {
    /// Parses one JSON object and nothing after it.
    ///
    /// # Errors
    /// [`ClaimError::Json`].
    pub fn parse(json: &[u8]) -> Result<Self, ClaimError> {
        let room = Cell::new(MAX_VALUES);
        let mut reader = serde_json::Deserializer::from_slice(json);
        let read = EachNameOnce { room: &room }.deserialize(&mut reader);
        match read.and_then(|value| reader.end().map(|()| value)) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(other) => Err(ClaimError::Json(format!("it is {}", type_name(&other)))),
            Err(error) => Err(ClaimError::Json(error.to_string())),
        }
    }

    /// True when there is a member of this name.
    #[must_use]
    pub fn contains(&self, claim: &str) -> bool {
        self.0.contains_key(claim)
    }

    /// Takes a member that is a string.
    ///
    /// # Errors
    /// [`ClaimError::Missing`] or [`ClaimError::Type`].
    pub fn take_string(&mut self, claim: &'static str) -> Result<String, ClaimError> {
        self.take_optional_string(claim)?
            .ok_or(ClaimError::Missing(claim))
    }

    /// Takes a member that is a string, if it is there.
    ///
    /// # Errors
    /// [`ClaimError::Type`].
    pub fn take_optional_string(
        &mut self,
        claim: &'static str,
    ) -> Result<Option<String>, ClaimError> {
        match self.0.shift_remove(claim) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(claim, "a string", &other)),
        }
    }

    /// Takes a `NumericDate` of whole seconds (RFC 7519 section 2).
    ///
    /// # Errors
    /// [`ClaimError::Missing`] or [`ClaimError::Type`]; fractions and times
    /// before 1970 are refused.
    pub fn take_time(&mut self, claim: &'static str) -> Result<UnixTime, ClaimError> {
        self.take_whole_number(claim, "a number of whole seconds")
            .map(UnixTime)
    }

    /// Takes a `NumericDate` as other parties write it, which may have a fraction (RFC 7519
    /// section 2): the whole seconds of it.
    ///
    /// # Errors
    /// [`ClaimError::Missing`] or [`ClaimError::Type`]; times before 1970 are refused.
    pub fn take_numeric_date(&mut self, claim: &'static str) -> Result<UnixTime, ClaimError> {
        let member = self
            .0
            .shift_remove(claim)
            .ok_or(ClaimError::Missing(claim))?;
        let whole = match &member {
            Value::Number(number) => {
                let text = number.to_string();
                let whole = text
                    .split_once('.')
                    .map_or(text.as_str(), |(whole, _)| whole);
                whole.parse().ok()
            }
            _ => None,
        };
        whole
            .map(UnixTime)
            .ok_or_else(|| wrong_type(claim, "a number of seconds", &member))
    }

    /// Takes a whole number that is not negative.
    ///
    /// # Errors
    /// [`ClaimError::Missing`] or [`ClaimError::Type`].
    pub fn take_count(&mut self, claim: &'static str) -> Result<u64, ClaimError> {
        self.take_whole_number(claim, "a whole number")
    }

    /// Takes a member that is an object.
    ///
    /// # Errors
    /// [`ClaimError::Missing`] or [`ClaimError::Type`].
    pub fn take_object(&mut self, claim: &'static str) -> Result<Self, ClaimError> {
        match self.0.shift_remove(claim) {
            None => Err(ClaimError::Missing(claim)),
            Some(Value::Object(members)) => Ok(Self(members)),
            Some(other) => Err(wrong_type(claim, "an object", &other)),
        }
    }

    /// Takes a member that is an array of strings; none when it is not there.
    ///
    /// # Errors
    /// [`ClaimError::Type`], which a single string without its array is too.
    pub fn take_strings(&mut self, claim: &'static str) -> Result<Vec<String>, ClaimError> {
        let Some(member) = self.0.shift_remove(claim) else {
            return Ok(Vec::new());
        };
        let Value::Array(items) = member else {
            return Err(wrong_type(claim, "an array of strings", &member));
        };
        items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                other => Err(wrong_type(claim, "an array of strings alone", &other)),
            })
            .collect()
    }

    /// Takes a member that is an array of objects; none when it is not there.
    ///
    /// # Errors
    /// [`ClaimError::Type`].
    pub fn take_objects(&mut self, claim: &'static str) -> Result<Vec<Self>, ClaimError> {
        let Some(member) = self.0.shift_remove(claim) else {
            return Ok(Vec::new());
        };
        let Value::Array(items) = member else {
            return Err(wrong_type(claim, "an array of objects", &member));
        };
        items
            .into_iter()
            .map(|item| match item {
                Value::Object(members) => Ok(Self(members)),
                other => Err(wrong_type(claim, "an array of objects alone", &other)),
            })
            .collect()
    }

    /// The members that were not taken, in the order in which they came.
    #[must_use]
    pub fn into_rest(self) -> Map<String, Value> {
        self.0
    }

    /// Every member, as it stands.
    #[must_use]
    pub const fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    fn take_whole_number(
        &mut self,
        claim: &'static str,
        expected: &'static str,
    ) -> Result<u64, ClaimError> {
        let member = self
            .0
            .shift_remove(claim)
            .ok_or(ClaimError::Missing(claim))?;
        member
            .as_u64()
            .ok_or_else(|| wrong_type(claim, expected, &member))
    }
}

fn wrong_type(claim: &'static str, expected: &'static str, found: &Value) -> ClaimError {
    ClaimError::Type {
        claim,
        expected,
        found: type_name(found),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_u64() => "a number",
        Value::Number(_) => "a fraction or a negative number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Reads a JSON value in which no object names a member twice. `serde_json` by itself
/// keeps the last one, others the first: two readers would see two tokens.
#[derive(Clone, Copy)]
struct EachNameOnce<'a> {
    /// How many more values are read.
    room: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for EachNameOnce<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let more = || D::Error::custom(format_args!("it has more than {MAX_VALUES} values"));
        self.room
            .set(self.room.get().checked_sub(1).ok_or_else(more)?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EachNameOnce<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name:?} stands twice")));
            }
            let value = members.next_value_seed(self)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
