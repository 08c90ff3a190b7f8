//! A request as a form, as Asterisk's `CURL()` posts it: `signingRequest[orig][tn]=…`, with
//! brackets raw or escaped, becomes the members that JSON would have. Not here: what they
//! mean.

use serde_json::{Map, Value};

use super::members::Members;
use super::refusal::Refusal;

/// Most fields of a form, and the most levels of brackets.
const MAX_FIELDS: usize = 64;
const MAX_LEVELS: usize = 6;

/// Reads a form. A field that stands there twice becomes a list.
pub(crate) fn read(body: &[u8]) -> Result<Members, Refusal> {
    let mut all = Map::new();
    for (number, (key, value)) in form_urlencoded::parse(body).enumerate() {
        if number >= MAX_FIELDS {
            let reason = format!("the form has more than {MAX_FIELDS} fields");
            return Err(Refusal::Unreadable(reason));
        }
        let path: Vec<_> = key
            .split(['[', ']'])
            .filter(|part| !part.is_empty())
            .collect();
        if path.len() > MAX_LEVELS {
            let reason = format!("a field has more than {MAX_LEVELS} levels");
            return Err(Refusal::Unreadable(reason));
        }
        put(&mut all, &path, value.into_owned())?;
    }
    Ok(Members::new(all))
}

fn put(object: &mut Map<String, Value>, path: &[&str], text: String) -> Result<(), Refusal> {
    let ambiguous = || Refusal::Unreadable("a field is both a text and a group".to_owned());
    let Some((first, rest)) = path.split_first() else {
        return Ok(());
    };
    if !rest.is_empty() {
        let group = object.entry(*first).or_insert_with(|| Map::new().into());
        let Value::Object(group) = group else {
            return Err(ambiguous());
        };
        return put(group, rest, text);
    }
    match object.get_mut(*first) {
        None => {
            object.insert((*first).to_owned(), text.into());
        }
        Some(Value::Array(texts)) => texts.push(text.into()),
        Some(Value::Object(_)) => return Err(ambiguous()),
        Some(one) => *one = Value::Array(vec![one.take(), text.into()]),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_groups_raw_or_escaped() {
        let expected = Members::of_json(
            br#"{"signingRequest":{"orig":{"tn":"+17325551000"},"dest":{"tn":"12155550100"}},"api_key":"k"}"#,
        );
        for form in [
            "signingRequest[orig][tn]=%2B17325551000&signingRequest[dest][tn]=12155550100&api_key=k",
            "signingRequest%5Borig%5D%5Btn%5D=%2B17325551000&signingRequest%5Bdest%5D%5Btn%5D=12155550100&api_key=k",
        ] {
            assert_eq!(read(form.as_bytes()), expected, "{form}");
        }
    }

    #[test]
    fn a_field_that_stands_twice_is_a_list() {
        let expected = Members::of_json(br#"{"a":{"tn":["1","2","3"]}}"#);
        assert_eq!(read(b"a[tn]=1&a[tn][]=2&a[tn]=3"), expected);
    }

    #[test]
    fn a_form_that_is_ambiguous_or_too_much_is_refused() {
        let many = "a=1&".repeat(MAX_FIELDS + 1);
        let deep = format!("a{}=1", "[b]".repeat(MAX_LEVELS));
        for form in ["a=1&a[b]=2", "a[b]=2&a=1", &many, &deep] {
            assert_eq!(read(form.as_bytes()).unwrap_err().id(), "SVC4006", "{form}");
        }
    }

    #[test]
    fn bytes_that_are_no_form_make_members_of_their_own_and_no_panic() {
        for form in [
            &b"\xff\xfe=\xff"[..],
            b"[[[",
            b"=",
            b"&&&",
            b"]=[",
            b"%",
            b"a[=1",
        ] {
            read(form).unwrap();
        }
    }
}
