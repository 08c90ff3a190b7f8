//! Everything there is in the model at one instant.

/// How many tokens the wallet has at first.
pub const TOKENS: usize = 2;
/// How many calls there are.
pub const CALLS: usize = 2;
/// How many CPSs each call may have a copy at.
pub const CPSS: usize = 2;

/// A request that was signed with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// With which.
    pub token: usize,
    /// Whose copy it stores.
    pub call: usize,
    /// For which CPS.
    pub cps: usize,
    /// How many were signed before of this copy.
    pub version: usize,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// Which tokens are on the disk, to be taken.
    pub in_wallet: [bool; TOKENS],
    /// The token of each call, in the memory of the process.
    pub held: [Option<usize>; CALLS],
    /// Calls that make no more copies.
    pub is_over: [bool; CALLS],
    /// What was signed: it is on the disk, and somewhere in the network from then on; sorted.
    pub signed: Vec<Request>,
    /// What CPSs have stored, and which; sorted.
    pub stored: Vec<(usize, Request)>,
    /// What CPSs have refused with 409, and which; sorted.
    pub refused: Vec<(usize, Request)>,
    /// How often the process may yet die.
    pub crashes_left: u8,
}

impl State {
    pub(super) const fn new(crashes_left: u8) -> Self {
        Self {
            in_wallet: [true; TOKENS],
            held: [None; CALLS],
            is_over: [false; CALLS],
            signed: Vec::new(),
            stored: Vec::new(),
            refused: Vec::new(),
            crashes_left,
        }
    }

    /// Each two requests that were signed with one token.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Request, &Request)> {
        let signed = self.signed.iter();
        signed.flat_map(|one| {
            let others = self.signed.iter();
            let others = others.filter(|other| other.token == one.token);
            others.map(move |other| (one, other))
        })
    }

    /// What a CPS has stored for a token.
    pub(super) fn spent_on(&self, cps: usize, token: usize) -> Option<Request> {
        let mut stored = self.stored.iter();
        let spent = stored.find(|(at, request)| *at == cps && request.token == token);
        spent.map(|(_, request)| *request)
    }

    /// How many requests were signed of a call's copy at a CPS.
    pub(super) fn requests_for(&self, call: usize, cps: usize) -> usize {
        let signed = self.signed.iter();
        let of_copy = signed.filter(|one| one.call == call && one.cps == cps);
        of_copy.count()
    }

    pub(super) fn sign(&mut self, request: Request) {
        self.signed.push(request);
        self.signed.sort_unstable();
    }

    /// A call is over, and its token with it.
    pub(super) fn finish(&mut self, call: usize) -> Option<()> {
        let token = self.held[call].take()?;
        self.in_wallet[token] = false;
        self.is_over[call] = true;
        Some(())
    }

    /// What was in memory is gone. Calls that had begun are not taken up again: what is left
    /// of them is in the outbox.
    pub(super) fn crash(&mut self) {
        for (held, is_over) in self.held.iter_mut().zip(&mut self.is_over) {
            *is_over |= held.take().is_some();
        }
    }

    /// A CPS stores it, unless it has stored another request for this token.
    pub(super) fn arrive(&mut self, request: Request, cps: usize) {
        match self.spent_on(cps, request.token) {
            None => self.stored.push((cps, request)),
            // A repetition.
            Some(spent) if spent == request => {}
            Some(_) if self.refused.contains(&(cps, request)) => {}
            Some(_) => self.refused.push((cps, request)),
        }
        self.stored.sort_unstable();
        self.refused.sort_unstable();
    }
}
