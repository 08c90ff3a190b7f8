//! The members of a request, read one by one from JSON or a form, with a limit for each.
//! `null` and an absent member are the same: switches write what their scripts have. Not
//! here: which members a request has.

use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::ClaimSet;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Most bytes of a text that names no limit of its own.
pub(super) const MAX_TEXT: usize = 512;

/// The members of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Members(Map<String, Value>);

impl Members {
    /// Reads one JSON object. No name may stand in it twice, and it has a limited number of
    /// values, at a limited depth.
    pub(crate) fn of_json(json: &[u8]) -> Result<Self, Refusal> {
        let read = ClaimSet::parse(json).map_err(|error| Refusal::Unreadable(error.to_string()))?;
        Ok(Self(read.into_rest()))
    }

    pub(super) const fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let value = self.0.shift_remove(name)?;
        (!value.is_null()).then_some(value)
    }

    /// Takes an object.
    pub(super) fn object(&mut self, name: &'static str) -> Result<Option<Self>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self(members))),
            Some(_) => Err(Refusal::invalid(name, "must be an object")),
        }
    }

    /// Takes a text; an empty one counts as absent.
    pub(crate) fn text(
        &mut self,
        name: &'static str,
        max: usize,
    ) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => Ok(not_empty(one_text(name, value, max)?)),
        }
    }

    /// Takes a list of texts, or one text in place of a list; empty ones count as absent.
    pub(super) fn texts(
        &mut self,
        name: &'static str,
        max: usize,
        max_count: usize,
    ) -> Result<Vec<String>, Refusal> {
        let values = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        if values.len() > max_count {
            let reason = format!("has more than {max_count} values");
            return Err(Refusal::invalid(name, reason));
        }
        let texts = values.into_iter().map(|value| one_text(name, value, max));
        let texts: Vec<_> = texts.collect::<Result<_, _>>()?;
        Ok(texts.into_iter().filter_map(not_empty).collect())
    }

    /// Takes a time in whole seconds, positive. A form has it as digits, and so do some
    /// peers in JSON.
    pub(super) fn time(&mut self, name: &'static str) -> Result<Option<UnixTime>, Refusal> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let seconds = match &value {
            Value::String(digits) if digits.len() < 12 => digits.parse().ok(),
            other => other.as_u64(),
        };
        match seconds.filter(|seconds| *seconds > 0) {
            Some(seconds) => Ok(Some(UnixTime(seconds))),
            None => Err(Refusal::invalid(
                name,
                "must be a positive whole number of seconds",
            )),
        }
    }
}

fn one_text(name: &'static str, value: Value, max: usize) -> Result<String, Refusal> {
    let Value::String(text) = value else {
        return Err(Refusal::invalid(name, "must be a text"));
    };
    if text.len() > max {
        let reason = format!("has more than {max} bytes");
        return Err(Refusal::invalid(name, reason));
    }
    if text.contains(char::is_control) {
        return Err(Refusal::invalid(name, "has control characters"));
    }
    Ok(text)
}

fn not_empty(text: String) -> Option<String> {
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(json: &str) -> Members {
        Members::of_json(json.as_bytes()).unwrap()
    }

    fn id<T: std::fmt::Debug>(read: Result<T, Refusal>) -> &'static str {
        read.unwrap_err().id()
    }

    #[test]
    fn json_that_is_none_or_too_much_is_refused() {
        let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
        let nested = format!("{{\"a\":{}1{}}}", "{\"a\":".repeat(500), "}".repeat(500));
        let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(20_000));
        let twice = "{\"a\":1,\"a\":2}";
        for json in [
            "",
            "{\"signingRequest\":",
            "[]",
            "NaN",
            "{} {}",
            "{\"a\":NaN}",
            twice,
        ] {
            assert_eq!(id(Members::of_json(json.as_bytes())), "SVC4006", "{json}");
        }
        for bomb in [&deep, &nested, &wide] {
            assert_eq!(id(Members::of_json(bomb.as_bytes())), "SVC4006");
        }
    }

    #[test]
    fn null_and_empty_texts_are_as_good_as_absent() {
        let mut read = members(r#"{"a":null,"b":"","c":" ","d":[""],"e":"x"}"#);
        for name in ["a", "b", "c", "z"] {
            assert_eq!(read.text(name, 9), Ok(None), "{name}");
        }
        assert_eq!(read.texts("d", 9, 9), Ok(Vec::new()));
        assert_eq!(read.text("e", 9), Ok(Some("x".to_owned())));
    }

    #[test]
    fn a_value_of_another_type_or_size_is_named() {
        for json in [
            r#"{"a":1}"#,
            r#"{"a":true}"#,
            r#"{"a":{}}"#,
            r#"{"a":"0123456789"}"#,
            r#"{"a":"x\r\ny"}"#,
        ] {
            assert_eq!(id(members(json).text("a", 9)), "SVC4005", "{json}");
        }
        assert_eq!(id(members(r#"{"a":["b",1]}"#).texts("a", 9, 9)), "SVC4005");
        assert_eq!(
            id(members(r#"{"a":["b","c"]}"#).texts("a", 9, 1)),
            "SVC4005"
        );
        assert_eq!(id(members(r#"{"a":"b"}"#).object("a")), "SVC4005");
    }

    #[test]
    fn a_time_is_a_positive_whole_number() {
        for good in ["1443208345", "\"1443208345\""] {
            let json = format!("{{\"iat\":{good}}}");
            assert_eq!(
                members(&json).time("iat"),
                Ok(Some(UnixTime(1_443_208_345)))
            );
        }
        for bad in [
            "-1", "0", "1.5", "1e100", "\"x\"", "\"\"", "[]", "true", "\"+1 \"",
        ] {
            let json = format!("{{\"iat\":{bad}}}");
            assert_eq!(id(members(&json).time("iat")), "SVC4005", "{bad}");
        }
    }
}
