//! The carrier's side of issuing (docs/protocol.md section 2): drawing batches
//! of tokens into the wallet, on a schedule that calls have no part in. Not
//! here: spending them (`auth_service`), and keeping them (`wallet`).

mod class;
mod config;
mod error;
mod issuer_log;
mod loose;
mod schedule;
mod timetable;

use std::num::NonZeroUsize;

use bytes::Bytes;
use pennyblack_attestation::{MAX_LIFETIME, Statement};
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::key_log_view::LogPolicy;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::directory::{self, DirectoryKey, IssuerDirectory};
use pennyblack_privacypass::issuance::{BATCH_RESPONSE_TYPE, batch_to_bytes, parse_batch_answer};
use pennyblack_privacypass::token::TokenScope;
use pennyblack_privacypass::token_key::{TokenKey, TokenKeyError, TokenToBe};

pub use class::{Class, ClassError};
pub use config::{CarrierConfig, CarrierSection, HttpSection, ObliviousSection, ScheduleSection};
pub use error::CarrierError;
pub use loose::{AttestedDraw, LooseToken};
pub use schedule::Schedule;

use issuer_log::IssuerKeys;

use crate::identity::StirIdentity;
use crate::wallet::{DrawPart, DrawnToken, NewDraw, PendingDraw, Wallet, WalletError};
use pennyblack_http::{HttpClient, Request, RetryPolicy, ServiceAddress};

/// Most tokens of one batch; issuers take 256 by default.
pub const MAX_BATCH: usize = 256;

/// Bytes that the answer to a batch has at most: a token's response is 256 bytes
/// and three in front of it.
const MAX_BATCH_ANSWER: usize = MAX_BATCH * 260 + 16;

/// What a draw came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrawTotals {
    /// Tokens asked for.
    pub asked: usize,
    /// Tokens that came in.
    pub received: usize,
}

/// Draws tokens for one subject from one issuer.
#[derive(Debug, Clone)]
pub struct Carrier {
    /// Whom to ask.
    pub issuer: ServiceAddress,
    /// On whose behalf.
    pub identity: StirIdentity,
    /// How many tokens a batch asks for. It is the same for every batch, since
    /// a batch sized by need would tell the issuer of the need.
    pub batch: NonZeroUsize,
    /// How long to keep trying.
    pub retry: RetryPolicy,
    /// Whether a key must be in the issuer's log before tokens are drawn of it.
    pub log: LogPolicy,
}

impl Carrier {
    /// Draws one batch of tokens of this scope.
    ///
    /// Everything the answer needs is in the wallet before the request leaves.
    /// If this fails after that, [`Self::resume`] repeats the same request, and
    /// the issuer does not charge it again.
    ///
    /// # Errors
    /// [`CarrierError`].
    pub async fn draw(
        &self,
        client: &HttpClient,
        wallet: &Wallet,
        scope: impl Into<TokenScope>,
        now: UnixTime,
    ) -> Result<DrawTotals, CarrierError> {
        let scope = scope.into();
        let keys = self.issuer_keys(client, wallet, now).await?;
        self.sort_tokens(wallet, &keys, now).await?;
        let drawn = self.draw_by(keys, client, wallet, &scope, now).await;
        wallet.off_thread(Wallet::destroy_ended).await?;
        drawn
    }

    async fn draw_by(
        &self,
        keys: IssuerKeys,
        client: &HttpClient,
        wallet: &Wallet,
        scope: &TokenScope,
        now: UnixTime,
    ) -> Result<DrawTotals, CarrierError> {
        let (directory, key) = keys.into_key_to_draw_of(&self.log, client, now)?;
        let draw = self.prepare(&key, scope)?;
        let (id, draw) = wallet
            .off_thread(move |wallet| {
                let id = wallet.begin_draw(&draw, now)?;
                Ok::<_, WalletError>((id, draw))
            })
            .await?;
        let pending = PendingDraw {
            id,
            draw,
            begun_at: now,
        };
        self.ask(client, wallet, &directory, pending, now).await
    }

