-- Keys that the last directory of their issuer did not list. Their tokens are set aside:
-- one answer destroys nothing, and the next may list the key again.
CREATE TABLE unlisted_key (
    issuer TEXT NOT NULL,              -- authority
    token_key_id BLOB NOT NULL,
    directories INTEGER NOT NULL,      -- in a row, that count against it
    counted_at INTEGER NOT NULL,       -- when the last of them was fetched; Unix seconds
    PRIMARY KEY (issuer, token_key_id)
) STRICT, WITHOUT ROWID;

-- Piles that are not set aside.
CREATE VIEW usable_pile AS
SELECT pile.id, first, next, token_key_id, challenge_digest, issuer, origin_info
FROM pile JOIN challenge ON challenge.digest = pile.challenge_digest
WHERE NOT ended AND first < next AND NOT EXISTS (
    SELECT 1 FROM unlisted_key
    WHERE unlisted_key.issuer = challenge.issuer
    AND unlisted_key.token_key_id = pile.token_key_id
);
