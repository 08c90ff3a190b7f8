//! Reading binary HTTP messages. Nothing is allocated for a length before that many bytes
//! are seen to be there.

use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pennyblack_base::wire::Reader;

use super::{BinaryHttpError, Framing, Request, Response, Rules};

impl Request {
    /// Reads a request, with any zeros after it.
    ///
    /// # Errors
    /// [`BinaryHttpError`].
    pub fn parse(bytes: &[u8], rules: Rules) -> Result<Self, BinaryHttpError> {
        let mut message = MessageReader::new(bytes, rules)?;
        message.framing = match message.reader.any_varint()? {
            0 => Framing::KnownLength,
            2 => Framing::IndeterminateLength,
            actual => {
                let expected = "a request has 0 or 2";
                return Err(BinaryHttpError::Framing { actual, expected });
            }
        };
        let method = Method::from_bytes(message.reader.vec_any_varint()?)
            .map_err(|_| BinaryHttpError::Method)?;
        let scheme = read_scheme(message.reader.vec_any_varint()?)?;
        let authority = read_authority(message.reader.vec_any_varint()?)?;
        let path = read_path(message.reader.vec_any_varint()?)?;
        let (fields, content, trailers) = message.parts()?;
        let request = Self {
            method,
            scheme,
            authority,
            path,
            fields,
            content,
            trailers,
        };
        request.require_one_host()?;
        request.require_true_length()?;
        Ok(request)
    }

    /// RFC 9113 section 8.3.1: `host` says what `:authority` says.
    fn require_one_host(&self) -> Result<(), BinaryHttpError> {
        let mut hosts = self.fields.get_all(HOST).iter();
        let Some(host) = hosts.next() else {
            return Ok(());
        };
        let agrees = match &self.authority {
            Some(authority) => authority.as_str().as_bytes() == host.as_bytes(),
            None => Authority::try_from(host.as_bytes()).is_ok(),
        };
        if agrees && hosts.next().is_none() {
            Ok(())
        } else {
            Err(BinaryHttpError::Host)
        }
    }

    /// RFC 9113 section 8.1.1: `content-length`, if it is there, counts the content.
    fn require_true_length(&self) -> Result<(), BinaryHttpError> {
        let mut lengths = self.fields.get_all(CONTENT_LENGTH).iter();
        let Some(length) = lengths.next() else {
            return Ok(());
        };
        if length.as_bytes() == self.content.len().to_string().as_bytes()
            && lengths.next().is_none()
        {
            Ok(())
        } else {
            Err(BinaryHttpError::ContentLength)
        }
    }
}

impl Response {
    /// Reads a response, with any zeros after it.
    ///
    /// # Errors
    /// [`BinaryHttpError`].
    pub fn parse(bytes: &[u8], rules: Rules) -> Result<Self, BinaryHttpError> {
        let mut message = MessageReader::new(bytes, rules)?;
        message.framing = match message.reader.any_varint()? {
            1 => Framing::KnownLength,
            3 => Framing::IndeterminateLength,
            actual => {
                let expected = "a response has 1 or 3";
                return Err(BinaryHttpError::Framing { actual, expected });
            }
        };
        let status = read_status(message.reader.any_varint()?)?;
        let (fields, content, trailers) = message.parts()?;
        Ok(Self {
            status,
            fields,
            content,
            trailers,
        })
    }
}

/// RFC 3986 section 3.1. The library reads an empty one, too.
fn read_scheme(bytes: &[u8]) -> Result<Scheme, BinaryHttpError> {
    if !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
        return Err(BinaryHttpError::Scheme);
    }
    Scheme::try_from(bytes).map_err(|_| BinaryHttpError::Scheme)
}

fn read_authority(bytes: &[u8]) -> Result<Option<Authority>, BinaryHttpError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let authority = Authority::try_from(bytes).map_err(|_| BinaryHttpError::Authority)?;
    // RFC 9113 section 8.3.1: no user.
    if authority.as_str().contains('@') {
        return Err(BinaryHttpError::Authority);
    }
    Ok(Some(authority))
}

