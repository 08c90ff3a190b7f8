//! At which CPSs the copies for a mailbox are, and how many of them get one: what the called
//! side says of itself, so that both sides of a call come to the same CPSs.

use pennyblack_base::authority::Authority;
use pennyblack_base::cps_uri::CpsUri;

/// Most CPSs that a key record names.
pub const MAX_CPSS: usize = 3;

/// One to three CPSs, none twice, and how many of them get a copy of a PASSporT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    first: CpsUri,
    more: Vec<CpsUri>,
    copies: usize,
}

/// CPSs, or a number of copies, that no key record has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// More than [`MAX_CPSS`].
    #[error("{0} CPSs; a key record names at most {MAX_CPSS}")]
    TooMany(usize),
    /// One CPS stands there twice.
    #[error("{0} is named twice; name each CPS once")]
    Twice(Authority),
    /// None, or more copies than CPSs.
    #[error("{copies} copies at {cpss} CPSs; at least 1 and at most one for each CPS")]
    Copies {
        /// How many copies.
        copies: u64,
        /// How many CPSs.
        cpss: usize,
    },
}

impl Placement {
    /// One copy at one CPS.
    #[must_use]
    pub const fn at(cps: CpsUri) -> Self {
        Self {
            first: cps,
            more: Vec::new(),
            copies: 1,
        }
    }

    /// `copies` copies at `first` and `more`; one for each CPS if no number is given.
    ///
    /// # Errors
    /// [`PlacementError`].
    pub fn new(
        first: CpsUri,
        more: Vec<CpsUri>,
        copies: Option<u64>,
    ) -> Result<Self, PlacementError> {
        let cpss = 1 + more.len();
        if cpss > MAX_CPSS {
            return Err(PlacementError::TooMany(cpss));
        }
        let all: Vec<_> = std::iter::once(&first).chain(&more).collect();
        for (place, cps) in all.iter().enumerate() {
            let before = all.iter().take(place);
            if before
                .map(|one| one.authority())
                .any(|one| one == cps.authority())
            {
                return Err(PlacementError::Twice(cps.authority().clone()));
            }
        }
        let copies = match copies {
            None => cpss,
            Some(copies) => usize::try_from(copies)
                .ok()
                .filter(|wanted| (1..=cpss).contains(wanted))
                .ok_or(PlacementError::Copies { copies, cpss })?,
        };
        Ok(Self {
            first,
            more,
            copies,
        })
    }

    /// The CPS that the claim `cps` names.
    #[must_use]
    pub const fn first(&self) -> &CpsUri {
        &self.first
    }

    /// Those that the claim `more_cps` names.
    #[must_use]
    pub fn more(&self) -> &[CpsUri] {
        &self.more
    }

    /// All of them.
    pub fn cpss(&self) -> impl Iterator<Item = &CpsUri> + Clone {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// How many of them get a copy.
    #[must_use]
    pub const fn copies(&self) -> usize {
        self.copies
    }

    /// Whether every one of them gets a copy.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.copies == 1 + self.more.len()
    }

    /// Those of them that are allowed, and as many copies as before if there is a CPS for each;
    /// nothing if none is allowed.
    #[must_use]
    pub fn among(&self, is_allowed: impl Fn(&CpsUri) -> bool) -> Option<Self> {
        let mut cpss = self.cpss().filter(|cps| is_allowed(cps)).cloned();
        let (first, more) = (cpss.next()?, cpss.collect::<Vec<_>>());
        Some(Self {
            copies: self.copies.min(1 + more.len()),
            first,
            more,
        })
    }

    /// Whether this CPS is one of them.
    #[must_use]
    pub fn names(&self, cps: &Authority) -> bool {
        self.cpss().any(|one| one.authority() == cps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(name: &str) -> CpsUri {
        format!("https://{name}.example").parse().unwrap()
    }

    fn placement(more: &[&str], copies: Option<u64>) -> Result<Placement, PlacementError> {
        let more = more.iter().map(|name| uri(name)).collect();
        Placement::new(uri("a"), more, copies)
    }

    #[test]
    fn every_cps_gets_a_copy_unless_a_number_is_given() {
        assert_eq!(placement(&[], None), Ok(Placement::at(uri("a"))));
        for (more, copies, expected) in [
            (&["b"][..], None, 2),
            (&["b", "c"], None, 3),
            (&["b", "c"], Some(1), 1),
            (&["b", "c"], Some(3), 3),
        ] {
            let placement = placement(more, copies).unwrap();
            assert_eq!(placement.copies(), expected);
            assert_eq!(placement.cpss().count(), 1 + more.len());
            assert_eq!(placement.is_everywhere(), expected == 1 + more.len());
            assert!(placement.names(&"b.example".parse().unwrap()));
            assert!(!placement.names(&"d.example".parse().unwrap()));
        }
    }

    #[test]
    fn some_of_the_cpss_get_as_many_copies_as_there_are_of_them_at_most() {
        let all = placement(&["b", "c"], Some(2)).unwrap();
        let among = |names: &[&str]| all.among(|cps| names.iter().any(|name| uri(name) == *cps));
        assert_eq!(among(&["a", "b", "c"]).as_ref(), Some(&all));
        assert_eq!(among(&["c"]), Some(Placement::at(uri("c"))));
        assert_eq!(among(&["c", "b"]).map(|two| two.copies()), Some(2));
        assert_eq!(among(&["d"]), None);
    }

    #[test]
    fn no_cps_is_named_twice_and_no_more_than_three() {
        let twice = |name: &str| Err(PlacementError::Twice(uri(name).authority().clone()));
        assert_eq!(placement(&["a"], None), twice("a"));
        assert_eq!(placement(&["b", "b"], None), twice("b"));
        let too_many = placement(&["b", "c", "d"], None);
        assert_eq!(too_many, Err(PlacementError::TooMany(4)));
    }

    #[test]
    fn there_is_a_copy_and_no_more_copies_than_cpss() {
        for (more, copies) in [(&[][..], 0), (&[], 2), (&["b"], 3), (&["b"], u64::MAX)] {
            let cpss = 1 + more.len();
            let refused = placement(more, Some(copies));
            assert_eq!(refused, Err(PlacementError::Copies { copies, cpss }));
        }
    }
}
