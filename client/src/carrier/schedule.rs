//! When batches are drawn: a constant number of each token key, at times of the schedule's
//! own. Not here: how a batch is drawn.

mod shortage;

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::directory::IssuerDirectory;
use pennyblack_privacypass::token::{TokenKeyId, TokenScope};
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_runtime::shutdown::Shutdown;
use rand::{Rng, RngExt as _};

use super::class::Class;
use super::timetable::Timetable;
use super::{Carrier, CarrierError};
use crate::identity::StirIdentity;
use crate::wallet::{PendingDraw, Wallet, WalletError};
use pennyblack_http::{Deadline, HttpClient};

/// The pause between visits until the issuer has answered once.
const FIRST_ANSWER: u64 = 60;

/// Seconds that a visit may take however short its slot is.
const SHORTEST_END: u64 = 60;

/// Requests of a visit leave at whole multiples of it: between two of them the wallet is
/// written to, which takes longer while tokens are spent.
const STEP: Duration = Duration::from_millis(250);

/// Draws the same number of tokens of each key, whatever was spent.
///
/// Issuer and CPS together see when tokens are drawn and when they are spent, and nobody
/// can spend more than they draw: a wallet that is filled when it is low shows the issuer
/// how many calls there were. **So what is asked of the issuer, and when, follows from the
/// configuration, the clock, the issuer's keys and answers, and random numbers; nothing of
/// it is read from what was spent.** Tokens that are not spent lapse with their key.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// What tokens are drawn for, CPSs and a federation: they get the batches in turn.
    pub scopes: Vec<TokenScope>,
    /// Tokens of each key, for all of them together.
    pub class: Class,
    /// How long a key signs, as the issuer's operator says.
    pub epoch: Duration,
}

/// The key that is drawn of now.
#[derive(Debug, Clone, Copy)]
struct EpochKey {
    id: TokenKeyId,
    begun: Option<UnixTime>,
}

/// What was drawn of a key.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    tokens: u64,
    /// Whether it is the first key that this schedule draws of: no token is old enough to
    /// be spent yet, so the whole class is due at once.
    is_first_key: bool,
}

/// Whom a schedule asks: an issuer, or a simulation.
trait Source {
    /// Tokens in a batch.
    fn batch(&self) -> u64;
    /// Asks for the key that signs now, and brings in what was asked for before.
    async fn key(&mut self) -> Result<EpochKey, CarrierError>;
    /// What was drawn of the key, by this process or an earlier one.
    async fn drawn(&mut self, key: EpochKey) -> Result<Drawn, CarrierError>;
    /// Draws a batch of the key, unless more than `due` tokens of it were then asked for;
    /// how many came in.
    async fn draw(&mut self, scope: &TokenScope, due: u64) -> Result<usize, CarrierError>;
}

impl Schedule {
    /// Runs until `shutdown`, which a draw need not be finished for: what is asked for
    /// stands in the wallet. Failures are logged; what was due then is drawn at the next
    /// visit. Each visit is made with the identity's latest certificate; `rng` chooses when.
    pub async fn run(
        &self,
        (mut carrier, identity): (Carrier, &FromFiles<StirIdentity>),
        client: &HttpClient,
        wallet: &Wallet,
        clock: &Clock,
        shutdown: &Shutdown,
        rng: &mut impl Rng,
    ) {
        let mut begun = None;
        while !shutdown.is_triggered() {
            carrier.identity = identity.current().as_ref().clone();
            let end = Deadline::after(self.longest_visit(carrier.batch_size()));
            let client = client.within(end).paced(STEP);
            let mut issuer = IssuerAndWallet::new(&carrier, &client, wallet, clock);
            let visit = tokio::select! {
                visit = self.visit_at(&mut issuer, clock.now()) => visit,
                () = shutdown.requested() => return,
            };
            match visit {
                Ok(visit) => {
                    begun = Some(visit.begun);
                    tracing::info!(received = visit.received, "drew what was due");
                }
                Err(error) => {
                    begun = issuer.begun(self).or(begun);
                    tracing::warn!(error = %error, "not all that is due was drawn; the next visit makes up for it");
                }
            }
            if let Err(error) = self.report_shortage(&carrier, wallet).await {
                tracing::warn!(error = %error, "the wallet's tokens cannot be counted");
            }
            let next = self.next_visit(carrier.batch_size(), begun, clock.now(), rng);
            tokio::select! {
                () = clock.reached(next) => {}
                () = shutdown.requested() => {}
                () = destroy_ended(wallet) => {}
            }
        }
    }

