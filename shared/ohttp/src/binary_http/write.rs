//! Writing binary HTTP messages: every length in its shortest form, every part written
//! out. **A message is written into memory that was allocated for all of it**: what a buffer
//! that grows leaves behind is not zeroized.

use http::HeaderMap;
use pennyblack_base::wire::{put_varint, put_vec_varint};
use zeroize::Zeroizing;

use super::{Framing, Request, Response};

impl Request {
    /// The encoding, without padding.
    #[must_use]
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_size());
        self.write(framing, &mut out);
        out
    }

    /// Bytes of the encoding with known length.
    #[must_use]
    pub fn encoded_size(&self) -> usize {
        let control = self.control().map(|part| vec_size(part.len()));
        let (fields, trailers) = (lines_size(&self.fields), lines_size(&self.trailers));
        let rest = [fields, self.content.len(), trailers].map(vec_size);
        1 + control.iter().chain(&rest).sum::<usize>()
    }

    /// The encoding with known length, padded to `size` bytes, unless it is longer.
    pub(crate) fn encode_padded(&self, size: usize) -> Zeroizing<Vec<u8>> {
        padded(size, |out| self.write(Framing::KnownLength, out))
    }

    fn control(&self) -> [&str; 4] {
        let authority = self.authority.as_ref().map_or("", |host| host.as_str());
        [
            self.method.as_str(),
            self.scheme.as_str(),
            authority,
            self.path.as_str(),
        ]
    }

    fn write(&self, framing: Framing, out: &mut Vec<u8>) {
        out.push(match framing {
            Framing::KnownLength => 0,
            Framing::IndeterminateLength => 2,
        });
        for part in self.control() {
            put_vec_varint(out, part.as_bytes());
        }
        put_section(out, framing, &self.fields);
        put_content(out, framing, &self.content);
        put_section(out, framing, &self.trailers);
    }
}

impl Response {
    /// The encoding, without padding.
    #[must_use]
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_size());
        self.write(framing, &mut out);
        out
    }

    /// Bytes of the encoding with known length.
    #[must_use]
    pub fn encoded_size(&self) -> usize {
        let (fields, trailers) = (lines_size(&self.fields), lines_size(&self.trailers));
        let rest = [fields, self.content.len(), trailers].map(vec_size);
        1 + varint_size(self.status.as_u16().into()) + rest.iter().sum::<usize>()
    }

    /// The encoding with known length, padded to `size` bytes, unless it is longer.
    pub(crate) fn encode_padded(&self, size: usize) -> Zeroizing<Vec<u8>> {
        padded(size, |out| self.write(Framing::KnownLength, out))
    }

    fn write(&self, framing: Framing, out: &mut Vec<u8>) {
        out.push(match framing {
            Framing::KnownLength => 1,
            Framing::IndeterminateLength => 3,
        });
        put_varint(out, u64::from(self.status.as_u16()));
        put_section(out, framing, &self.fields);
        put_content(out, framing, &self.content);
        put_section(out, framing, &self.trailers);
    }
}

fn padded(size: usize, write: impl FnOnce(&mut Vec<u8>)) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    write(&mut out);
    if out.len() < size {
        out.resize(size, 0);
    }
    out
}

fn varint_size(value: usize) -> usize {
    let mut out = Vec::with_capacity(8);
    put_varint(&mut out, value as u64);
    out.len()
}

/// Bytes of so many with their length in front.
fn vec_size(bytes: usize) -> usize {
    varint_size(bytes) + bytes
}

/// Bytes of field lines.
fn lines_size(fields: &HeaderMap) -> usize {
    let lines = fields.iter();
    lines
        .map(|(name, value)| vec_size(name.as_str().len()) + vec_size(value.len()))
        .sum()
}

fn put_section(out: &mut Vec<u8>, framing: Framing, fields: &HeaderMap) {
    if framing == Framing::KnownLength {
        put_varint(out, lines_size(fields) as u64);
    }
    for (name, value) in fields {
        put_vec_varint(out, name.as_str().as_bytes());
        put_vec_varint(out, value.as_bytes());
    }
    if framing == Framing::IndeterminateLength {
        out.push(0);
    }
}

fn put_content(out: &mut Vec<u8>, framing: Framing, content: &[u8]) {
    // An empty chunk would be the terminator.
    if framing == Framing::KnownLength || !content.is_empty() {
        put_vec_varint(out, content);
    }
    if framing == Framing::IndeterminateLength {
        out.push(0);
    }
}
