//! How many tokens a subject may draw of one key epoch, and how many it has
//! drawn. Pure counting in memory; that a count outlives the process is
//! `ledger`'s part.

use std::collections::HashMap;

use pennyblack_attestation::Subject;

/// How many tokens each subject may draw of one key epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// For subjects that are not named.
    pub default: u64,
    /// For those that are, by [`Subject`]'s text form.
    pub named: HashMap<String, u64>,
}

impl Allowance {
    /// The number of tokens for `subject`, in each key epoch.
    #[must_use]
    pub fn of(&self, subject: &str) -> u64 {
        self.named.get(subject).copied().unwrap_or(self.default)
    }
}

/// A subject's name in accounts and configuration: `spc:683G` or `tn:12155550100+10`.
#[must_use]
pub fn account_name(subject: &Subject) -> String {
    subject.to_string()
}

/// One drawing of tokens: the subject, the request, the number of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Whose account, as [`account_name`] has it.
    pub subject: String,
    /// SHA-256 of the request's body. The same body from the same subject is the
    /// same drawing, sent again because its answer was lost.
    pub body_digest: [u8; 32],
    /// How many tokens.
    pub tokens: u32,
}

/// What counting a charge came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It is counted now.
    New {
        /// Tokens for which the same drawing was counted before: 0, unless fewer
        /// of a batch could be signed then.
        before: u32,
    },
    /// It was counted before and is not counted again.
    Before,
}

/// The subject has not so many tokens left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Tokens drawn in this epoch.
    pub drawn: u64,
    /// Tokens allowed in each epoch.
    pub allowed: u64,
}

/// The accounts of one key epoch. Dropped as a whole when its key is retired;
/// until then an account holds 36 bytes for each drawing, and an allowance
/// bounds those.
#[derive(Debug, Default)]
pub struct EpochAccounts {
    accounts: HashMap<String, Account>,
    /// Tokens of all accounts.
    total: u64,
}

#[derive(Debug, Default)]
struct Account {
    drawn: u64,
    /// Tokens of each drawing, by the digest of its request.
    drawings: HashMap<[u8; 32], u32>,
}

impl EpochAccounts {
    /// Counts `charge` if the account stays within `allowed`, once however often
    /// it is made.
    ///
    /// # Errors
    /// [`Exhausted`]; nothing is counted then.
    pub fn count(&mut self, charge: &Charge, allowed: u64) -> Result<Counted, Exhausted> {
        if self.has(charge) {
            return Ok(Counted::Before);
        }
        let drawn = self.drawn(&charge.subject);
        if drawn.saturating_add(u64::from(charge.tokens)) > allowed {
            return Err(Exhausted { drawn, allowed });
        }
        let before = self.restore(charge);
        Ok(Counted::New { before })
    }

    /// Counts what is known to have been counted, whatever is allowed now; returns
    /// for how many tokens it was counted before.
    pub fn restore(&mut self, charge: &Charge) -> u32 {
        let account = self.accounts.entry(charge.subject.clone()).or_default();
        let counted = account.drawings.entry(charge.body_digest).or_default();
        let before = *counted;
        *counted = before.max(charge.tokens);
        let more = u64::from(*counted - before);
        account.drawn = account.drawn.saturating_add(more);
        self.total = self.total.saturating_add(more);
        before
    }

    /// Takes back a charge that was counted as new and whose record is void.
    pub fn take_back(&mut self, charge: &Charge, before: u32) {
        if let Some(account) = self.accounts.get_mut(&charge.subject)
            && let Some(counted) = account.drawings.get_mut(&charge.body_digest)
        {
            let less = u64::from(counted.saturating_sub(before));
            account.drawn = account.drawn.saturating_sub(less);
            self.total = self.total.saturating_sub(less);
            *counted = before;
            if before == 0 {
                account.drawings.remove(&charge.body_digest);
            }
        }
    }

    /// True when this drawing was counted, for at least as many tokens: a body
    /// asks for a fixed number, but which of them can be signed may change
    /// between two attempts at a batch, when a key begins.
    #[must_use]
    pub fn has(&self, charge: &Charge) -> bool {
        let account = self.accounts.get(&charge.subject);
        let counted = account.and_then(|account| account.drawings.get(&charge.body_digest));
        counted.is_some_and(|tokens| *tokens >= charge.tokens)
    }

