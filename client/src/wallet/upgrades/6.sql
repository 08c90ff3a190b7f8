-- From version 6 to 7: keys of Oblivious HTTP are remembered, and what the CPS's log says of
-- them. An upgrade stays as it is, whatever later versions make of the tables.
CREATE TABLE oblivious_keys (
    cps TEXT PRIMARY KEY,              -- authority
    view TEXT,                         -- JSON: ObliviousLogView; none before the log was read
    configs BLOB NOT NULL,             -- RFC 9458 section 3.2: those that the log announces
    read_at INTEGER,                   -- when an answer and the log were last good
    refused TEXT                       -- why the last answer was not trusted, if it was not
) STRICT, WITHOUT ROWID;

ALTER TABLE outbox RENAME TO outbox_6;

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    nonce BLOB NOT NULL UNIQUE,
    url TEXT NOT NULL,
    headers TEXT NOT NULL,             -- JSON: [[name, value], …]; holds the token
    body BLOB NOT NULL,
    created INTEGER NOT NULL,          -- the signature's `created`
    relays_only INTEGER NOT NULL       -- 1: it was signed to leave by no other way
) STRICT;

INSERT INTO outbox (id, nonce, url, headers, body, created, relays_only)
SELECT id, nonce, url, headers, body, created, 0 FROM outbox_6;

DROP TABLE outbox_6;
