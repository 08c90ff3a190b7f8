//! Header fields that decide whether a request is granted: each at most once, and in
//! ASCII. A proxy may join two values to a third, or act on one while this service acts
//! on the other.

use http::HeaderMap;
use http::header::IF_NONE_MATCH;

/// Characters of a media type that an error quotes.
const MAX_QUOTED: usize = 80;

/// A header field that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Which of its values counts is not for this service to choose.
    #[error("the request has more than one {0} header: send one")]
    Repeated(&'static str),
    /// A character that no field of the protocol has.
    #[error("the {0} header has characters that are not printable ASCII")]
    NotAscii(&'static str),
}

/// A `Content-Type` that a path does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentTypeError {
    /// It cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// There is none.
    #[error("the request has no Content-Type header")]
    Missing,
    /// It is another one.
    #[error("the media type is {0:?}")]
    Other(String),
}

/// The value of a header field that may occur once; nothing when it is not there.
///
/// # Errors
/// [`HeaderError`].
pub fn at_most_one<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a str>, HeaderError> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(HeaderError::Repeated(name)),
        (Some(value), None) => match value.to_str() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(HeaderError::NotAscii(name)),
        },
    }
}

/// Whether the client has the content of this tag already: `If-None-Match` (RFC 9110 section
/// 13.1.2) is `*`, or a list of tags with it, weak ones included.
#[must_use]
pub fn has_tag(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter();
    let tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    tags.map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// What stands in `accepted` beside the media type of the request; parameters and case do
/// not count.
///
/// # Errors
/// [`ContentTypeError`].
pub fn content_type<T: Copy>(
    headers: &HeaderMap,
    accepted: &[(&str, T)],
) -> Result<T, ContentTypeError> {
    let value = at_most_one(headers, "Content-Type")?.ok_or(ContentTypeError::Missing)?;
    let media_type = value.split(';').next().unwrap_or_default().trim();
    accepted
        .iter()
        .find(|(name, _)| media_type.eq_ignore_ascii_case(name))
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| ContentTypeError::Other(media_type.chars().take(MAX_QUOTED).collect()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static [u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("content-type", HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn accept(values: &[&'static [u8]]) -> Result<u8, ContentTypeError> {
        content_type(&headers(values), &[("text/one", 1), ("text/two", 2)])
    }

    #[test]
    fn a_field_is_there_once_or_not_at_all() {
        let one = |values: &[&'static [u8]]| {
            at_most_one(&headers(values), "Content-Type").map(|value| value.map(str::to_owned))
        };
        assert_eq!(one(&[]), Ok(None));
        assert_eq!(one(&[b"a"]), Ok(Some("a".to_owned())));
        let repeated = Err(HeaderError::Repeated("Content-Type"));
        assert_eq!(one(&[b"a", b"b"]), repeated);
        assert_eq!(one(&[b"a", b"a"]), repeated);
    }

    #[test]
    fn a_field_that_is_not_ascii_is_told_so_and_not_that_it_is_repeated() {
        let refused = at_most_one(&headers(&["é".as_bytes()]), "Content-Type").unwrap_err();
        assert_eq!(refused, HeaderError::NotAscii("Content-Type"));
        let sentence = refused.to_string();
        assert!(sentence.contains("Content-Type") && sentence.contains("ASCII"));
        assert!(!sentence.contains("one"), "{sentence}");
    }

    #[test]
    fn a_media_type_counts_without_case_and_parameters() {
        assert_eq!(accept(&[b"text/one"]), Ok(1));
        assert_eq!(accept(&[b"Text/TWO ; charset=utf-8"]), Ok(2));
        assert_eq!(accept(&[]), Err(ContentTypeError::Missing));
        let other = accept(&[b"text/three"]).unwrap_err();
        assert!(other.to_string().contains("text/three"));
        let repeated = HeaderError::Repeated("Content-Type").into();
        assert_eq!(accept(&[b"text/one", b"text/two"]), Err(repeated));
    }

    #[test]
    fn of_a_long_media_type_only_the_beginning_is_quoted() {
        let long: &'static [u8] = &[b'x'; 4096];
        let Err(ContentTypeError::Other(quoted)) = accept(&[long]) else {
            panic!("a media type of one letter was accepted");
        };
        assert_eq!(quoted.len(), MAX_QUOTED);
    }
}
