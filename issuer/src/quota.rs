//! How many tokens a subject may draw of one key epoch, and how many it has
//! drawn. Pure counting in memory; that a count outlives the process is
//! `ledger`'s part.
//!
//! Every number and every SPC for which tokens were drawn is in exactly one account of the
//! epoch: a subject is charged to all accounts that it overlaps, and to a new one for what
//! no account covers. So whatever certificates have a number in common are charged to one
//! account, no matter who else draws, and a charge looks through few accounts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use pennyblack_base::encoding::sha256;
use pennyblack_stir::{Coverage, CoverageError, Extent};

/// Most pairs of an extent of the subject and one of an account that overlap, the new
/// account of the charge among them. More are refused: so many take Redis about 2 ms, and
/// the one of an SPC 0.1 ms. What accounts cover is never divided, so a subject that has
/// drawn is not crowded out later.
pub const MAX_OVERLAPS: usize = 512;

/// Most extents in all accounts of an epoch, each of which takes 235 bytes in Redis: 62 MB.
pub const MAX_EPOCH_EXTENTS: usize = 1 << 18;

/// How many tokens each subject may draw of one key epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// For subjects that are not named.
    pub default: u64,
    /// For those of which an extent is.
    pub named: HashMap<Extent, u64>,
    /// Most extents in all accounts of an epoch.
    pub extents: usize,
}

impl Allowance {
    /// `default` tokens for everybody.
    #[must_use]
    pub fn of_all(default: u64) -> Self {
        Self {
            default,
            named: HashMap::new(),
            extents: MAX_EPOCH_EXTENTS,
        }
    }

    /// What bounds a charge of `subject`: the largest number of tokens for which an extent
    /// of it is named.
    #[must_use]
    pub fn of(&self, subject: &Coverage) -> Limits {
        let extents = subject.extents().iter();
        let named = extents.filter_map(|extent| self.named.get(extent).copied());
        Limits {
            tokens: named.max().unwrap_or(self.default),
            extents: self.extents,
        }
    }
}

/// What bounds a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most tokens in each account that the subject overlaps.
    pub tokens: u64,
    /// Most extents in all accounts of the epoch.
    pub extents: usize,
}

/// One drawing of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// On whose behalf.
    pub subject: Coverage,
    /// A digest of subject and request. The same body from the same subject is the
    /// same drawing, sent again because its answer was lost.
    pub drawing: [u8; 32],
    /// How many tokens.
    pub tokens: u32,
}

impl Charge {
    /// The drawing of `tokens` by the request whose body has this SHA-256.
    #[must_use]
    pub fn new(subject: Coverage, body_digest: &[u8; 32], tokens: u32) -> Self {
        let drawing = [body_digest, subject.to_string().as_bytes()].concat();
        Self {
            subject,
            drawing: sha256(&drawing),
            tokens,
        }
    }
}

/// What counting a charge came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// It is counted now.
    New(Change),
    /// It was counted before and is not counted again.
    Before,
}

/// What a charge has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Tokens for which the same drawing was counted before: 0, unless fewer of a batch
    /// could be signed then.
    before: u32,
    /// The accounts that it was counted in.
    accounts: BTreeSet<u64>,
    /// The last of them, if it is new, and the bounds of what it covers.
    opened: Option<(u64, Vec<Bounds>)>,
}

/// Why a charge is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// An account has not so many tokens left.
    Exhausted(Exhausted),
    /// The subject overlaps more than [`MAX_OVERLAPS`] allows, or the epoch has no room
    /// for another account.
    Crowded,
    /// What accounts cover cannot be compared with what the subject covers.
    Incomparable,
}

/// The subject has not so many tokens left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Tokens drawn in this epoch, in the fullest account that the subject overlaps.
    pub drawn: u64,
    /// Tokens allowed in each epoch.
    pub allowed: u64,
}

/// The accounts of one key epoch. Dropped as a whole when its key is retired;
/// until then each drawing takes 36 bytes, and an allowance bounds those.
#[derive(Debug, Default)]
pub struct EpochAccounts {
    /// Tokens of each account.
    drawn: HashMap<u64, u64>,
    /// How many accounts have ever been opened: the next one's name.
    opened: u64,
    /// What accounts cover, by the last bound. None overlaps another.
    extents: BTreeMap<String, Held>,
    /// Tokens of each drawing.
    drawings: HashMap<[u8; 32], u32>,
    /// Tokens of all drawings.
    total: u64,
}

/// An extent of an account.
#[derive(Debug)]
struct Held {
    first: String,
    account: u64,
}

/// The first and the last bound of an extent.
type Bounds = (String, String);

/// What a subject has to do with the accounts.
#[derive(Debug, Default)]
struct Overlap {
    accounts: BTreeSet<u64>,
    /// What no account covers.
    gaps: Vec<Bounds>,
    /// Pairs that overlap, and gaps.
    size: usize,
}

