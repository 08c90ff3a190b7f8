//! Draws that are under way: what was asked for, and the secrets that turn the
//! answer into tokens.

use std::fmt;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::spend::SpendKey;
use pennyblack_privacypass::token::{ChallengeDigest, Token, TokenChallenge, TokenKeyId};
use pennyblack_privacypass::token_key::TokenToBe;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use super::class_draws;
use super::piles::{self, NewToken};
use super::{Wallet, WalletError, from_column, to_column};

/// Names a pending draw in its wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DrawId(i64);

/// A batch that is to be asked for.
#[derive(Debug)]
pub struct NewDraw {
    /// What the tokens are good for; it names the issuer to ask.
    pub challenge: TokenChallenge,
    /// The key that is to sign.
    pub token_key: TokenKeyId,
    /// The SPC or number that the issuer charges.
    pub subject: String,
    /// The request's body; it is sent like this, now and after a crash.
    pub body: Vec<u8>,
    /// The tokens to be, in the order of the batch.
    pub parts: Vec<DrawPart>,
}

/// One token to be.
pub struct DrawPart {
    /// What unblinds the answer.
    pub pending: TokenToBe,
    /// The key whose public half is the nonce.
    pub spend_key: SpendKey,
}

impl fmt::Debug for DrawPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrawPart").finish_non_exhaustive()
    }
}

/// A batch that was asked for, or may have been.
#[derive(Debug)]
pub struct PendingDraw {
    /// Its name in this wallet.
    pub id: DrawId,
    /// What was asked.
    pub draw: NewDraw,
    /// When it was written.
    pub begun_at: UnixTime,
}

/// A token of an issuer's answer, with its place in the batch.
#[derive(Debug)]
pub struct DrawnToken {
    /// Which part of the draw it belongs to, from 0.
    pub position: usize,
    /// The token, verified when it was made of the answer.
    pub token: Token,
}

impl Wallet {
    /// Writes a draw durably. Only then may its request be sent.
    ///
    /// # Errors
    /// [`WalletError::Database`]; nothing was written, and nothing may be sent.
    pub fn begin_draw(&self, draw: &NewDraw, now: UnixTime) -> Result<DrawId, WalletError> {
        self.write(|transaction| Ok(write_draw(transaction, draw, now)?.0))
    }

    /// The same for a schedule by which `due` tokens of this key are due in all. `None` if
    /// more would be asked for with these: then another process has drawn what was due,
    /// and nothing may be sent.
    ///
    /// # Errors
    /// [`WalletError::Database`]; nothing was written, and nothing may be sent.
    pub fn begin_due_draw(
        &self,
        draw: &NewDraw,
        due: u64,
        now: UnixTime,
    ) -> Result<Option<DrawId>, WalletError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (id, drawn) = write_draw(&transaction, draw, now)?;
        if drawn > due {
            return Ok(None);
        }
        transaction.commit()?;
        Ok(Some(id))
    }

    /// The draws under way, oldest first: after a start, each is sent again as
    /// it stands.
    ///
    /// # Errors
    /// [`WalletError::Database`] or [`WalletError::Damaged`].
    pub fn pending_draws(&self) -> Result<Vec<PendingDraw>, WalletError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT id, encoded, token_key_id, subject, body, begun_at
             FROM draw JOIN challenge ON challenge.digest = draw.challenge_digest ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut draws = Vec::new();
        while let Some(row) = rows.next()? {
            draws.push(read_draw(&connection, row)?);
        }
        Ok(draws)
    }

    /// Brings the tokens of an answer in and ends the draw, in one transaction.
    /// Returns how many came in: none, when another process was first with the
    /// same answer.
    ///
    /// # Errors
    /// [`WalletError::Database`] or [`WalletError::Damaged`]; the draw is then
    /// still pending.
    pub fn complete_draw(
        &self,
        id: DrawId,
        tokens: &[DrawnToken],
        now: UnixTime,
    ) -> Result<usize, WalletError> {
        self.write(|transaction| {
            let challenge: Option<[u8; 32]> = transaction
                .query_row(
                    "SELECT challenge_digest FROM draw WHERE id = ?",
                    [id.0],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(challenge) = challenge.map(ChallengeDigest) else {
                return Ok(0);
            };
            let new: Vec<_> = tokens
                .iter()
                .map(|drawn| NewToken {
                    token: &drawn.token,
                    draw: id.0,
                    position: i64::try_from(drawn.position).unwrap_or(-1),
                })
                .collect();
            piles::add(transaction, challenge, &new, now)?;
            transaction.execute("DELETE FROM draw WHERE id = ?", [id.0])?;
            Ok(tokens.len())
        })
    }

    /// Gives a draw up: the issuer refused it for good. What it charged, if
    /// anything, is lost.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn abandon_draw(&self, id: DrawId) -> Result<(), WalletError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM draw WHERE id = ?", [id.0])?;
            Ok(())
        })
    }
}

