-- The wallet's tables as of version 1; issuer_log.sql and unlisted_key.sql have what
-- came later. Every blob
-- that holds a secret says so.

-- A batch that was, or is about to be, asked for. It is written before the
-- request is sent, and leaves in the transaction that brings its tokens in.
CREATE TABLE draw (
    id INTEGER PRIMARY KEY,
    issuer TEXT NOT NULL,              -- authority
    subject TEXT NOT NULL,             -- the SPC or number that is charged
    cps TEXT NOT NULL,                 -- authority that the tokens are good for
    body BLOB NOT NULL,                -- the request, byte for byte
    begun_at INTEGER NOT NULL          -- Unix seconds
) STRICT;

CREATE TABLE draw_token (
    draw INTEGER NOT NULL REFERENCES draw (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,         -- in the batch, from 0
    blinding BLOB NOT NULL,            -- secret: TokenToBe
    spend_key BLOB NOT NULL,           -- secret: K_temp
    PRIMARY KEY (draw, position)
) STRICT, WITHOUT ROWID;

-- Tokens that may be spent. The spent set of a CPS is keyed by (key id, nonce),
-- so the nonce alone is never in here twice.
CREATE TABLE token (
    nonce BLOB PRIMARY KEY,
    token_key_id BLOB NOT NULL,
    challenge_digest BLOB NOT NULL,
    issuer TEXT NOT NULL,
    cps TEXT NOT NULL,
    token BLOB NOT NULL,               -- secret: worth one stored PASSporT
    spend_key BLOB NOT NULL,           -- secret: K_temp
    drawn_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX token_by_cps ON token (cps, drawn_at);

-- Signed requests of which it is not yet known whether they were answered. A
-- token leaves `token` in the transaction that writes its request here.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    nonce BLOB NOT NULL UNIQUE,
    url TEXT NOT NULL,
    headers TEXT NOT NULL,             -- JSON: [[name, value], …]; holds the token
    body BLOB NOT NULL,
    created INTEGER NOT NULL           -- the signature's `created`
) STRICT;
