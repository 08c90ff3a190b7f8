//! Writes a history while it happens, from many tasks at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pennyblack_base::encoding::sha256;
use pennyblack_privacypass::token::Nonce;
use pennyblack_sealing::mailbox::MailboxId;
use tokio::time::Instant;

use super::{Body, History, Loss, Place, Retrieval, Span, StoreAnswer, StoreCall, Token};

/// A history in the making.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    history: History,
    tokens: Numbers<[u8; 32]>,
    bodies: Numbers<[u8; 32]>,
    places: Numbers<[u8; 32]>,
}

/// Numbers for names that are too long to read.
#[derive(Debug)]
struct Numbers<T>(HashMap<T, u32>);

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Numbers<T> {
    fn of(&mut self, name: T) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap();
        *self.0.entry(name).or_insert(next)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            written: Mutex::default(),
        }
    }
}

impl Recorder {
    /// The time of this history.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Writes that a request to spend `token` and store `sealed` was sent at
    /// `begun`, and is answered now.
    pub fn stored(
        &self,
        begun: Duration,
        token: Nonce,
        mailbox: MailboxId,
        sealed: &[u8],
        answer: StoreAnswer,
    ) {
        let span = self.until_now(begun);
        let written = &mut *self.written();
        let call = StoreCall {
            token: Token(written.tokens.of(token.0)),
            body: Body(written.bodies.of(sha256(sealed))),
            place: Place(written.places.of(mailbox.0)),
            span,
            answer,
        };
        written.history.stores.push(call);
    }

    /// Writes that a mailbox was asked for at `begun`, and its last page is here now.
    pub fn retrieved<'a>(
        &self,
        begun: Duration,
        mailbox: MailboxId,
        entries: impl Iterator<Item = &'a [u8]>,
    ) {
        let span = self.until_now(begun);
        let written = &mut *self.written();
        let bodies = entries.map(|sealed| Body(written.bodies.of(sha256(sealed))));
        let retrieval = Retrieval {
            bodies: bodies.collect(),
            place: Place(written.places.of(mailbox.0)),
            span,
        };
        written.history.retrievals.push(retrieval);
    }

    /// Writes that from `begun` until now the store was made to lose something, though
    /// nothing that was acknowledged before `safe_before`.
    pub fn lost(&self, safe_before: Duration, begun: Duration) {
        let span = self.until_now(begun);
        let loss = Loss { safe_before, span };
        self.written().history.losses.push(loss);
    }

    /// What was written so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.written().history.clone()
    }

    fn until_now(&self, begun: Duration) -> Span {
        let ended = self.now();
        Span { begun, ended }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