impl EpochAccounts {
    /// Counts `charge` if all accounts stay within `limits`, once however often
    /// it is made.
    ///
    /// # Errors
    /// [`Uncounted`]; nothing is counted then.
    pub fn count(&mut self, charge: &Charge, limits: Limits) -> Result<Counted, Uncounted> {
        if self.has(charge) {
            return Ok(Counted::Before);
        }
        let overlap = self.overlap(&charge.subject, MAX_OVERLAPS);
        let overlap = overlap.map_err(|_| Uncounted::Incomparable)?;
        if overlap.size > MAX_OVERLAPS {
            return Err(Uncounted::Crowded);
        }
        let extents = self.extents.len() + overlap.gaps.len();
        if !overlap.gaps.is_empty() && extents > limits.extents {
            return Err(Uncounted::Crowded);
        }
        let (drawn, allowed) = (self.fullest(&overlap.accounts), limits.tokens);
        if drawn.saturating_add(self.more(charge)) > allowed {
            return Err(Uncounted::Exhausted(Exhausted { drawn, allowed }));
        }
        Ok(Counted::New(self.add(charge, overlap)))
    }

    /// Counts what is known to have been counted, whatever is allowed now.
    ///
    /// # Errors
    /// [`CoverageError::Bound`]; nothing is counted then.
    pub fn restore(&mut self, charge: &Charge) -> Result<(), CoverageError> {
        if !self.has(charge) {
            let overlap = self.overlap(&charge.subject, usize::MAX)?;
            self.add(charge, overlap);
        }
        Ok(())
    }

    /// Looks no further once its size is more than `max`: it is not whole then.
    fn overlap(&self, subject: &Coverage, max: usize) -> Result<Overlap, CoverageError> {
        let mut overlap = Overlap::default();
        for extent in subject.extents() {
            let (first, last) = extent.bounds();
            let not_before = (Bound::Included(first.as_str()), Bound::Unbounded);
            let held = self.extents.range::<str, _>(not_before);
            let mut taken = Vec::new();
            for (end, held) in held.take_while(|(_, held)| held.first <= last) {
                overlap.size += 1;
                if overlap.size > max {
                    return Ok(overlap);
                }
                overlap.accounts.insert(held.account);
                taken.push((held.first.as_str(), end.as_str()));
            }
            overlap.gaps.extend(extent.without(&taken)?);
        }
        overlap.size += overlap.gaps.len();
        Ok(overlap)
    }

    fn fullest(&self, accounts: &BTreeSet<u64>) -> u64 {
        let drawn = accounts
            .iter()
            .filter_map(|account| self.drawn.get(account));
        drawn.copied().max().unwrap_or(0)
    }

    /// Tokens of a charge that are not counted yet.
    #[must_use]
    pub fn more(&self, charge: &Charge) -> u64 {
        let counted = self.drawings.get(&charge.drawing).copied();
        charge.tokens.saturating_sub(counted.unwrap_or(0)).into()
    }

    fn add(&mut self, charge: &Charge, overlap: Overlap) -> Change {
        let mut accounts = overlap.accounts;
        let opened = self.open(overlap.gaps);
        accounts.extend(opened.iter().map(|(account, _)| *account));
        let more = self.more(charge);
        for account in &accounts {
            let drawn = self.drawn.entry(*account).or_default();
            *drawn = drawn.saturating_add(more);
        }
        self.total = self.total.saturating_add(more);
        let before = self.drawings.insert(charge.drawing, charge.tokens);
        Change {
            before: before.unwrap_or(0),
            accounts,
            opened,
        }
    }

    /// Opens an account for what no account covers, if there is such.
    fn open(&mut self, gaps: Vec<Bounds>) -> Option<(u64, Vec<Bounds>)> {
        if gaps.is_empty() {
            return None;
        }
        self.opened += 1;
        let account = self.opened;
        for (first, last) in gaps.iter().cloned() {
            self.extents.insert(last, Held { first, account });
        }
        Some((account, gaps))
    }

    /// Takes back a charge that was counted as new and whose record is void: the latest
    /// first.
    pub fn take_back(&mut self, charge: &Charge, change: &Change) {
        let less = u64::from(charge.tokens.saturating_sub(change.before));
        for account in &change.accounts {
            if let Some(drawn) = self.drawn.get_mut(account) {
                *drawn = drawn.saturating_sub(less);
            }
        }
        self.total = self.total.saturating_sub(less);
        match change.before {
            0 => self.drawings.remove(&charge.drawing),
            before => self.drawings.insert(charge.drawing, before),
        };
        if let Some((account, gaps)) = &change.opened {
            for (_, last) in gaps {
                self.extents.remove(last);
            }
            self.drawn.remove(account);
        }
    }

    /// True when this drawing was counted, for at least as many tokens: a body
    /// asks for a fixed number, but which of them can be signed may change
    /// between two attempts at a batch, when a key begins.
    #[must_use]
    pub fn has(&self, charge: &Charge) -> bool {
        let counted = self.drawings.get(&charge.drawing);
        counted.is_some_and(|tokens| *tokens >= charge.tokens)
    }

    /// Tokens that all subjects have drawn, each counted once.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Tokens in the fullest account that `subject` overlaps.
    ///
    /// # Errors
    /// [`CoverageError::Bound`].
    pub fn drawn(&self, subject: &Coverage) -> Result<u64, CoverageError> {
        let overlap = self.overlap(subject, usize::MAX)?;
        Ok(self.fullest(&overlap.accounts))
    }
}

#[cfg(test)]
mod tests;
