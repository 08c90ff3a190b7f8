-- From version 7 to 8: a token may pay for several requests, one at each CPS, if it is a
-- federation token; and the piles of one key are told apart by their challenges. An upgrade
-- stays as it is, whatever later versions make of the tables.
ALTER TABLE outbox RENAME TO outbox_7;

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

INSERT INTO outbox (id, nonce, url, headers, body, created, relays_only)
SELECT id, nonce, url, headers, body, created, relays_only FROM outbox_7;

DROP TABLE outbox_7;

DROP VIEW usable_pile;

CREATE VIEW usable_pile AS
SELECT pile.id, first, next, token_key_id, challenge_digest, issuer, origin_info
FROM pile JOIN challenge ON challenge.digest = pile.challenge_digest
WHERE NOT ended AND first < next AND NOT EXISTS (
    SELECT 1 FROM unlisted_key
    WHERE unlisted_key.issuer = challenge.issuer
    AND unlisted_key.token_key_id = pile.token_key_id
);