/// The library cuts a fragment off, and completes what does not begin with `/`.
fn read_path(bytes: &[u8]) -> Result<PathAndQuery, BinaryHttpError> {
    let path = PathAndQuery::try_from(bytes).map_err(|_| BinaryHttpError::Path)?;
    if path.as_str().as_bytes() == bytes && bytes.starts_with(b"/") {
        Ok(path)
    } else {
        Err(BinaryHttpError::Path)
    }
}

fn read_status(status: u64) -> Result<StatusCode, BinaryHttpError> {
    let refused = match status {
        100..=199 => BinaryHttpError::Informational(status),
        _ => BinaryHttpError::Status(status),
    };
    match u16::try_from(status) {
        Ok(final_status @ 200..=599) => StatusCode::from_u16(final_status).map_err(|_| refused),
        _ => Err(refused),
    }
}

/// What a request and a response have in common: all that follows the control data.
struct MessageReader<'a> {
    reader: Reader<'a>,
    framing: Framing,
    rules: Rules,
}

type Parts = (HeaderMap, Vec<u8>, HeaderMap);

impl<'a> MessageReader<'a> {
    const fn new(bytes: &'a [u8], rules: Rules) -> Result<Self, BinaryHttpError> {
        if bytes.len() > rules.max_size {
            return Err(BinaryHttpError::TooLong {
                actual: bytes.len(),
                max: rules.max_size,
            });
        }
        Ok(Self {
            reader: Reader::new(bytes),
            framing: Framing::KnownLength,
            rules,
        })
    }

    /// Header section, content and trailer section, and that only zeros follow them. Each
    /// is empty if the message ends before it (RFC 9292 section 3.8).
    fn parts(mut self) -> Result<Parts, BinaryHttpError> {
        let fields = self.section()?;
        let content = self.content()?;
        let trailers = self.section()?;
        if !self.rules.trailers && !trailers.is_empty() {
            return Err(BinaryHttpError::Trailers);
        }
        // All bytes in one, which takes a thirtieth of the time of looking at each: most of a
        // request is padding.
        let padding = self.reader.rest().iter().fold(0, |all, byte| all | byte);
        if padding != 0 {
            return Err(BinaryHttpError::Padding);
        }
        Ok((fields, content, trailers))
    }

    fn section(&mut self) -> Result<HeaderMap, BinaryHttpError> {
        let mut fields = HeaderMap::new();
        if self.reader.is_empty() {
            return Ok(fields);
        }
        match self.framing {
            Framing::KnownLength => {
                let mut section = Reader::new(self.reader.vec_any_varint()?);
                while !section.is_empty() {
                    let name = section.vec_any_varint()?;
                    self.add(&mut fields, name, section.vec_any_varint()?)?;
                }
            }
            Framing::IndeterminateLength => loop {
                let name = self.reader.vec_any_varint()?;
                if name.is_empty() {
                    break;
                }
                let value = self.reader.vec_any_varint()?;
                self.add(&mut fields, name, value)?;
            },
        }
        Ok(fields)
    }

    fn add(
        &self,
        fields: &mut HeaderMap,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), BinaryHttpError> {
        let number = fields.len() + 1;
        if number > self.rules.max_fields {
            return Err(BinaryHttpError::TooManyFields(self.rules.max_fields));
        }
        let name =
            HeaderName::from_lowercase(name).map_err(|_| BinaryHttpError::FieldName(number))?;
        let refused = BinaryHttpError::FieldValue(number);
        if is_white(value.first()) || is_white(value.last()) {
            return Err(refused);
        }
        let value = HeaderValue::from_bytes(value).map_err(|_| refused)?;
        fields
            .try_append(name, value)
            .map_err(|_| BinaryHttpError::TooManyFields(self.rules.max_fields))?;
        Ok(())
    }

    fn content(&mut self) -> Result<Vec<u8>, BinaryHttpError> {
        if self.reader.is_empty() {
            return Ok(Vec::new());
        }
        match self.framing {
            Framing::KnownLength => Ok(self.reader.vec_any_varint()?.to_vec()),
            Framing::IndeterminateLength => {
                let mut content = Vec::new();
                loop {
                    let chunk = self.reader.vec_any_varint()?;
                    if chunk.is_empty() {
                        return Ok(content);
                    }
                    content.extend_from_slice(chunk);
                }
            }
        }
    }
}

/// RFC 9113 section 8.2.1.
const fn is_white(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b' ' | b'\t'))
}
