//! Where others say that a directory of keys is: the CPS of some numbers, named by a
//! certificate (`cps_uri`) or by an advertisement (`advertisement`). **A hint is no address
//! and no authority**: it can be compared with CPSs that are known from elsewhere, and says
//! nothing of a key. Not here: which CPSs are known.

use super::certificate::Certificate;
use super::cps_uri::{CpsUriError, parse_cps_uris};
use super::hinted_cps::HintedCps;
use super::object_identifier::ObjectIdentifier;
use super::tn_auth_list::TnEntry;
use crate::numbering::NumberingTable;
use crate::telephone_number::TelephoneNumber;

/// What somebody says: the directory of these numbers is at one of these CPSs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryHint {
    /// Whose numbers; at least one entry.
    pub of: Vec<TnEntry>,
    /// The CPSs, the preferred one first; at least one.
    pub cpss: Vec<HintedCps>,
}

impl DirectoryHint {
    /// What a certificate says by the extension `oid`, if it has that and a TNAuthList. Nobody
    /// has checked the certificate, and nobody needs to: nothing follows from a hint.
    ///
    /// # Errors
    /// [`CpsUriError`].
    pub fn of_certificate(
        certificate: &Certificate,
        oid: &ObjectIdentifier,
    ) -> Result<Option<Self>, CpsUriError> {
        let extension = certificate.extension(oid.as_str());
        let (Some(value), Some(list)) = (extension, certificate.tn_auth_list()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            of: list.entries().to_vec(),
            cpss: parse_cps_uris(value)?,
        }))
    }

    /// How many numbers the narrowest entry has that covers `number`; nothing if none does.
    /// An SPC covers what `numbering` says that it holds, and comes after all ranges.
    #[must_use]
    pub fn breadth_for(
        &self,
        number: &TelephoneNumber,
        numbering: Option<&NumberingTable>,
    ) -> Option<u64> {
        let breadths = self.of.iter().filter_map(|entry| match entry {
            TnEntry::Numbers(range) => range.contains(number).then(|| range.count()),
            TnEntry::Spc(spc) => numbering?.holds(spc, number).then_some(u64::MAX),
        });
        breadths.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telephone_number::NumberRange;

    #[test]
    fn the_narrowest_entry_counts_and_an_spc_needs_a_table() {
        let range = |start: &str, count| {
            let start = start.parse().unwrap();
            TnEntry::Numbers(NumberRange::new(start, count).unwrap())
        };
        let hint = DirectoryHint {
            of: vec![
                TnEntry::Spc("683G".parse().unwrap()),
                range("12155550100", 100),
                range("12155550000", 1_000),
            ],
            cpss: vec!["https://cps.example".parse().unwrap()],
        };
        let table = NumberingTable::parse(b"spc,first,count\n683G,12155560000,10\n").unwrap();
        let breadth = |number: &str, table| hint.breadth_for(&number.parse().unwrap(), table);
        assert_eq!(breadth("12155550150", None), Some(100));
        assert_eq!(breadth("12155550250", None), Some(1_000));
        assert_eq!(breadth("12155560001", None), None);
        assert_eq!(breadth("12155560001", Some(&table)), Some(u64::MAX));
    }
}
