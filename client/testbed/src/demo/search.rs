//! A search for what must not be there, in all forms in which it could stand there. Not
//! here: what is searched for, and where.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use aho_corasick::AhoCorasick;
use pennyblack_base::encoding::base64url;

use super::{DemoError, WhileDoing as _};

/// So many bytes do not stand in random ones by chance. Fewer do now and then, and not twice.
const CERTAIN: usize = 8;

/// What must not be there.
#[derive(Debug, Default)]
pub(super) struct Needles {
    names: Vec<String>,
    forms: Vec<Vec<u8>>,
    /// Whose each form is, by its place among the names.
    of: Vec<usize>,
}

impl Needles {
    /// Adds a text, which would be written as it is.
    pub(super) fn text(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.add(&text, [text.clone().into_bytes()]);
    }

    /// Adds an address: as text, as four bytes, and as these in hexadecimal.
    pub(super) fn address(&mut self, address: Ipv4Addr) {
        let (text, octets) = (address.to_string(), address.octets());
        let hexadecimal = hex::encode(octets).into_bytes();
        let forms = [text.clone().into_bytes(), octets.to_vec(), hexadecimal];
        self.add(&text, forms);
    }

    /// Adds an identifier: as it is, in hexadecimal, and in base64url.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let text = base64url(bytes);
        let hexadecimal = hex::encode(bytes).into_bytes();
        let forms = [text.clone().into_bytes(), bytes.to_vec(), hexadecimal];
        self.add(&text, forms);
    }

    fn add<const N: usize>(&mut self, name: &str, forms: [Vec<u8>; N]) {
        self.of.extend([self.names.len(); N]);
        self.names.push(name.to_owned());
        self.forms.extend(forms);
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.names.len()
    }

    /// Those that stand somewhere in `places`.
    pub(super) fn found_in<'a>(
        &self,
        places: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<String>, DemoError> {
        let search = AhoCorasick::new(&self.forms).during("preparing a search")?;
        let (mut once, mut found) = (BTreeSet::new(), BTreeSet::<usize>::new());
        for place in places {
            for hit in search.find_overlapping_iter(place) {
                let form = hit.pattern();
                if hit.len() >= CERTAIN || !once.insert(form) {
                    found.extend(self.of.get(form.as_usize()));
                }
            }
        }
        let names = found.into_iter().filter_map(|place| self.names.get(place));
        Ok(names.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a place that has `planted` so many times among random bytes.
    fn found(planted: &[u8], times: usize) -> Vec<String> {
        let mut needles = Needles::default();
        needles.text("683G");
        needles.text("12155550100");
        needles.address(Ipv4Addr::new(127, 1, 0, 11));
        needles.bytes(&[0xa5; 32]);
        let random: Vec<u8> = (0..4096).map(|_| rand::random()).collect();
        let planted = planted.repeat(times);
        let found = needles.found_in([&random[..], &[], &planted]);
        found.unwrap()
    }

    #[test]
    fn each_thing_is_found_in_each_form_and_nothing_is_found_in_random_bytes() {
        let none = Vec::<String>::new();
        assert_eq!(found(b"127.0.0.1 and 12155550101 and 683F", 3), none);
        assert_eq!(found(b"called: 12155550100", 1), ["12155550100"]);
        for address in [&b"peer=127.1.0.11:4711"[..], b"7f01000b"] {
            assert_eq!(found(address, 1), ["127.1.0.11"]);
        }
        let mailbox = base64url(&[0xa5; 32]);
        for form in [
            mailbox.clone().into_bytes(),
            vec![0xa5; 32],
            "a5".repeat(32).into_bytes(),
        ] {
            assert_eq!(found(&form, 1), std::slice::from_ref(&mailbox));
        }
    }

    #[test]
    fn four_bytes_are_found_when_they_stand_there_twice() {
        for (short, name) in [(&b"683G"[..], "683G"), (&[127, 1, 0, 11], "127.1.0.11")] {
            assert_eq!(found(short, 1), Vec::<String>::new());
            assert_eq!(found(short, 2), [name]);
        }
    }
}
