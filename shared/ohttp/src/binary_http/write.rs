//! Writing binary HTTP messages: every length in its shortest form, every part written
//! out, no padding.

use http::HeaderMap;
use pennyblack_base::wire::{put_varint, put_vec_varint};

use super::{Framing, Request, Response};

impl Request {
    /// The encoding, without padding.
    #[must_use]
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        let authority = self.authority.as_ref().map_or("", |host| host.as_str());
        let indicator = match framing {
            Framing::KnownLength => 0,
            Framing::IndeterminateLength => 2,
        };
        let mut out = vec![indicator];
        for part in [
            self.method.as_str(),
            self.scheme.as_str(),
            authority,
            self.path.as_str(),
        ] {
            put_vec_varint(&mut out, part.as_bytes());
        }
        put_section(&mut out, framing, &self.fields);
        put_content(&mut out, framing, &self.content);
        put_section(&mut out, framing, &self.trailers);
        out
    }
}

impl Response {
    /// The encoding, without padding.
    #[must_use]
    pub fn encode(&self, framing: Framing) -> Vec<u8> {
        let indicator = match framing {
            Framing::KnownLength => 1,
            Framing::IndeterminateLength => 3,
        };
        let mut out = Vec::with_capacity(self.content.len() + 1024);
        out.push(indicator);
        put_varint(&mut out, u64::from(self.status.as_u16()));
        put_section(&mut out, framing, &self.fields);
        put_content(&mut out, framing, &self.content);
        put_section(&mut out, framing, &self.trailers);
        out
    }
}

fn put_section(out: &mut Vec<u8>, framing: Framing, fields: &HeaderMap) {
    let mut lines = Vec::new();
    for (name, value) in fields {
        put_vec_varint(&mut lines, name.as_str().as_bytes());
        put_vec_varint(&mut lines, value.as_bytes());
    }
    match framing {
        Framing::KnownLength => put_vec_varint(out, &lines),
        Framing::IndeterminateLength => {
            out.append(&mut lines);
            out.push(0);
        }
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