/// Writes a draw; returns its name, and what was asked for of its key with it.
fn write_draw(
    transaction: &Transaction<'_>,
    draw: &NewDraw,
    now: UnixTime,
) -> Result<(DrawId, u64), rusqlite::Error> {
    write_challenge(transaction, &draw.challenge)?;
    transaction.execute(
        "INSERT INTO draw (challenge_digest, token_key_id, subject, body, begun_at)
         VALUES (?, ?, ?, ?, ?)",
        params![
            draw.challenge.digest().0,
            draw.token_key.0,
            draw.subject,
            draw.body,
            to_column(now)
        ],
    )?;
    let id = transaction.last_insert_rowid();
    let (issuer, tokens) = (draw.challenge.issuer_name(), draw.parts.len());
    let drawn = class_draws::count(transaction, issuer, &draw.subject, draw.token_key, tokens)?;
    for (position, part) in (0_i64..).zip(&draw.parts) {
        transaction.execute(
            "INSERT INTO draw_token (draw, position, blinding, spend_key) VALUES (?, ?, ?, ?)",
            params![
                id,
                position,
                part.pending.to_bytes().as_slice(),
                part.spend_key.to_bytes().as_slice()
            ],
        )?;
    }
    Ok((DrawId(id), drawn))
}

fn write_challenge(
    transaction: &Transaction<'_>,
    challenge: &TokenChallenge,
) -> Result<(), rusqlite::Error> {
    transaction.execute(
        "INSERT OR IGNORE INTO challenge (digest, issuer, origin_info, encoded) VALUES (?, ?, ?, ?)",
        params![
            challenge.digest().0,
            challenge.issuer_name(),
            challenge.origin_info(),
            challenge.to_bytes()
        ],
    )?;
    Ok(())
}

fn read_draw(connection: &Connection, row: &Row<'_>) -> Result<PendingDraw, WalletError> {
    let id: i64 = row.get(0)?;
    let encoded = row.get_ref(1)?.as_blob().map_err(|_| CHALLENGE)?;
    Ok(PendingDraw {
        id: DrawId(id),
        draw: NewDraw {
            challenge: TokenChallenge::parse(encoded).map_err(|_| CHALLENGE)?,
            token_key: TokenKeyId(row.get(2)?),
            subject: row.get(3)?,
            body: row.get(4)?,
            parts: read_parts(connection, id)?,
        },
        begun_at: from_column(row.get(5)?),
    })
}

/// Secrets are read in place and never copied into memory that is not wiped.
fn read_parts(connection: &Connection, draw: i64) -> Result<Vec<DrawPart>, WalletError> {
    let mut statement = connection.prepare_cached(
        "SELECT blinding, spend_key FROM draw_token WHERE draw = ? ORDER BY position",
    )?;
    let mut rows = statement.query([draw])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        let blinding = row.get_ref(0)?.as_blob().map_err(|_| BLINDING)?;
        let seed = row.get_ref(1)?.as_blob().map_err(|_| SPEND_KEY)?;
        parts.push(DrawPart {
            pending: TokenToBe::from_bytes(blinding).map_err(|_| BLINDING)?,
            spend_key: SpendKey::from_bytes(seed.try_into().map_err(|_| SPEND_KEY)?),
        });
    }
    Ok(parts)
}

const CHALLENGE: WalletError = WalletError::Damaged {
    what: "challenge.encoded",
};
const BLINDING: WalletError = WalletError::Damaged {
    what: "draw_token.blinding",
};
const SPEND_KEY: WalletError = WalletError::Damaged {
    what: "draw_token.spend_key",
};