    /// Draws what is due now, until the deadline of `client` if it has one; how many tokens
    /// came in. For a wallet that no schedule has
    /// filled before, that is the whole class.
    ///
    /// # Errors
    /// [`CarrierError`], the first one. What was not drawn is still due.
    pub async fn visit(
        &self,
        carrier: &Carrier,
        client: &HttpClient,
        wallet: &Wallet,
        clock: &Clock,
    ) -> Result<usize, CarrierError> {
        let mut issuer = IssuerAndWallet::new(carrier, client, wallet, clock);
        let visit = self.visit_at(&mut issuer, clock.now()).await;
        wallet.off_thread(Wallet::destroy_ended).await?;
        Ok(visit?.received)
    }

    async fn visit_at(
        &self,
        source: &mut impl Source,
        now: UnixTime,
    ) -> Result<Visit, CarrierError> {
        let timetable = self.timetable(source.batch());
        let key = source.key().await?;
        let begun = begun_at(key, &timetable, now);
        let drawn = source.drawn(key).await?;
        let due = match drawn.is_first_key {
            true => timetable.batches(),
            false => timetable.due(begun, now),
        };
        let before = drawn.tokens / source.batch().max(1);
        let mut received = 0;
        let in_turn = self.scopes.iter().cycle();
        let skipped = usize::try_from(before).unwrap_or(0) % self.scopes.len().max(1);
        for (_, scope) in (before..due).zip(in_turn.skip(skipped)) {
            received += source.draw(scope, due * source.batch()).await?;
        }
        Ok(Visit { begun, received })
    }

    fn next_visit(
        &self,
        batch: u64,
        begun: Option<UnixTime>,
        now: UnixTime,
        rng: &mut impl Rng,
    ) -> UnixTime {
        let timetable = self.timetable(batch);
        let in_slot = timetable.next(begun.unwrap_or(now), now, rng);
        match begun {
            Some(_) => in_slot,
            // The issuer is not there yet. So far there are no calls to tell of.
            None => in_slot.min(now.plus(Duration::from_secs(rng.random_range(1..FIRST_ANSWER)))),
        }
    }

    /// An issuer that dribbles holds up one visit, and not the next.
    fn longest_visit(&self, batch: u64) -> Duration {
        let slot = self.epoch.as_secs() / self.timetable(batch).batches();
        Duration::from_secs(slot.max(SHORTEST_END))
    }

    fn timetable(&self, batch: u64) -> Timetable {
        Timetable::new(self.class, batch, self.epoch)
    }

    /// Says when tokens run out. It is no reason to draw.
    async fn report_shortage(&self, carrier: &Carrier, wallet: &Wallet) -> Result<(), WalletError> {
        let share = self.class.tokens() / (self.scopes.len() as u64).max(1);
        for scope in &self.scopes {
            let (issuer, of_scope) = (carrier.issuer.authority().clone(), scope.clone());
            let held = wallet.off_thread(move |wallet| {
                Ok::<_, WalletError>(match wallet.was_drawn_for(&issuer, &of_scope)? {
                    true => Some(wallet.count(&issuer, of_scope)?),
                    false => None,
                })
            });
            shortage::report(scope, self.class, share, held.await?);
        }
        Ok(())
    }
}

/// Destroys tokens whose key has ended, and never returns. **It is done between visits, and no
/// visit waits for it**: it takes longer the fewer tokens were spent, and the issuer sees
/// when it is asked. What is not done when the next visit begins waits for the one after.
async fn destroy_ended(wallet: &Wallet) {
    let mut is_left = true;
    while is_left {
        let some = wallet.off_thread(Wallet::destroy_some_ended).await;
        is_left = some.unwrap_or_else(|error| {
            tracing::warn!(%error, "tokens of a key that is over are not destroyed yet");
            false
        });
    }
    std::future::pending::<()>().await;
}

