//! Requests that are signed and not yet known to be answered. Each is sent,
//! and sent again, exactly as it stands here.

use std::fmt;

use bytes::Bytes;
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::Nonce;
use pennyblack_protocol::store_request::{Freshness, SignedStoreRequest};
use rusqlite::{Row, Transaction, params};

use super::{Wallet, WalletError, from_column, to_column};
use pennyblack_http::Request;

/// Most bytes that are read of the answer to a store request.
const MAX_ANSWER: usize = 4096;

/// Names a request in its wallet's outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutboxId(i64);

/// A complete `POST`: where to, header fields, content.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreCall {
    /// The CPS's URL of section 3.
    pub url: String,
    /// Header fields, by lower-case names; among them the token.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl StoreCall {
    /// The `POST` of a signed request to the CPS's `url`.
    #[must_use]
    pub fn new(url: &str, request: &SignedStoreRequest) -> Self {
        let headers = request.headers().into_iter();
        Self {
            url: url.to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: request.body().to_vec(),
        }
    }

    /// What to send; of the answer, which has no content of use, little is read.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        let body = Bytes::copy_from_slice(&self.body);
        Request::post(self.url.clone(), body, MAX_ANSWER).headers(headers)
    }
}

impl fmt::Debug for StoreCall {
    /// Shows no header: the token is worth something until it is stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreCall")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Where a request is to go, and by which ways it may leave, now and when it is sent again.
#[derive(Debug, Clone, Copy)]
pub struct StoreTarget<'a> {
    /// The CPS's URL of section 3.
    pub url: &'a str,
    /// The ways.
    pub ways: AllowedWays,
}

/// By which ways a signed request may leave. **It is settled when the request is signed**:
/// the process that sends it again may know no relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedWays {
    /// Any: its CPS may see who sends it.
    All,
    /// Relays, and nothing else.
    RelaysOnly,
}

/// One request of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its name in this wallet.
    pub id: OutboxId,
    /// What to send.
    pub call: StoreCall,
    /// When it was signed.
    pub created: UnixTime,
    /// How it may leave.
    pub ways: AllowedWays,
}

impl OutboxEntry {
    /// Whether it is of use to send it at `now`: later than
    /// [`Freshness::RETRY_FOR`] after it was signed, a CPS refuses it.
    #[must_use]
    pub fn may_be_sent(&self, now: UnixTime) -> bool {
        now.since(self.created) <= Freshness::RETRY_FOR
    }
}

impl Wallet {
    /// The requests not known to be answered, oldest first.
    ///
    /// # Errors
    /// [`WalletError::Database`] or [`WalletError::Damaged`].
    pub fn outbox(&self) -> Result<Vec<OutboxEntry>, WalletError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT id, url, headers, body, created, relays_only FROM outbox ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push(read(row)?);
        }
        Ok(entries)
    }

    /// Forgets a request: it was answered for good, or is too old to be sent.
    /// Its token does not come back, whatever the answer was: a second request
    /// signed with it would be a provable double spend.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn settle(&self, id: OutboxId) -> Result<(), WalletError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM outbox WHERE id = ?", [id.0])?;
            Ok(())
        })
    }
}

impl Wallet {
    /// Forgets the requests that are too old to be sent; how many.
    ///
    /// # Errors
    /// [`WalletError::Database`].
    pub fn settle_expired(&self, now: UnixTime) -> Result<usize, WalletError> {
        let oldest = to_column(now.minus(Freshness::RETRY_FOR));
        self.write(|transaction| {
            Ok(transaction.execute("DELETE FROM outbox WHERE created < ?", [oldest])?)
        })
    }
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    nonce: Nonce,
    target: StoreTarget<'_>,
    request: &SignedStoreRequest,
    now: UnixTime,
) -> Result<OutboxEntry, WalletError> {
    let call = StoreCall::new(target.url, request);
    let relays_only = target.ways == AllowedWays::RelaysOnly;
    let json = serde_json::to_string(&call.headers).map_err(|_| HEADERS)?;
    transaction.execute(
        "INSERT INTO outbox (nonce, url, headers, body, created, relays_only)
         VALUES (?, ?, ?, ?, ?, ?)",
        params![
            nonce.0,
            call.url,
            json,
            call.body,
            to_column(now),
            relays_only
        ],
    )?;
    Ok(OutboxEntry {
        id: OutboxId(transaction.last_insert_rowid()),
        call,
        created: now,
        ways: target.ways,
    })
}

fn read(row: &Row<'_>) -> Result<OutboxEntry, WalletError> {
    let json = row.get_ref(2)?.as_str().map_err(|_| HEADERS)?;
    Ok(OutboxEntry {
        id: OutboxId(row.get(0)?),
        call: StoreCall {
            url: row.get(1)?,
            headers: serde_json::from_str(json).map_err(|_| HEADERS)?,
            body: row.get(3)?,
        },
        created: from_column(row.get(4)?),
        ways: match row.get(5)? {
            true => AllowedWays::RelaysOnly,
            false => AllowedWays::All,
        },
    })
}

const HEADERS: WalletError = WalletError::Damaged {
    what: "outbox.headers",
};
