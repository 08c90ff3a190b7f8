//! Whom a record concerns: whether somebody else's covers numbers that are watched. Not here: what
//! is told of it.

use std::collections::HashSet;

use pennyblack_base::encoding;
use pennyblack_protocol::key_record::{Coverage, KeyRecord};
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_stir::Spc;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::NumberRange;

/// Numbers that are watched, and whose records are right.
#[derive(Debug, Clone, Default)]
pub struct NumberWatch {
    /// Numbers.
    pub numbers: Vec<NumberRange>,
    /// All numbers of these SPCs.
    pub spcs: Vec<Spc>,
    /// The mailboxes that answer for them.
    pub mine: HashSet<MailboxId>,
    /// Who may sign their records; anyone, if none is named: a record of one's own mailbox by
    /// another signer misleads nobody, but to which CPSs.
    pub signers: Vec<String>,
    /// Which numbers an SPC holds.
    pub numbering: Option<NumberingTable>,
}

impl NumberWatch {
    /// The purpose of a file that this watch has for itself: another one for other numbers, or
    /// other mailboxes that are right.
    #[must_use]
    pub fn purpose(&self) -> String {
        let numbers = self
            .numbers
            .iter()
            .map(|numbers| format!("numbers {numbers}"));
        let spcs = self.spcs.iter().map(|spc| format!("spc {spc}"));
        let mine = self.mine.iter().map(|mailbox| format!("mine {mailbox}"));
        let signers = self.signers.iter().map(|signer| format!("by {signer}"));
        let mut all: Vec<_> = numbers.chain(spcs).chain(mine).chain(signers).collect();
        all.sort();
        let digest = encoding::sha256(all.join("\n").as_bytes());
        format!("watch {}", encoding::base64url(&digest))
    }

    /// Whether a record is somebody else's and claims to answer for a watched number. **Whether
    /// it can be verified here does not matter**: others may have other roots and tables.
    #[must_use]
    pub fn concerns(&self, record: &KeyRecord) -> bool {
        !self.is_mine(record) && self.covers(&record.coverage)
    }

    fn is_mine(&self, record: &KeyRecord) -> bool {
        let signers = &self.signers;
        let is_signer = |signer: &String| signer.eq_ignore_ascii_case(&record.iss);
        self.mine.contains(&record.key.mailbox())
            && (signers.is_empty() || signers.iter().any(is_signer))
    }

    fn covers(&self, coverage: &Coverage) -> bool {
        let claimed = match coverage {
            Coverage::Number(number) => vec![number.clone().into()],
            Coverage::Range(range) => vec![range.clone()],
            Coverage::Spc(spc) if self.spcs.contains(spc) => return true,
            Coverage::Spc(spc) => self.held_by(spc),
        };
        let held = self.spcs.iter().flat_map(|spc| self.held_by(spc));
        let watched: Vec<_> = self.numbers.iter().cloned().chain(held).collect();
        let meets = |one: &NumberRange| watched.iter().any(|other| overlap(one, other));
        claimed.iter().any(meets)
    }

    fn held_by(&self, spc: &Spc) -> Vec<NumberRange> {
        let table = self.numbering.as_ref();
        table.map_or_else(Vec::new, |table| table.held_by(spc))
    }
}

fn overlap(one: &NumberRange, other: &NumberRange) -> bool {
    one.contains(other.start()) || other.contains(one.start())
}

#[cfg(test)]
mod tests {
    use pennyblack_base::time::UnixTime;
    use pennyblack_protocol::key_record::Placement;
    use pennyblack_sealing::mailbox::{Kem, KeyConfig, RecipientKey};

    use super::*;

    fn key() -> KeyConfig {
        let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
        key.config().clone()
    }

    fn record(key: &KeyConfig, iss: &str, coverage: Coverage) -> KeyRecord {
        KeyRecord {
            iat: UnixTime(1),
            exp: UnixTime(2),
            iss: iss.to_owned(),
            coverage,
            key: key.clone(),
            placement: Placement::at("https://cps.example".parse().unwrap()),
        }
    }

    fn range(start: &str, count: u64) -> NumberRange {
        NumberRange::new(start.parse().unwrap(), count).unwrap()
    }

    #[test]
    fn somebody_elses_record_for_a_watched_number_is_told_of_however_it_covers_it() {
        let (mine, theirs) = (key(), key());
        let table = b"spc,first,count\n4529,12155550140,5\n683G,12155559000,10\n";
        let watch = NumberWatch {
            numbers: vec![range("12155550100", 50)],
            spcs: vec!["683G".parse().unwrap()],
            mine: [mine.mailbox()].into(),
            signers: vec!["683G".to_owned()],
            numbering: Some(NumberingTable::parse(table).unwrap()),
        };
        let spc = |text: &str| Coverage::Spc(text.parse().unwrap());
        let tn = |text: &str| Coverage::Number(text.parse().unwrap());
        for (coverage, is_watched) in [
            (tn("12155550149"), true),
            (tn("12155550150"), false),
            (tn("121555501"), false),
            (Coverage::Range(range("12155550149", 100)), true),
            (Coverage::Range(range("12155550000", 1_000)), true),
            (Coverage::Range(range("12155550150", 10)), false),
            // By the numbering table.
            (spc("4529"), true),
            (tn("12155559009"), true),
            (spc("683G"), true),
            (spc("9999"), false),
        ] {
            let record = record(&theirs, "9999", coverage.clone());
            assert_eq!(watch.concerns(&record), is_watched, "{coverage}");
        }
        let own = |iss| record(&mine, iss, tn("12155550100"));
        assert!(!watch.concerns(&own("683g")));
        assert!(watch.concerns(&own("9999")), "signed by another");
    }
}