    /// Repeats every draw of this subject at this issuer that the wallet holds as
    /// pending, as after a crash.
    ///
    /// # Errors
    /// [`CarrierError`]; draws that were not reached stay pending.
    pub async fn resume(
        &self,
        client: &HttpClient,
        wallet: &Wallet,
        now: UnixTime,
    ) -> Result<DrawTotals, CarrierError> {
        let pending = self.pending(wallet).await?;
        if pending.is_empty() {
            return Ok(DrawTotals::default());
        }
        let directory = self.directory(client).await?;
        let (resumed, failed) = self
            .resume_by(&directory, client, wallet, pending, now)
            .await?;
        failed.map_or(Ok(resumed), Err)
    }

    async fn pending(&self, wallet: &Wallet) -> Result<Vec<PendingDraw>, WalletError> {
        let mut pending = wallet.off_thread(Wallet::pending_draws).await?;
        pending.retain(|draw| self.is_ours(draw));
        Ok(pending)
    }

    /// Repeats pending draws. **One that cannot be answered keeps no other back**: what was
    /// wrong with the last such one comes with the totals.
    async fn resume_by(
        &self,
        directory: &IssuerDirectory,
        client: &HttpClient,
        wallet: &Wallet,
        pending: Vec<PendingDraw>,
        now: UnixTime,
    ) -> Result<(DrawTotals, Option<CarrierError>), CarrierError> {
        let (mut all, mut failed) = (DrawTotals::default(), None);
        for draw in pending {
            match self.ask(client, wallet, directory, draw, now).await {
                Ok(drawn) => {
                    all.asked += drawn.asked;
                    all.received += drawn.received;
                }
                Err(error) if error.is_of_one_draw() => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        Ok((all, failed))
    }

    /// Fetches the issuer's directory.
    ///
    /// # Errors
    /// [`CarrierError::Http`] or [`CarrierError::Directory`].
    pub async fn directory(&self, client: &HttpClient) -> Result<IssuerDirectory, CarrierError> {
        let url = self.issuer.url(directory::WELL_KNOWN_PATH);
        let request =
            Request::get(url, directory::MAX_SIZE).header("accept", directory::MEDIA_TYPE);
        let answer = client.send(&request, self.retry).await?;
        Ok(IssuerDirectory::parse(
            answer.content(directory::MEDIA_TYPE)?,
        )?)
    }

    fn prepare(&self, key: &TokenKey, scope: &TokenScope) -> Result<NewDraw, CarrierError> {
        let challenge = scope.challenge(key.token_type(), self.issuer.authority())?;
        let digest = challenge.digest();
        let mut rng = rand::rng();
        let parts = (0..self.tokens_in_batch())
            .map(|_| {
                let spend_key = SpendKey::generate(&mut rng);
                let pending = TokenToBe::blind(key, spend_key.nonce(), digest, &mut rng)?;
                Ok(DrawPart { pending, spend_key })
            })
            .collect::<Result<Vec<_>, TokenKeyError>>()?;
        let requests: Vec<_> = parts.iter().map(|part| part.pending.request()).collect();
        Ok(NewDraw {
            challenge,
            token_key: key.id(),
            subject: self.identity.iss().to_owned(),
            body: batch_to_bytes(&requests),
            parts,
        })
    }

    /// Sends a draw that is in the wallet and brings its tokens in.
    async fn ask(
        &self,
        client: &HttpClient,
        wallet: &Wallet,
        directory: &IssuerDirectory,
        pending: PendingDraw,
        now: UnixTime,
    ) -> Result<DrawTotals, CarrierError> {
        let answer = match self.send(client, directory, &pending.draw.body, now).await {
            Ok(answer) => answer,
            Err(error) => {
                self.abandon_if_hopeless(wallet, &pending, &error).await?;
                return Err(error);
            }
        };
        let tokens = unblind(&pending.draw.parts, &answer)?;
        let drawn = DrawTotals {
            asked: pending.draw.parts.len(),
            received: tokens.len(),
        };
        wallet
            .off_thread(move |wallet| wallet.complete_draw(pending.id, &tokens, now))
            .await?;
        Ok(drawn)
    }

    async fn send(
        &self,
        client: &HttpClient,
        directory: &IssuerDirectory,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Bytes, CarrierError> {
        let draw = self.attest(directory, Bytes::copy_from_slice(body), now)?;
        let answer = client.send(&draw.request(), self.retry).await?;
        Ok(answer.content(BATCH_RESPONSE_TYPE)?.clone())
    }

    /// Makes the request that asks for `body`; it can be sent for
    /// [`MAX_LIFETIME`].
    fn attest(
        &self,
        directory: &IssuerDirectory,
        body: Bytes,
        now: UnixTime,
    ) -> Result<AttestedDraw, CarrierError> {
        // A path only: an absolute URL could lead the attestation elsewhere.
        let path = &directory.request_uri;
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(CarrierError::RequestUri(path.clone()));
        }
        let statement = Statement {
            iss: self.identity.iss(),
            audience: self.issuer.authority(),
            body: &body,
            now,
            lifetime: MAX_LIFETIME,
        };
        let attestation = statement.sign(self.identity.certificate(), self.identity.key());
        Ok(AttestedDraw {
            url: self.issuer.url(path),
            authorization: format!("Bearer {attestation}"),
            body,
        })
    }

    /// A draw that the issuer calls undecodable or blinded for a key it does not
    /// have will never be answered; every other refusal may pass.
    async fn abandon_if_hopeless(
        &self,
        wallet: &Wallet,
        pending: &PendingDraw,
        error: &CarrierError,
    ) -> Result<(), CarrierError> {
        if error.is_refusal_for_good() {
            let id = pending.id;
            wallet
                .off_thread(move |wallet| wallet.abandon_draw(id))
                .await?;
        }
        Ok(())
    }

    /// A wallet may be shared; only the subject that began a draw finishes
    /// it: only the same subject gets the same answer without a charge.
    fn is_ours(&self, pending: &PendingDraw) -> bool {
        let draw = &pending.draw;
        draw.challenge.issuer_name() == self.issuer.authority().as_str()
            && draw.subject == self.identity.iss()
    }
}

/// The key that signs at `now`: of those that have begun, the one that began
/// last, and of several such the first in the issuer's order.
fn current_key(directory: &IssuerDirectory, now: UnixTime) -> Result<TokenKey, CarrierError> {
    let mut best: Option<&DirectoryKey> = None;
    for key in &directory.token_keys {
        let begun = key.not_before.unwrap_or(UnixTime(0));
        let usable = key.token_type.authenticator_size().is_some() && begun <= now;
        let later = best.is_none_or(|best| best.not_before.unwrap_or(UnixTime(0)) < begun);
        if usable && later {
            best = Some(key);
        }
    }
    let key = best.ok_or(CarrierError::NoCurrentKey {
        now,
        clock_gap: None,
    })?;
    Ok(TokenKey::parse(key.token_type, &key.encoded)?)
}

/// Makes tokens of the responses, each verified under the key it was asked of.
/// Responses may be absent (their places are kept); one that is wrong makes the
/// whole answer wrong, and the draw stays pending.
fn unblind(parts: &[DrawPart], answer: &[u8]) -> Result<Vec<DrawnToken>, CarrierError> {
    let answers = parse_batch_answer(answer, MAX_BATCH)?;
    if answers.len() != parts.len() {
        return Err(CarrierError::AnswerCount {
            asked: parts.len(),
            answered: answers.len(),
        });
    }
    let mut tokens = Vec::with_capacity(parts.len());
    for (position, (part, answer)) in parts.iter().zip(&answers).enumerate() {
        if let Some(answer) = answer {
            let token = part.pending.finalize(&answer.response)?;
            tokens.push(DrawnToken { position, token });
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests;