/// What came of a visit.
#[derive(Debug, Clone, Copy)]
struct Visit {
    /// When the key began.
    begun: UnixTime,
    /// Tokens that came in.
    received: usize,
}

fn begun_at(key: EpochKey, timetable: &Timetable, now: UnixTime) -> UnixTime {
    key.begun
        .unwrap_or_else(|| timetable.begun_by_the_clock(now))
}

/// The real source.
struct IssuerAndWallet<'a> {
    carrier: &'a Carrier,
    client: &'a HttpClient,
    wallet: &'a Wallet,
    clock: &'a Clock,
    /// What the issuer showed at this visit.
    shown: Option<(IssuerDirectory, TokenKey, EpochKey)>,
}

impl<'a> IssuerAndWallet<'a> {
    const fn new(
        carrier: &'a Carrier,
        client: &'a HttpClient,
        wallet: &'a Wallet,
        clock: &'a Clock,
    ) -> Self {
        Self {
            carrier,
            client,
            wallet,
            clock,
            shown: None,
        }
    }

    /// When the key began that was shown last, even if no batch came in.
    fn begun(&self, schedule: &Schedule) -> Option<UnixTime> {
        let timetable = schedule.timetable(self.batch());
        let shown = self.shown.as_ref();
        shown.map(|(_, _, key)| begun_at(*key, &timetable, self.clock.now()))
    }
}

impl Source for IssuerAndWallet<'_> {
    fn batch(&self) -> u64 {
        self.carrier.batch_size()
    }

    /// The directory is fetched at each visit, whether something is due or not.
    async fn key(&mut self) -> Result<EpochKey, CarrierError> {
        let Self {
            carrier,
            client,
            wallet,
            clock,
            ..
        } = *self;
        let keys = carrier.issuer_keys(client, wallet, clock.now()).await?;
        carrier.sort_tokens(wallet, &keys, clock.now()).await?;
        let pending = carrier.pending(wallet).await?;
        let (_, failed) = carrier
            .resume_by(&keys.directory, client, wallet, pending, clock.now())
            .await?;
        if let Some(error) = failed {
            tracing::warn!(%error, "an earlier draw brought no tokens in");
        }
        let (directory, key) = keys.into_key_to_draw_of(&carrier.log, client, clock.now())?;
        let id = key.id();
        let listed = directory.token_keys.iter().find(|listed| listed.id() == id);
        let begun = listed.and_then(|listed| listed.not_before);
        let epoch_key = EpochKey { id, begun };
        self.shown = Some((directory, key, epoch_key));
        Ok(epoch_key)
    }

    async fn drawn(&mut self, key: EpochKey) -> Result<Drawn, CarrierError> {
        let issuer = self.carrier.issuer.authority().clone();
        let subject = self.carrier.identity.iss().to_owned();
        let drawn = self
            .wallet
            .off_thread(move |wallet| wallet.class_draws(&issuer, &subject, key.id))
            .await?;
        Ok(Drawn {
            tokens: drawn.tokens,
            is_first_key: drawn.is_first_key,
        })
    }

    /// What is due may have been drawn meanwhile by another process, or by a resumed draw.
    async fn draw(&mut self, scope: &TokenScope, due: u64) -> Result<usize, CarrierError> {
        let Some((directory, key, _)) = &self.shown else {
            return Ok(0);
        };
        let (carrier, now) = (self.carrier, self.clock.now());
        let draw = carrier.prepare(key, scope)?;
        let begun = self.wallet.off_thread(move |wallet| {
            let id = wallet.begin_due_draw(&draw, due, now)?;
            Ok::<_, WalletError>(id.map(|id| PendingDraw {
                id,
                draw,
                begun_at: now,
            }))
        });
        let Some(pending) = begun.await? else {
            return Ok(0);
        };
        let drawn = carrier
            .ask(self.client, self.wallet, directory, pending, now)
            .await?;
        Ok(drawn.received)
    }
}

#[cfg(test)]
mod attack_tests;
#[cfg(test)]
mod tests;
