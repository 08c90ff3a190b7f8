//! The keys of mailboxes, for as long as a record makes one exist, and an entry's life longer:
//! what was stored in a record's last second can be read while it lives.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{seals_to_key, takes_stores};
use pennyblack_sealing::mailbox::{KeyConfig, MailboxId};

/// All mailboxes.
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    by_id: HashMap<MailboxId, Mailbox>,
    /// Of those whose last record has ended: when.
    ended: BTreeSet<(UnixTime, MailboxId)>,
}

#[derive(Debug)]
struct Mailbox {
    key: Arc<KeyConfig>,
    /// When the records end that make it exist.
    ends: Vec<UnixTime>,
    /// When the last record ended that did and does not any more.
    ended: Option<UnixTime>,
}

impl Mailboxes {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The key to store for.
    pub(super) fn for_stores(&self, id: MailboxId, now: UnixTime) -> Option<Arc<KeyConfig>> {
        self.key_if(id, |mailbox| {
            mailbox.ends.iter().any(|end| takes_stores(*end, now))
        })
    }

    /// The key to seal answers to.
    pub(super) fn for_answers(&self, id: MailboxId, now: UnixTime) -> Option<Arc<KeyConfig>> {
        self.key_if(id, |mailbox| {
            let mut ends = mailbox.ends.iter().chain(&mailbox.ended);
            ends.any(|end| seals_to_key(*end, now))
        })
    }

    fn key_if(&self, id: MailboxId, holds: impl Fn(&Mailbox) -> bool) -> Option<Arc<KeyConfig>> {
        let mailbox = self.by_id.get(&id).filter(|mailbox| holds(mailbox))?;
        Some(Arc::clone(&mailbox.key))
    }

    /// A record makes it exist until `end`.
    pub(super) fn add(&mut self, key: &KeyConfig, end: UnixTime) {
        self.entry(key).ends.push(end);
    }

    /// A record that was to end at `end` makes it exist no more.
    pub(super) fn remove(&mut self, id: MailboxId, end: UnixTime) {
        if let Some(mailbox) = self.by_id.get_mut(&id) {
            if let Some(place) = mailbox.ends.iter().position(|one| *one == end) {
                mailbox.ends.swap_remove(place);
            }
            self.forget_if_unneeded(id);
        }
    }

    /// A record of it, which is listed no more, has ended.
    pub(super) fn has_ended(&mut self, key: &KeyConfig, end: UnixTime, now: UnixTime) {
        if !seals_to_key(end, now) {
            return;
        }
        let id = key.mailbox();
        let mailbox = self.entry(key);
        let before = mailbox.ended;
        let last = before.map_or(end, |before| before.max(end));
        mailbox.ended = Some(last);
        self.ended.extend([(last, id)]);
        if let Some(before) = before.filter(|before| *before != last) {
            self.ended.remove(&(before, id));
        }
    }

    /// Forgets the keys that no answer is sealed to any more.
    pub(super) fn forget_ended(&mut self, now: UnixTime) {
        while let Some((end, id)) = self.ended.first().copied()
            && !seals_to_key(end, now)
        {
            self.ended.remove(&(end, id));
            if let Some(mailbox) = self.by_id.get_mut(&id) {
                mailbox.ended = None;
            }
            self.forget_if_unneeded(id);
        }
    }

    fn entry(&mut self, key: &KeyConfig) -> &mut Mailbox {
        let fresh = || Mailbox {
            key: Arc::new(key.clone()),
            ends: Vec::new(),
            ended: None,
        };
        self.by_id.entry(key.mailbox()).or_insert_with(fresh)
    }

    fn forget_if_unneeded(&mut self, id: MailboxId) {
        let mailbox = self.by_id.get(&id);
        if mailbox.is_some_and(|mailbox| mailbox.ends.is_empty() && mailbox.ended.is_none()) {
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_sealing::mailbox::{Kem, RecipientKey};

    use super::*;

    const fn at(seconds: u64) -> UnixTime {
        UnixTime(1_000_000 + seconds)
    }

    fn key() -> KeyConfig {
        let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
        key.config().clone()
    }

    /// Whether it takes stores, and whether answers are sealed to its key.
    fn serves(mailboxes: &Mailboxes, key: &KeyConfig, now: UnixTime) -> (bool, bool) {
        let id = key.mailbox();
        let stores = mailboxes.for_stores(id, now).is_some();
        (stores, mailboxes.for_answers(id, now).is_some())
    }

    #[test]
    fn a_mailbox_takes_stores_until_its_last_record_ends_and_is_read_a_minute_longer() {
        let (mut mailboxes, key) = (Mailboxes::default(), key());
        mailboxes.add(&key, at(10));
        mailboxes.add(&key, at(20));
        assert_eq!(serves(&mailboxes, &key, at(19)), (true, true));
        assert_eq!(serves(&mailboxes, &key, at(20)), (false, true));
        assert_eq!(serves(&mailboxes, &key, at(79)), (false, true));
        assert_eq!(serves(&mailboxes, &key, at(80)), (false, false));
    }

    #[test]
    fn it_is_read_as_long_when_its_records_are_listed_no_more_and_then_forgotten() {
        let (mut mailboxes, key) = (Mailboxes::default(), key());
        for end in [20, 10, 20] {
            mailboxes.add(&key, at(end));
            mailboxes.remove(key.mailbox(), at(end));
            mailboxes.has_ended(&key, at(end), at(30));
        }
        mailboxes.forget_ended(at(79));
        assert_eq!(serves(&mailboxes, &key, at(79)), (false, true));
        mailboxes.forget_ended(at(80));
        assert_eq!((mailboxes.len(), mailboxes.ended.len()), (0, 0));
    }

    #[test]
    fn one_whose_record_is_refused_is_forgotten_at_once_unless_there_is_another() {
        let (mut mailboxes, key) = (Mailboxes::default(), key());
        mailboxes.add(&key, at(10));
        mailboxes.add(&key, at(20));
        mailboxes.remove(key.mailbox(), at(20));
        assert_eq!(serves(&mailboxes, &key, at(9)), (true, true));
        assert_eq!(serves(&mailboxes, &key, at(10)), (false, true));
        mailboxes.remove(key.mailbox(), at(10));
        assert_eq!(serves(&mailboxes, &key, at(9)), (false, false));
        assert_eq!(mailboxes.len(), 0);
    }
}
