-- The wallet's tables; issuer_log.sql and unlisted_key.sql have those of issuers. Every
-- blob that holds a secret says so.

-- What tokens are good for. Draws and tokens name a challenge and no CPS, so that tokens
-- with another challenge need no other tables. That of federation tokens has an empty
-- origin_info.
CREATE TABLE challenge (
    digest BLOB PRIMARY KEY,           -- SHA-256 of the TokenChallenge
    issuer TEXT NOT NULL,              -- authority
    origin_info TEXT NOT NULL,         -- authority of the CPS that accepts the tokens
    encoded BLOB NOT NULL              -- the TokenChallenge
) STRICT, WITHOUT ROWID;

-- A batch that was, or is about to be, asked for. It is written before the
-- request is sent, and leaves in the transaction that brings its tokens in.
CREATE TABLE draw (
    id INTEGER PRIMARY KEY,
    challenge_digest BLOB NOT NULL REFERENCES challenge (digest),
    token_key_id BLOB NOT NULL,        -- the key that is to sign
    subject TEXT NOT NULL,             -- the SPC or number that is charged
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

-- The tokens of one challenge that one key has signed. They lie at the positions from
-- `first` to `next` - 1, without a gap and in the order of drawing. So counting is a
-- subtraction, and a random token is one read, however many there are.
CREATE TABLE pile (
    id INTEGER PRIMARY KEY,
    challenge_digest BLOB NOT NULL REFERENCES challenge (digest),
    token_key_id BLOB NOT NULL,
    first INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0   -- 1: its tokens are being destroyed, some at a time
) STRICT;

-- Tokens that come in while an ended pile of the same key is destroyed go on a new one.
CREATE UNIQUE INDEX pile_of_key ON pile (challenge_digest, token_key_id) WHERE NOT ended;

-- Tokens that may be spent. `id` is pile * 2^40 + position.
CREATE TABLE token (
    id INTEGER PRIMARY KEY,
    token BLOB NOT NULL,               -- secret: worth one stored PASSporT
    spend_key BLOB NOT NULL            -- secret: K_temp
) STRICT;

-- When the tokens were drawn that lie at `position` and behind it, up to the next row.
-- The times of a pile never fall.
CREATE TABLE arrival (
    pile INTEGER NOT NULL REFERENCES pile (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    drawn_at INTEGER NOT NULL,         -- Unix seconds
    PRIMARY KEY (pile, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX arrival_by_time ON arrival (pile, drawn_at, position);

-- What was drawn of each of the last keys, spent or not. A clock that is set back, or an
-- issuer that shows an earlier key again, leads back to an earlier row.
CREATE TABLE class_draws (
    id INTEGER PRIMARY KEY,
    issuer TEXT NOT NULL,              -- authority
    subject TEXT NOT NULL,             -- the SPC or number that is charged
    token_key_id BLOB NOT NULL,
    tokens INTEGER NOT NULL DEFAULT 0, -- asked for, of this key
    is_first INTEGER NOT NULL DEFAULT 0, -- 1: the first key that a schedule drew of
    UNIQUE (issuer, subject, token_key_id)
) STRICT;

-- Signed requests of which it is not yet known whether they were answered. A
-- token leaves `token` in the transaction that writes the first request with it here.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    nonce BLOB NOT NULL,
    url TEXT NOT NULL,
    headers TEXT NOT NULL,             -- JSON: [[name, value], …]; holds the token
    body BLOB NOT NULL,
    created INTEGER NOT NULL,          -- the signature's `created`
    relays_only INTEGER NOT NULL,      -- 1: it was signed to leave by no other way
    UNIQUE (nonce, url)                -- never two requests with one token at one CPS
) STRICT;