    /// Tokens that all subjects have drawn.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Tokens that `subject` has drawn.
    #[must_use]
    pub fn drawn(&self, subject: &str) -> u64 {
        self.accounts
            .get(subject)
            .map_or(0, |account| account.drawn)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEW: Counted = Counted::New { before: 0 };

    fn charge(subject: &str, request: u8, tokens: u32) -> Charge {
        Charge {
            subject: subject.to_owned(),
            body_digest: [request; 32],
            tokens,
        }
    }

    #[test]
    fn a_retry_is_counted_once() {
        let mut accounts = EpochAccounts::default();
        assert_eq!(accounts.count(&charge("spc:A", 1, 3), 5), Ok(NEW));
        assert_eq!(
            accounts.count(&charge("spc:A", 1, 3), 5),
            Ok(Counted::Before)
        );
        assert_eq!(accounts.drawn("spc:A"), 3);
    }

    #[test]
    fn what_is_restored_twice_is_counted_once() {
        let mut accounts = EpochAccounts::default();
        accounts.restore(&charge("spc:A", 1, 3));
        accounts.restore(&charge("spc:A", 1, 3));
        assert_eq!(accounts.drawn("spc:A"), 3);
        assert_eq!(
            accounts.count(&charge("spc:A", 1, 3), 0),
            Ok(Counted::Before)
        );
    }

    #[test]
    fn a_batch_of_which_more_can_be_signed_later_is_charged_for_the_difference() {
        let mut accounts = EpochAccounts::default();
        accounts.count(&charge("spc:A", 1, 2), 9).unwrap();
        let more = charge("spc:A", 1, 5);
        assert_eq!(accounts.count(&more, 9), Ok(Counted::New { before: 2 }));
        assert_eq!(accounts.drawn("spc:A"), 5);
        accounts.take_back(&more, 2);
        assert_eq!(accounts.drawn("spc:A"), 2);
        assert!(accounts.has(&charge("spc:A", 1, 2)));
    }

    #[test]
    fn what_is_taken_back_may_be_drawn_again() {
        let mut accounts = EpochAccounts::default();
        accounts.count(&charge("spc:A", 1, 5), 5).unwrap();
        accounts.take_back(&charge("spc:A", 1, 5), 0);
        assert!(!accounts.has(&charge("spc:A", 1, 5)));
        assert_eq!(accounts.count(&charge("spc:A", 2, 5), 5), Ok(NEW));
    }

    #[test]
    fn a_retry_is_served_even_when_nothing_is_left() {
        let mut accounts = EpochAccounts::default();
        accounts.count(&charge("spc:A", 1, 5), 5).unwrap();
        assert_eq!(
            accounts.count(&charge("spc:A", 2, 1), 5),
            Err(Exhausted {
                drawn: 5,
                allowed: 5
            })
        );
        assert_eq!(
            accounts.count(&charge("spc:A", 1, 5), 5),
            Ok(Counted::Before)
        );
    }

    #[test]
    fn the_same_body_from_another_subject_is_another_drawing() {
        let mut accounts = EpochAccounts::default();
        accounts.count(&charge("spc:A", 1, 1), 1).unwrap();
        assert_eq!(accounts.count(&charge("spc:B", 1, 1), 1), Ok(NEW));
    }

    #[test]
    fn a_refused_batch_counts_nothing() {
        let mut accounts = EpochAccounts::default();
        assert!(accounts.count(&charge("spc:A", 1, 6), 5).is_err());
        assert_eq!(accounts.count(&charge("spc:A", 2, 5), 5), Ok(NEW));
    }

    #[test]
    fn named_subjects_have_their_own_allowance() {
        let allowance = Allowance {
            default: 10,
            named: HashMap::from([("spc:683G".to_owned(), 99)]),
        };
        assert_eq!(allowance.of("spc:683G"), 99);
        assert_eq!(allowance.of("spc:683g"), 10);
    }

    proptest! {
        /// Whatever is asked in whatever order, nobody draws more than is allowed,
        /// and each distinct request that was granted is counted.
        #[test]
        fn nobody_draws_more_than_allowed(
            asked in proptest::collection::vec((0u8..3, 0u8..20, 1u32..6), 0..60),
        ) {
            let mut accounts = EpochAccounts::default();
            let mut granted: HashMap<(u8, u8), u32> = HashMap::new();
            for (subject, request, tokens) in asked {
                // A body asks for a fixed number of tokens.
                let tokens = granted.get(&(subject, request)).copied().unwrap_or(tokens);
                if accounts.count(&charge(&subject.to_string(), request, tokens), 12).is_ok() {
                    granted.insert((subject, request), tokens);
                }
            }
            for subject in 0..3 {
                let drawn: u32 = granted
                    .iter()
                    .filter(|((by, _), _)| *by == subject)
                    .map(|(_, tokens)| tokens)
                    .sum();
                prop_assert!(drawn <= 12);
                prop_assert_eq!(accounts.drawn(&subject.to_string()), u64::from(drawn));
            }
        }
    }
}
