//! Tokens that go into no wallet, and requests for tokens that are made ahead of
//! being sent, for measuring services. Not here: drawing for calls, which
//! goes through the wallet, so that a crash loses nothing.

use std::fmt;

use bytes::Bytes;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::directory::IssuerDirectory;
use pennyblack_privacypass::issuance::{
    BATCH_REQUEST_TYPE, BATCH_RESPONSE_TYPE, parse_batch_answer,
};
use pennyblack_privacypass::token::{Token, TokenScope};

use super::{Carrier, CarrierError, MAX_BATCH, MAX_BATCH_ANSWER, current_key, unblind};
use pennyblack_http::{Answer, HttpClient, Request};

/// A token with the key whose public half is its nonce, in memory only.
pub struct LooseToken {
    /// The token.
    pub token: Token,
    /// The private half of its nonce.
    pub spend_key: SpendKey,
}

/// A request for a batch of tokens with its attestation, ready to be sent.
pub struct AttestedDraw {
    pub(super) url: String,
    pub(super) authorization: String,
    pub(super) body: Bytes,
}

impl fmt::Debug for AttestedDraw {
    /// Does not show the attestation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttestedDraw")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl AttestedDraw {
    /// What to send.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request::post(self.url.clone(), self.body.clone(), MAX_BATCH_ANSWER)
            .header("authorization", &self.authorization)
            .header("content-type", BATCH_REQUEST_TYPE)
            .header("accept", BATCH_RESPONSE_TYPE)
    }

    /// How many tokens an answer brings. They are counted and not unblinded.
    ///
    /// # Errors
    /// [`CarrierError`] for an answer of another form.
    pub fn count(answer: &Answer) -> Result<usize, CarrierError> {
        let answers = parse_batch_answer(answer.content(BATCH_RESPONSE_TYPE)?, MAX_BATCH)?;
        Ok(answers.into_iter().flatten().count())
    }
}

impl Carrier {
    /// Tokens that every batch asks for.
    pub fn tokens_in_batch(&self) -> usize {
        self.batch.get().min(MAX_BATCH)
    }

    pub(super) fn batch_size(&self) -> u64 {
        self.tokens_in_batch() as u64
    }

    /// Draws one batch that goes into no wallet: if this fails, what the issuer
    /// charged is lost.
    ///
    /// # Errors
    /// [`CarrierError`].
    pub async fn draw_loose(
        &self,
        client: &HttpClient,
        directory: &IssuerDirectory,
        scope: impl Into<TokenScope>,
        now: UnixTime,
    ) -> Result<Vec<LooseToken>, CarrierError> {
        let key = current_key(directory, now).map_err(|error| error.by_the_clock_of(client))?;
        let draw = self.prepare(&key, &scope.into())?;
        let answer = self.send(client, directory, &draw.body, now).await?;
        let drawn = unblind(&draw.parts, &answer)?;
        let mut tokens = Vec::with_capacity(drawn.len());
        let mut drawn = drawn.into_iter().peekable();
        for (position, part) in draw.parts.into_iter().enumerate() {
            if let Some(token) = drawn.next_if(|token| token.position == position) {
                tokens.push(LooseToken {
                    token: token.token,
                    spend_key: part.spend_key,
                });
            }
        }
        Ok(tokens)
    }

    /// Makes a request for a batch whose answer nobody will unblind.
    ///
    /// # Errors
    /// [`CarrierError`].
    pub fn draw_to_measure(
        &self,
        directory: &IssuerDirectory,
        scope: impl Into<TokenScope>,
        now: UnixTime,
    ) -> Result<AttestedDraw, CarrierError> {
        let draw = self.prepare(&current_key(directory, now)?, &scope.into())?;
        self.attest(directory, Bytes::from(draw.body), now)
    }

    /// Attests a request anew, because its attestation grows too old.
    ///
    /// # Errors
    /// [`CarrierError`].
    pub fn attest_again(
        &self,
        directory: &IssuerDirectory,
        draw: &AttestedDraw,
        now: UnixTime,
    ) -> Result<AttestedDraw, CarrierError> {
        self.attest(directory, draw.body.clone(), now)
    }
}
